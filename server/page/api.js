// What the service is asked. All addresses are relative: they hold below any path of a proxy.

/**
 * @typedef {{id: number, path: string, width: number, height: number, format: string,
 *   label: string|null, category: string|null, probability: number|null, indexed_at: string,
 *   missing: boolean}} ImageInfo
 * @typedef {{id: number, rank: number, score: number, path: string, label: string|null,
 *   category: string|null, missing: boolean}} Hit
 * @typedef {{id: string, kind: string, title: string, state: string, created_at: string,
 *   started_at: string|null, ended_at: string|null, announcements: string[], result?: any,
 *   progress: {task: string, done: number, total: number|null, unit: string}|null,
 *   problem: any}} Job
 */

// Browsers let so many bytes outlive the page that sends them.
const MOST_KEPT_ALIVE = 60_000;
// Of a request that is told to come again.
const MOST_TRIES = 6;
const LONGEST_WAIT = 8;

/** A failure in the words of problem details (RFC 9457). */
export class Problem extends Error {
  /** @param {{status?: number, type?: string, thing?: string, reason?: string, remedy?: string}} told */
  constructor(told) {
    super(`${told.thing}: ${told.reason}`);
    this.status = told.status || 0;
    this.type = told.type || "Error";
    this.thing = told.thing || "the service";
    this.reason = told.reason || "this failed";
    this.remedy = told.remedy || "";
  }

  /** Return any error as a problem. @param {unknown} error */
  static of(error) {
    if (error instanceof Problem) return error;
    return new Problem({
      type: "PageError",
      thing: "this page",
      reason: String(error),
      remedy: "Load it again; if that does not help, please report it",
    });
  }
}

/** Whether somebody no longer wants to know. @param {unknown} error */
export function isAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Ask, and come again where the service says that it is busy.
 *
 * @param {string} path relative, such as `v1/images`
 * @param {{method?: string, query?: Record<string, any>|URLSearchParams, json?: unknown,
 *   body?: BodyInit, type?: string, signal?: AbortSignal, waiting?: (seconds: number) => void,
 *   as?: "json"|"blob", keepalive?: boolean}} [options] `waiting` hears of a pause; what is kept
 *   alive arrives though the page is left meanwhile, if it is small
 * @returns {Promise<any>} the answer's JSON, null where it has none
 * @throws {Problem} it was refused, or nobody answers
 */
export async function ask(path, options = {}) {
  const headers = {};
  let body = options.body;
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.json);
  } else if (options.type) {
    headers["Content-Type"] = options.type;
  }
  const address = withQuery(path, options.query);
  const method = options.method || "GET";
  for (let tries = 1; ; tries++) {
    let answer;
    try {
      answer = await fetch(address, {
        method,
        headers,
        body,
        keepalive: Boolean(options.keepalive) && body.length < MOST_KEPT_ALIVE,
        signal: options.signal,
        redirect: "error",
      });
    } catch (error) {
      if (isAborted(error)) throw error;
      throw new Problem({
        type: "ConnectionError",
        thing: "the service",
        reason: "it does not answer",
        remedy: "See that `engine serve` still runs, then try again",
      });
    }
    if (
      (answer.status === 503 || answer.status === 429) &&
      answer.headers.has("retry-after") &&
      tries < MOST_TRIES
    ) {
      const asked = Number(answer.headers.get("retry-after")) || 1;
      const seconds =
        Math.min(LONGEST_WAIT, Math.max(asked, 2 ** (tries - 2))) * (1 + Math.random() / 4);
      options.waiting?.(seconds);
      await pause(seconds * 1000, options.signal);
      continue;
    }
    if (!answer.ok) throw await problemOf(answer);
    if (answer.status === 204) return null;
    return options.as === "blob" ? answer.blob() : answer.json();
  }
}

async function problemOf(answer) {
  let told;
  try {
    told = await answer.json();
  } catch {
    told = {
      thing: "the service",
      reason: `it answered ${answer.status} ${answer.statusText}`,
      remedy: "Try again",
    };
  }
  const problem = new Problem({ ...told, status: answer.status });
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("locked"));
  return problem;
}

function withQuery(path, query) {
  if (!query) return path;
  const parameters = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) {
    for (const [key, value] of Object.entries(query)) {
      for (const each of Array.isArray(value) ? value : [value]) {
        if (each !== null && each !== undefined && each !== "" && each !== false)
          parameters.append(key, each);
      }
    }
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** Wait, unless nobody wants it any more. @param {number} milliseconds @param {AbortSignal} [signal] */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new DOMException("", "AbortError"));
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(new DOMException("", "AbortError"));
      },
      { once: true },
    );
  });
}

/** Return the address of a small copy of an image. @param {number} id @param {128|256|512} size */
export function thumbnail(id, size = 256) {
  return `v1/images/${id}/thumbnail?size=${size}`;
}

/** Return the address of an image's own file, to be saved. @param {number} id */
export function original(id) {
  return `v1/images/${id}/file`;
}

/**
 * Return pictures as the body of a request.
 *
 * @param {Blob[]} files
 * @returns {{body: BodyInit, type?: string}}
 */
export function pictures(files) {
  if (files.length === 1) return { body: files[0], type: "application/octet-stream" };
  const form = new FormData();
  files.forEach((file, index) => form.append("pictures", file, `${index}`));
  return { body: form };
}

/** @param {{where?: string[], cursor?: number, limit?: number}} query @returns {Promise<{images: ImageInfo[], cursor: number|null}>} */
export const images = (query, options = {}) => ask("v1/images", { ...options, query });
/** @returns {Promise<ImageInfo>} */
export const image = (id, options = {}) => ask(`v1/images/${id}`, options);
/** @returns {Promise<ImageInfo>} */
export const relabel = (id, label) => ask(`v1/images/${id}`, { method: "PATCH", json: { label } });
/** @returns {Promise<Record<string, number>>} */
export const categories = (options = {}) => ask("v1/categories", options);

// The jobs of the service, as they change: one connection for all who want to know.

import { ask } from "./api.js";

/** @typedef {import("./api.js").Job} Job */

// Until a connection that could not be made is tried again, in milliseconds.
const AGAIN = 5000;
/** @type {Map<string, Job>} */
const known = new Map();
/** @type {Set<(jobs: Job[], changed: Job|null) => void>} */
const listeners = new Set();
/** @type {EventSource|null} */
let source = null;
let offered = true;
let starting = false;

/** Return the jobs that are known, the newest first. @returns {Job[]} */
export function jobs() {
  return [...known.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
}

/**
 * Hear of every change until a signal.
 *
 * @param {(jobs: Job[], changed: Job|null) => void} listener called at once with what is known
 * @param {AbortSignal} [signal]
 */
export function watchJobs(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
  listener(jobs(), null);
  connect();
}

/** Note a job that was just begun, or has changed. @param {Job} job */
export function note(job) {
  known.set(job.id, { ...known.get(job.id), ...job });
  tell(job);
  connect();
}

/** Forget a job that is no more. @param {string} id */
export function drop(id) {
  known.delete(id);
  tell(null);
}

/**
 * Begin a job.
 *
 * @param {string} path
 * @param {unknown} json
 * @returns {Promise<Job>}
 */
export async function begin(path, json) {
  const job = await ask(path, { method: "POST", json });
  note(job);
  return job;
}

/** Return a job with its result when it has ended. @param {string} id @param {AbortSignal} signal @returns {Promise<Job>} */
export function ended(id, signal) {
  return new Promise((resolve, reject) => {
    const own = new AbortController();
    signal.addEventListener(
      "abort",
      () => {
        own.abort();
        reject(new DOMException("", "AbortError"));
      },
      { once: true },
    );
    watchJobs(() => {
      const job = known.get(id);
      if (!job || job.state === "waiting" || job.state === "running" || own.signal.aborted) return;
      own.abort();
      ask(`v1/jobs/${id}`, { signal }).then(resolve, reject);
    }, own.signal);
  });
}

/** Ask for all jobs anew. */
export async function refresh() {
  const answer = await ask("v1/jobs");
  known.clear();
  for (const job of answer.jobs) known.set(job.id, job);
  tell(null);
}

function tell(changed) {
  const all = jobs();
  for (const listener of [...listeners]) listener(all, changed);
}

async function connect() {
  // A hidden page needs no connection; a browser has few for one host.
  if (source || starting || !offered || document.hidden) return;
  starting = true;
  try {
    await refresh();
    source = new EventSource("v1/jobs/events");
    source.addEventListener("job", (event) => note(JSON.parse(event.data)));
    // What changed while nobody was connected.
    source.addEventListener("open", () => refresh().catch(() => {}));
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      disconnect();
      later();
    });
  } catch (error) {
    // A service without jobs, or one that lets nobody in.
    if (error.status === 404 || error.status === 401) offered = false;
    else later();
  } finally {
    starting = false;
  }
}

function later() {
  if (listeners.size) setTimeout(connect, AGAIN);
}

function disconnect() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else if (listeners.size) connect();
});
addEventListener("pagehide", disconnect);

// What is found: pictures of the catalog in pages, or those that look like a picture.

import { counted, fill, h, name } from "../dom.js";
import { ask, images, isAborted } from "../api.js";
import { cropText } from "../components/crop.js";
import { PAGE } from "../components/grid.js";
import { command, empty, problemPanel, sentence } from "../components/notices.js";
import { termsOf } from "../components/query.js";
import { scoreText } from "../components/tile.js";
import { understoodText } from "../components/words.js";
import { address, here } from "../router.js";

const K = 60;
const MOST_K = 1000;

/**
 * @typedef {import("../components/grid.js").Grid} Grid
 * @typedef {{signal: AbortSignal, busy: (seconds: number) => void,
 *   grid: (items: any[], label: string, note: (item: any) => string, more?: any) => Grid}} Asking
 * @typedef {{shown: any, grid: Grid|null, text: string}} Found what is shown, and how much it is
 */

/**
 * Return the pictures of the catalog that meet the conditions, in pages.
 *
 * @param {URLSearchParams} params
 * @param {Asking} asking
 * @returns {Promise<Found>}
 */
export async function browse(params, asking) {
  const { signal } = asking;
  const where = params.getAll("where");
  const page = await images({ where, limit: PAGE }, { signal, waiting: asking.busy });
  if (!page.images.length) return { shown: nothing(where), grid: null, text: "" };
  let cursor = page.cursor;
  const all = where.length ? "Pictures that fit" : "All pictures";
  const grid = asking.grid(
    page.images,
    "Pictures of the catalog",
    () => "",
    async () => {
      if (cursor === null) return null;
      const next = await images({ where, limit: PAGE, cursor }, { signal });
      cursor = next.cursor;
      return next.images;
    },
  );
  return { shown: grid.element, grid, text: cursor ? all : counted(page.images.length, "picture") };
}

function nothing(where) {
  if (where.length) return empty("No picture fits", "Take a condition away, or write another.");
  return empty(
    "The catalog has no pictures yet",
    "Index a folder of pictures:",
    command("engine index ~/pictures"),
    h("p", {}, "or ", h("a", { href: address("jobs") }, "start a job"), "."),
  );
}

/**
 * Return the pictures that look most like what is asked about, pictures or words.
 *
 * @param {URLSearchParams} params
 * @param {import("../components/query.js").Query} query
 * @param {Asking} asking
 * @returns {Promise<Found>}
 */
export async function alike(params, query, asking) {
  const k = Math.min(MOST_K, Math.max(1, Number(params.get("k")) || K));
  const find = await finder(params, query, asking);
  const { report, hits } = await find(k);
  if (!hits.length) {
    const why = report.why_empty
      ? `${sentence(report.why_empty)}.`
      : "The catalog has no other picture.";
    const clear = report.understood.every((each) => each.categories.length);
    const remedy = clear && "Take a condition away, or search for another picture.";
    return {
      shown: empty("Nothing was found", h("p", {}, name(why)), remedy),
      grid: null,
      text: "",
    };
  }
  const within = report.category ? `, of category ${report.category}` : "";
  const far = report.close === false ? ". None of them is close" : "";
  const grid = asking.grid(hits, "Pictures that look alike", (hit) => scoreText(hit.score));
  return {
    shown: [grid.element, moreButton(grid, find, k, hits.length)],
    grid,
    text: `${counted(hits.length, "picture")} most alike${within}${far}${understoodText(report.understood)}`,
  };
}

/** Return what finds so many; pictures themselves are sent along each time. */
async function finder(params, query, { signal, busy }) {
  const body = await termsOf(query, signal);
  // Who asks for what is like a picture has that picture.
  const own = new Set(query.ids);
  return async (count) => {
    const report = await ask("v1/search", {
      method: "POST",
      ...body,
      signal,
      waiting: busy,
      query: {
        k: Math.min(MOST_K, count + own.size),
        crop: cropText(query.crop),
        where: params.getAll("where"),
        same_category: params.get("same") === "1" || null,
        min_score: params.get("min"),
      },
    });
    return { report, hits: report.results.filter((hit) => !own.has(hit.id)).slice(0, count) };
  };
}

function moreButton(grid, find, k, shown) {
  const error = h("div", {});
  const button = h("button", { type: "button", hidden: shown < k || k >= MOST_K }, "Show more");
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(error);
    const count = Math.min(MOST_K, k * 3);
    try {
      const next = await find(count);
      const seen = new Set(grid.items.map((hit) => hit.id));
      grid.append(next.hits.filter((hit) => !seen.has(hit.id)));
      k = count;
      const { params } = here();
      params.set("k", String(k));
      history.replaceState(history.state, "", address("search", params));
      button.hidden = k >= MOST_K || next.hits.length < k;
    } catch (problem) {
      if (!isAborted(problem)) fill(error, problemPanel(problem));
    }
    button.disabled = false;
  });
  return h("div.more", {}, button, error);
}

/** Return what says why nothing could be found. @param {any} error @param {() => void} retry */
export function failure(error, retry) {
  if (error.type !== "StoreNotFoundError") return problemPanel(error, { retry });
  return empty(
    "There is no catalog yet",
    "Index a folder of pictures, then load this page again:",
    command("engine index ~/pictures"),
  );
}

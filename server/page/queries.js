// What is searched for, as the address has it. Pictures that were searched for: the address names them, and the page alone has them.

import { cropOf } from "./components/crop.js";

/** @type {Map<string, Blob[]>} */
const kept = new Map();
let last = 0;

/** Keep pictures; return what the address calls them. @param {Blob[]} files */
export function keep(files) {
  const key = String(++last);
  kept.set(key, files);
  return key;
}

/** Return pictures by what the address calls them, undefined after the page was loaded anew. */
export function recall(key) {
  return kept.get(key);
}

/**
 * Return what an address asks about.
 *
 * @param {URLSearchParams} params
 * @returns {{query: import("./components/query.js").Query, missing: boolean}} `missing` where it
 *   names pictures that the page has no more
 */
export function askedBy(params) {
  const ids = params
    .getAll("id")
    .map(Number)
    .filter((id) => Number.isSafeInteger(id) && id > 0);
  const key = params.get("q");
  const files = (key && recall(key)) || [];
  const crop = cropOf(params.get("crop"));
  return {
    query: {
      ids: files.length ? [] : ids,
      files,
      crop,
      text: params.getAll("text"),
      not: params.getAll("not"),
    },
    missing: Boolean(key) && !files.length,
  };
}

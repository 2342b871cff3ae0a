// Pictures that were searched for: the address names them, and the page alone has them.

/** @type {Map<string, File[]>} */
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

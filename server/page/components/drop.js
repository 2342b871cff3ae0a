// Pictures that are dropped or pasted anywhere are searched for.

import { h } from "../dom.js";
import { go } from "../router.js";
import { keep } from "../queries.js";
import { toast } from "./toast.js";

// As the service has it.
export const MOST = 16;

/**
 * Search for pictures.
 *
 * @param {Iterable<File>} given
 * @param {Record<string, string[]>} words what is searched for beside them
 */
export function searchFor(given, words = {}) {
  let files = [...given].filter((file) => file.size > 0);
  if (!files.length) return;
  if (files.length > MOST) {
    toast(
      `The first ${MOST} of ${files.length} pictures are searched for: a search takes no more.`,
    );
    files = files.slice(0, MOST);
  }
  go("search", { q: keep(files), ...words });
}

/** Take what is dropped on the page or pasted into it. */
export function takeFiles() {
  const hint = h(
    "div.drop-hint",
    { hidden: true, "aria-hidden": "true" },
    h("span", {}, "Drop to search for it"),
  );
  document.body.append(hint);
  let inside = 0;
  const brings = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!brings(event)) return;
    inside++;
    hint.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!brings(event)) return;
    inside = Math.max(0, inside - 1);
    hint.hidden = inside === 0;
  });
  addEventListener("dragover", (event) => {
    if (brings(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    inside = 0;
    hint.hidden = true;
    if (!brings(event) || event.defaultPrevented) return;
    event.preventDefault();
    searchFor(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    searchFor(files);
  });
}

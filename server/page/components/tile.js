// A picture among others: a square copy, and what is known of it in a line or two.

import { fileName, h, name } from "../dom.js";
import { thumbnail } from "../api.js";

// A copy that the service is too busy for is asked for again.
const MOST_TRIES = 4;

/**
 * Return a small copy of an image; where there is none, what says so.
 *
 * @param {number} id
 * @param {{size?: 128|256|512, alt?: string, eager?: boolean, whole?: ImageSize}} [options]
 *   `whole` shows all of it in its own shape, else it fills a square
 * @typedef {{width: number, height: number}} ImageSize
 */
export function copyOf(id, { size = 256, alt = "", eager = false, whole } = {}) {
  let tries = 1;
  const larger = size === 128 ? 256 : 512;
  const img = h("img", {
    class: whole ? "copy" : "copy square",
    width: whole ? whole.width : size,
    height: whole ? whole.height : size,
    alt,
    loading: eager ? null : "lazy",
    decoding: "async",
    draggable: "false",
    srcset: `${thumbnail(id, size)} 1x, ${thumbnail(id, larger)} 2x`,
    src: thumbnail(id, size),
  });
  img.addEventListener("error", () => {
    if (tries++ < MOST_TRIES) {
      const address = img.srcset;
      setTimeout(
        () => {
          img.srcset = "";
          img.srcset = address;
        },
        500 * 2 ** tries,
      );
    } else {
      img.classList.add("gone");
      img.removeAttribute("srcset");
      img.removeAttribute("src");
      img.alt = alt ? `${alt} (cannot be shown)` : "cannot be shown";
    }
  });
  return img;
}

/** Return what people call an image: its label, else its category. */
export function calledBy(item) {
  return item.label || item.category || fileName(item.path);
}

/**
 * Return the inside of an option of a grid.
 *
 * @param {import("../api.js").Hit|import("../api.js").ImageInfo} item
 * @param {{note?: string, eager?: boolean}} [options] `note` stands quietly at its end, such as a
 *   score; `eager` where it is seen at once
 */
export function tile(item, { note = "", eager = false } = {}) {
  return [
    h("span.frame", {}, copyOf(item.id, { eager }), h("span.tick", { "aria-hidden": "true" })),
    h(
      "span.caption",
      {},
      h("span.caption-name", {}, name(calledBy(item))),
      note && h("span.caption-note", {}, note),
    ),
  ];
}

/** Return a tile as text, for who hears it. */
export function tileText(item, note = "") {
  const parts = [calledBy(item), fileName(item.path)];
  if (item.missing) parts.push("file is missing");
  if (note) parts.push(note);
  return parts.join(", ");
}

/** Return a score as people read it. @param {number|null} score */
export function scoreText(score) {
  return score === null || score === undefined ? "" : score.toFixed(2);
}

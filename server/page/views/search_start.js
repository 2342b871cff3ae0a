// What the first screen begins with.

import { h, name } from "../dom.js";
import { chipLink } from "../components/chips.js";
import { address } from "../router.js";

const MOST_CATEGORIES = 14;
// Also what browsers cannot show: the service can.
const ACCEPTED = "image/*,.heic,.heif,.avif,.jxl,.tif,.tiff,.psd";

/** Return the hidden input that pictures are chosen with. @param {(files: File[]) => void} picked */
export function picker(picked) {
  const input = h("input", {
    type: "file",
    multiple: true,
    accept: ACCEPTED,
    hidden: true,
    on: {
      change: () => {
        const files = [...input.files];
        input.value = "";
        if (files.length) picked(files);
      },
    },
  });
  return input;
}

/**
 * Return what says how to bring a picture.
 *
 * @param {boolean} missing the address names one that the page has no more
 * @param {() => void} pick
 */
export function dropZone(missing, pick) {
  const choose = (text) => h("button.primary", { type: "button", on: { click: pick } }, text);
  if (missing) {
    const text =
      "The picture that was searched for is not here any more: it was never kept. Drop it again.";
    return h("div.drop-zone", {}, h("p.drop-text", {}, text), choose("Choose pictures"));
  }
  const mouse = h("span.for-mouse", {}, "Drop a picture anywhere, paste one, or ");
  const touch = h("span.for-touch", {}, "Find what looks like a picture: ");
  return h("div.drop-zone", {}, h("p.drop-text", {}, mouse, touch, choose("choose pictures")));
}

/** Return the largest categories, as ways in. @param {Record<string, number>} counts */
export function entries(counts) {
  const largest = Object.entries(counts)
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST_CATEGORIES);
  if (largest.length < 2) return null;
  return h(
    "div.chips",
    { role: "group", "aria-label": "Categories" },
    largest.map(([category, count]) =>
      chipLink(name(category), {
        href: address("search", { where: `category=${category}` }),
        note: count.toLocaleString("en"),
      }),
    ),
  );
}

// What can be done with the pictures that are selected, at the foot of the window.

import { fill, h } from "../dom.js";

/**
 * Return a bar; `show(items)` says which are selected, and hides it where none is.
 *
 * @param {{like: (items: any[]) => void, label: (items: any[]) => void, clear: () => void}} options
 */
export function selectionBar({ like, label, clear }) {
  const bar = h("div.selection", {
    hidden: true,
    role: "region",
    "aria-label": "Selected pictures",
  });
  const button = (tag, text, click, given = {}) =>
    h(tag, { type: "button", on: { click }, ...given }, text);
  return Object.assign(bar, {
    /** @param {any[]} items */
    show(items) {
      bar.hidden = !items.length;
      if (!items.length) return;
      fill(
        bar,
        h("span", {}, `${items.length} selected`),
        button("button.primary", "More like these", () => like(items)),
        button("button", "Label", () => label(items)),
        button("button.quiet.round", "×", clear, { "aria-label": "Select none" }),
      );
    },
  });
}

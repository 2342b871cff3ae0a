// Conditions as chips, each of which can be taken away.

import { h, name } from "../dom.js";

/**
 * Return a chip.
 *
 * @param {string} text
 * @param {() => void} [remove]
 */
export function chip(text, remove) {
  return h(
    "span.chip",
    {},
    name(text),
    remove &&
      h("button", { type: "button", "aria-label": `Remove ${text}`, on: { click: remove } }, "×"),
  );
}

/**
 * Return a chip that leads somewhere, or does something.
 *
 * @param {any} content
 * @param {{href?: string, click?: () => void, pressed?: boolean, note?: string}} options
 */
export function chipLink(content, { href, click, pressed, note } = {}) {
  const inside = [content, note && h("span.chip-note", {}, note)];
  return href
    ? h("a.chip", { href }, inside)
    : h(
        "button.chip",
        {
          type: "button",
          "aria-pressed": pressed === undefined ? null : String(pressed),
          on: { click },
        },
        inside,
      );
}

// What stands where nothing else can: nothing there yet, not come yet, not possible.

import { h, name } from "../dom.js";
import { Problem } from "../api.js";

/**
 * Return what says why there is nothing, and what to do next.
 *
 * @param {string} title
 * @param {...any} content
 */
export function empty(title, ...content) {
  return h(
    "section.notice",
    {},
    h("h2", {}, title),
    ...content.map((each) => (typeof each === "string" ? h("p", {}, each) : each)),
  );
}

/**
 * Return what says why something failed, and what helps.
 *
 * @param {unknown} error
 * @param {{retry?: () => void}} [options]
 */
export function problemPanel(error, { retry } = {}) {
  const problem = Problem.of(error);
  return h(
    "section.notice.bad",
    { role: "alert" },
    h("h2", {}, name(sentence(problem.reason))),
    h("p", {}, name(problem.thing)),
    problem.remedy && h("p", {}, name(`${problem.remedy}.`.replace(/([.!?])\.$/, "$1"))),
    retry && h("button", { type: "button", on: { click: retry } }, "Try again"),
  );
}

/** Return a text that begins with a capital. @param {string} text */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return what stands where something will come. @param {string} text */
export function waiting(text) {
  return h("p.waiting", {}, h("span.spinner", { "aria-hidden": "true" }), text);
}

/** Return a command to be typed, to be copied by a click. @param {string} text */
export function command(text) {
  return h(
    "pre.command",
    { tabindex: 0, role: "region", "aria-label": "Command to type" },
    h("code", {}, text),
  );
}

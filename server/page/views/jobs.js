import { fill, h } from "../dom.js";
export const title = "Jobs";
/** @param {HTMLElement} root */
export function render(root) { fill(root, h("h1", {}, title)); }

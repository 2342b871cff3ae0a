// What was done, told in passing, with a button that takes it back.

import { fill, h, isTyping, visible } from "../dom.js";
import { Problem } from "../api.js";

const SECONDS = 10;
/** @type {(() => void)|null} */
let undoLast = null;

/**
 * Tell what was done.
 *
 * @param {string} text
 * @param {{undo?: () => Promise<unknown>, undone?: string, bad?: boolean}} [options]
 */
export function toast(text, { undo, undone = "Taken back.", bad = false } = {}) {
  const region = document.getElementById("toasts");
  if (!region) return;
  const message = h("span", {}, visible(text));
  const item = h("div.toast", { class: bad ? "toast bad" : "toast" }, message);
  const gone = () => {
    clearTimeout(timer);
    if (undoLast === takeBack) undoLast = null;
    item.remove();
  };
  let timer = setTimeout(gone, SECONDS * 1000);
  const hold = () => clearTimeout(timer);
  const release = () => {
    hold();
    timer = setTimeout(gone, SECONDS * 1000);
  };
  const takeBack = async () => {
    if (!undo) return;
    const act = undo;
    undo = undefined;
    undoLast = null;
    button?.remove();
    try {
      await act();
      fill(message, undone);
    } catch (error) {
      const problem = Problem.of(error);
      fill(message, `Not taken back. ${problem.thing}: ${problem.reason}. ${problem.remedy}`);
      item.classList.add("bad");
    }
    release();
  };
  let button = null;
  if (undo) {
    button = h("button.link", { type: "button", on: { click: takeBack }, title: "Ctrl+Z" }, "Undo");
    item.append(button);
    undoLast = takeBack;
  }
  item.append(
    h(
      "button.quiet.round.small",
      { type: "button", "aria-label": "Dismiss", on: { click: gone } },
      "×",
    ),
  );
  item.addEventListener("pointerenter", hold);
  item.addEventListener("pointerleave", release);
  item.addEventListener("focusin", hold);
  item.addEventListener("focusout", release);
  region.append(item);
  while (region.children.length > 3) region.firstElementChild?.remove();
}

/** Tell why something failed. @param {unknown} error */
export function failed(error) {
  const problem = Problem.of(error);
  toast(`${problem.thing}: ${problem.reason}. ${problem.remedy}`, { bad: true });
}

document.addEventListener("keydown", (event) => {
  if (!undoLast || isTyping(event) || event.key.toLowerCase() !== "z" || event.shiftKey) return;
  if (!(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  undoLast();
});

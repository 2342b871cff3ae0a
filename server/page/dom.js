// Elements, made of text and attributes alone: nothing that a stranger wrote is ever parsed.

/** @typedef {Node|string|number|null|undefined|false} Child */

const SVG = "http://www.w3.org/2000/svg";
// Set as properties: their attributes say something else, or nothing.
const PROPERTIES = new Set([
  "value",
  "checked",
  "disabled",
  "hidden",
  "selected",
  "indeterminate",
  "open",
]);
// Controls, and what turns the direction of writing around.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Return an element.
 *
 * @param {string} tag with classes: `button.quiet.small`
 * @param {Record<string, any>} [given] attributes; `on` holds listeners by event, `style` custom
 *   properties, `data` the data set; null and false leave one out
 * @param {...any} children a `Child`, or lists of them; texts become text nodes
 * @returns {any}
 */
export function h(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return filled(document.createElement(name || "div"), classes, given, children);
}

/** Return an element of a drawing, as `h` does. @returns {any} */
export function svg(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return filled(document.createElementNS(SVG, name), classes, given, children);
}

function filled(element, classes, given, children) {
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value))
        element.addEventListener(event, listener);
    } else if (name === "style") {
      for (const [property, each] of Object.entries(value))
        element.style.setProperty(property, each);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (PROPERTIES.has(name)) {
      element[name] = value;
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false) {
      element.setAttribute(name, String(value));
    }
  }
  add(element, children);
  return element;
}

/** Append children: nodes, texts, lists of them; nothing for null, undefined and false. */
export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Put children into an element, instead of what it has. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Return a text with controls written out: it cannot pretend to be another. @param {unknown} text */
export function visible(text) {
  return String(text).replace(
    UNSEEN,
    (each) => `\\u${each.codePointAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Return what a stranger named: its direction of writing ends with it. @param {unknown} text */
export function name(text, tag = "bdi") {
  return h(tag, {}, visible(text));
}

/** Return the last part of a path. @param {string} path */
export function fileName(path) {
  return path.split(/[\\/]/).pop() || path;
}

/** Return a share as per cent. @param {number|null|undefined} share */
export function percent(share, digits = 0) {
  if (share === null || share === undefined) return "–";
  const least = 10 ** -digits;
  return share > 0 && share * 100 < least ? `< ${least} %` : `${(share * 100).toFixed(digits)} %`;
}

/** Return a number with its noun. @param {number} count */
export function counted(count, noun, nouns = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`;
}

/** Return a size of a file in words. @param {number} count bytes */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log10(count) / 3));
  return `${(count / 1000 ** power).toPrecision(3)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

/** Return how long ago something was, in words. @param {string} iso */
export function when(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  const seconds = (Date.now() - date.getTime()) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return counted(Math.floor(seconds / 60), "minute") + " ago";
  if (seconds < 86400) return counted(Math.floor(seconds / 3600), "hour") + " ago";
  return date.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
}

/** Say something to who listens to the page. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announced");
  if (region) region.textContent = visible(text);
}

/** Whether a key is typed into something that takes text. @param {Event} event */
export function isTyping(event) {
  const target = event.target;
  return (
    target instanceof Element &&
    target.matches("input:not([type=checkbox]):not([type=radio]),textarea,select")
  );
}

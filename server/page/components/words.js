// Words that are searched for, and those that are not meant: a form above all that is found.

import { h, isTyping } from "../dom.js";

// Between texts that are searched for together, as the form shows them.
const JOIN = " + ";
// As the engine has it.
const LONGEST = 1000;

/**
 * Return a form that shows and changes the words of a query.
 *
 * @param {(words: {text: string[], not: string[]}) => void} changed
 * @param {AbortSignal} signal
 * @returns {{element: HTMLElement, show: (text: string[], not: string[]) => void}}
 */
export function wordsForm(changed, signal) {
  const text = field("Search in words", "grand piano");
  const not = field("But not", "");
  const element = h(
    "form.words",
    { role: "search", "aria-label": "Words", on: { submit } },
    text.label,
    not.label,
    h("button.primary", {}, "Search"),
  );
  function submit(event) {
    event.preventDefault();
    changed({ text: parts(text.input.value), not: parts(not.input.value) });
  }
  document.addEventListener(
    "keydown",
    (event) => {
      const other = event.ctrlKey || event.metaKey || event.altKey || isTyping(event);
      if (event.key !== "w" || event.defaultPrevented || other) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      text.input.select();
      text.input.focus();
    },
    { signal },
  );
  return {
    element,
    show(texts, others) {
      text.input.value = texts.join(JOIN);
      not.input.value = others.join(JOIN);
    },
  };
}

function field(title, placeholder) {
  const input = h("input", {
    type: "search",
    placeholder,
    maxlength: LONGEST,
    autocomplete: "off",
    enterkeyhint: "search",
  });
  return { input, label: h("label.field", {}, h("span", {}, title), input) };
}

function parts(value) {
  return value
    .split(JOIN)
    .map((each) => each.trim())
    .filter(Boolean);
}

/**
 * Return what words were taken for, as sentences; of those that were not understood the answer says
 * so itself.
 *
 * @param {{text: string, categories: string[], subtracted: boolean}[]} understood
 */
export function understoodText(understood) {
  return understood
    .filter((each) => each.categories.length)
    .map((each) => {
      const doing = each.subtracted ? "Taken away" : "Searched for";
      return `. ${doing}: ${each.categories.join(", ")} (${each.text})`;
    })
    .join("");
}

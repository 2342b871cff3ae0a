// Questions that have to be answered first, and the list of keys.

import { add, h } from "../dom.js";

/**
 * Show a dialog until it is closed; Escape and a click beside it close it.
 *
 * @param {string} title
 * @param {any[]} content
 * @returns {{element: HTMLDialogElement, close: (value?: string) => void, closed: Promise<string>}}
 */
export function dialog(title, content, classes = "") {
  const element = h(
    "dialog",
    { class: `dialog ${classes}`.trim(), "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, title),
  );
  add(element, content);
  document.body.append(element);
  const before = document.activeElement;
  const closed = new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(element.returnValue);
    });
  });
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close("");
  });
  element.showModal();
  return { element, close: (value = "") => element.close(value), closed };
}

/**
 * Ask whether something that cannot be taken back is meant.
 *
 * @param {string} title
 * @param {any[]} text what it means
 * @param {string} yes what the button says that does it
 * @returns {Promise<boolean>}
 */
export async function confirmed(title, text, yes) {
  const shown = dialog(title, [
    h("div.prose", {}, text),
    h(
      "form.buttons",
      { method: "dialog" },
      h("button", { value: "", autofocus: true }, "Cancel"),
      h("button.danger", { value: "yes" }, yes),
    ),
  ]);
  return (await shown.closed) === "yes";
}

/**
 * Ask for one line of text.
 *
 * @param {string} title
 * @param {{label: string, value?: string, yes?: string, known?: string[], note?: string}} options
 * @returns {Promise<string|null>} null where it was left
 */
export async function prompted(title, { label, value = "", yes = "Save", known = [], note = "" }) {
  const input = h("input", {
    type: "text",
    value,
    autocomplete: "off",
    autofocus: true,
    maxlength: 1000,
    list: "dialog-known",
  });
  const shown = dialog(title, [
    h(
      "form.stack",
      { method: "dialog" },
      h("label.field", {}, h("span", {}, label), input),
      note && h("p.soft", {}, note),
      h(
        "datalist",
        { id: "dialog-known" },
        known.map((each) => h("option", { value: each })),
      ),
      h(
        "div.buttons",
        {},
        h("button", { type: "button", on: { click: () => shown.close("") } }, "Cancel"),
        h("button.primary", { value: "yes" }, yes),
      ),
    ),
  ]);
  return (await shown.closed) === "yes" ? input.value : null;
}

/**
 * Show which keys there are.
 *
 * @param {[string, string[][]][]} groups a heading, and keys with what they do
 */
export function showKeys(groups) {
  dialog(
    "Keys",
    [
      h(
        "div.keys",
        {},
        groups.map(([heading, keys]) =>
          h(
            "section",
            {},
            h("h3", {}, heading),
            h(
              "dl",
              {},
              keys.map(([key, text]) =>
                h(
                  "div",
                  {},
                  h(
                    "dt",
                    {},
                    key.split(" ").map((each) => h("kbd", {}, each)),
                  ),
                  h("dd", {}, text),
                ),
              ),
            ),
          ),
        ),
      ),
      h("form.buttons", { method: "dialog" }, h("button.primary", { autofocus: true }, "Close")),
    ],
    "wide",
  );
}

// Conditions that pictures have to meet: as the address has them, as chips, and a form for more.

import { h } from "../dom.js";
import { chip } from "./chips.js";

// Field: what people call it, and whether it is a number.
const FIELDS = {
  category: ["Category", false],
  label: ["Label", false],
  text: ["Words in path or label", false],
  path: ["Path", false],
  format: ["Format", false],
  width: ["Width, pixels", true],
  height: ["Height, pixels", true],
  size: ["File size, bytes", true],
  probability: ["Probability, 0 to 1", true],
};
const OPERATORS = {
  "=": "is",
  "!=": "is not",
  "~": "is like",
  ">=": "at least",
  "<=": "at most",
  ">": "above",
  "<": "below",
};
const OF_TEXT = ["=", "!=", "~"];
const OF_NUMBERS = [">=", "<="];
const OF_WORDS = ["~"];

/** Return a condition in words. @param {string} condition such as `label=chair` */
export function conditionText(condition) {
  const [, field, operator, value] = condition.match(/^(\w+)\s*(!=|>=|<=|=|~|>|<)\s*(.*)$/s) || [];
  if (!field) return condition;
  if (field === "text") return `has the words ${value}`;
  return `${field} ${OPERATORS[operator]} ${value}`;
}

/**
 * Return chips of conditions and a form that adds one.
 *
 * @param {string[]} conditions
 * @param {(conditions: string[]) => void} changed
 * @param {() => string[]} names what is suggested as a category or a label
 */
export function filters(conditions, changed, names) {
  const field = h(
    "select",
    { "aria-label": "Field" },
    Object.entries(FIELDS).map(([value, [title]]) => h("option", { value }, title)),
  );
  const operator = h("select", { "aria-label": "Comparison" });
  const value = h("input", {
    type: "text",
    required: true,
    "aria-label": "Value",
    list: "filter-names",
    autocomplete: "off",
    maxlength: 1000,
  });
  const known = h("datalist", { id: "filter-names" });
  const set = () => {
    const number = FIELDS[field.value][1];
    operator.replaceChildren(
      ...(number ? OF_NUMBERS : field.value === "text" ? OF_WORDS : OF_TEXT).map((each) =>
        h("option", { value: each }, field.value === "text" ? "has" : OPERATORS[each]),
      ),
    );
    value.type = number ? "number" : "text";
    value.step = "any";
    value.placeholder =
      { category: "chair", label: "chair", text: "red sofa", path: "*/sofas/*", format: "JPEG" }[
        field.value
      ] || "";
    if (field.value === "path") operator.value = "~";
  };
  field.addEventListener("change", set);
  set();
  const form = h(
    "form.filter-form",
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          const condition = `${field.value}${operator.value}${value.value.trim()}`;
          if (!conditions.includes(condition)) changed([...conditions, condition]);
        },
      },
    },
    field,
    operator,
    value,
    known,
    h("button.primary", {}, "Add"),
  );
  const more = h(
    "details.filter-more",
    {
      on: {
        toggle: () => {
          known.replaceChildren(...names().map((each) => h("option", { value: each })));
          if (more.open) value.focus();
        },
        keydown: (event) => {
          if (event.key !== "Escape" || !more.open) return;
          event.stopPropagation();
          more.open = false;
          more.querySelector("summary").focus();
        },
      },
    },
    h("summary.chip", {}, "Filter"),
    form,
  );
  return h(
    "div.chips",
    { role: "group", "aria-label": "Conditions" },
    conditions.map((condition) =>
      chip(conditionText(condition), () =>
        changed(conditions.filter((each) => each !== condition)),
      ),
    ),
    more,
  );
}

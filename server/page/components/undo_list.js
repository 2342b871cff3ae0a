// What was done to duplicates, also before the page was opened, and can be taken back.

import { bytes, counted, fileName, fill, h, name, when } from "../dom.js";
import { ask, isAborted } from "../api.js";
import { failed, toast } from "./toast.js";

const NAMED = 3;

/**
 * Return a list of what can be undone; `load` asks for it anew.
 *
 * @param {() => void} undone hears that something was
 * @param {AbortSignal} signal
 */
export function undoList(undone, signal) {
  const list = h("ul.undo-list", {});
  const count = h("span", {}, "");
  const element = h("details.undoable", { hidden: true }, h("summary.button", {}, count), list);

  async function load() {
    let acts = [];
    try {
      acts = await ask("v1/duplicates/undo", { signal });
    } catch (error) {
      if (!isAborted(error)) failed(error);
      return [];
    }
    element.hidden = !acts.length;
    fill(count, `What can be undone (${acts.length})`);
    fill(list, acts.map((act) => h("li", {},
      h("span", {}, act.kind === "trash"
        ? `${counted(act.count, "picture")} in the trash, ${bytes(act.bytes)}`
        : `${counted(act.count, "pair")} that ${act.count === 1 ? "is" : "are"} no duplicates`,
      h("span.soft", {}, `, ${when(act.at)}: `, name(named(act.paths)))),
      h("button.small", { type: "button", on: { click: (event) => undo(act, event.currentTarget) } }, "Undo"))));
    return acts;
  }

  async function undo(act, button) {
    button.disabled = true;
    try {
      const report = await ask("v1/duplicates/undo", { method: "POST", json: { undo: act.undo } });
      const left = report.skipped.map((each) => `${fileName(each.path)}: ${each.reason}`).join("; ");
      const what = act.kind === "trash" ? `Put ${counted(report.restored, "picture")} back.` : "They may be duplicates again.";
      toast(left ? `${what} Not put back: ${left}.` : what, { bad: Boolean(left) });
      await load();
      undone();
      const next = element.querySelector("button") || element.querySelector("summary");
      if (!element.hidden) next?.focus();
    } catch (error) {
      button.disabled = false;
      if (!isAborted(error)) failed(error);
    }
  }

  return { element, load };
}

function named(paths) {
  const names = paths.slice(0, NAMED).map(fileName).join(", ");
  return paths.length > NAMED ? `${names}, …` : names;
}

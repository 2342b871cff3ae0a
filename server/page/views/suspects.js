// Labels that look wrong: what the engine would say instead, and what you say.

import { announce, counted, fileName, fill, h, isTyping, name, percent, visible } from "../dom.js";
import { ask, image, isAborted, relabel } from "../api.js";
import { Finding, foundAt } from "../components/finding.js";
import { empty, problemPanel } from "../components/notices.js";
import { copyOf } from "../components/tile.js";
import { failed, toast } from "../components/toast.js";
import { address } from "../router.js";

export const title = "Suspects";
export const keys = [
  ["↓ ↑ j k", "Next picture, previous"],
  ["y Enter", "Take the suggestion"],
  ["n", "Keep the label"],
];
// Pictures that are put on the page at a time.
const SHOWN = 24;

/** @typedef {{id: number|null, path: string, label: string, suggestion: string, margin: number, probability: number, suggestion_probability: number}} Suspect */

/** @param {HTMLElement} root @param {URLSearchParams} _ @param {AbortSignal} signal */
export async function render(root, _, signal) {
  await new Suspects(root, signal).finding.last();
}

class Suspects {
  constructor(root, signal) {
    this.signal = signal;
    /** @type {{suspect: Suspect, element: HTMLElement}[]} */
    this.entries = [];
    this.waiting = [];
    /** @type {Map<string, Promise<{yes: number[], no: number[]}>>} what was judged, by label */
    this.judged = new Map();
    this.summary = h("p.found.soft", { role: "status" });
    this.list = h("ol.suspects", { "aria-label": "Doubted labels", on: { keydown: (event) => this.#pressed(event) } });
    this.notice = h("div", {});
    this.look = h("button.primary", { type: "button", on: { click: () => this.finding.again() } }, "Look");
    this.more = h("button", { type: "button", hidden: true, on: { click: () => this.#more() } }, "Show more");
    this.finding = new Finding({
      kind: "suspects", signal, asked: () => ({}),
      plainly: () => ask("v1/suspects", { signal }),
      show: (report, { at }) => this.#show(report, at),
      nothing: () => fill(this.notice, empty("Nobody has looked yet", "Each picture with a label is judged by what the others with labels teach. Those that look like another category are shown here.")),
    });
    fill(root,
      h("div.view-head", {}, h("h1", {}, title), h("p.soft", {}, "Pictures whose label is less likely than another category.")),
      h("div.row.finding-form", {}, this.look), this.finding.element, this.summary, this.notice, this.list, h("div.more", {}, this.more));
  }

  async #show(report, at) {
    this.report = report;
    this.at = at;
    this.entries = [];
    this.judged.clear();
    this.waiting = report.suspects.filter((each) => each.id !== null);
    fill(this.list);
    fill(this.notice);
    await this.#more();
  }

  /** Put more on the page, without those that have another label by now, or whose label was kept. */
  async #more() {
    this.more.disabled = true;
    const first = this.entries.length;
    try {
      while (this.waiting.length && this.entries.length < first + SHOWN) {
        const some = this.waiting.splice(0, SHOWN);
        const there = await Promise.all(some.map((each) => this.#doubted(each)));
        for (const each of there) if (each) this.#add(each, this.entries.length);
      }
    } catch (error) {
      if (!isAborted(error)) fill(this.notice, problemPanel(error));
    }
    this.more.disabled = false;
    this.more.hidden = !this.waiting.length;
    this.#tell();
    if (first) this.#focus(first);
  }

  async #doubted(suspect) {
    try {
      const [info, { yes }] = await Promise.all([image(suspect.id, { signal: this.signal }), this.#judgements(suspect.label)]);
      return info.label === suspect.label && !yes.includes(suspect.id) ? suspect : null;
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  }

  #judgements(label) {
    const nothing = { yes: [], no: [] };
    if (!this.judged.has(label)) {
      const asked = ask("v1/judgements", { query: { category: label }, signal: this.signal });
      // A label that no category can have.
      this.judged.set(label, asked.catch((error) => { if (error.status === 400) return nothing; throw error; }));
    }
    return this.judged.get(label);
  }

  #add(suspect, index) {
    const text = `${fileName(suspect.path)}, label ${suspect.label}, ${percent(suspect.probability)}; suggestion ${suspect.suggestion}, ${percent(suspect.suggestion_probability)}`;
    const entry = { suspect, element: null };
    entry.element = h("li.panel.suspect", { "aria-label": visible(text) },
      h("a.suspect-picture", { href: address("search", { show: suspect.id, id: suspect.id }), "aria-label": visible(`What looks like ${fileName(suspect.path)}`) }, copyOf(suspect.id)),
      h("div.suspect-text", {},
        h("h2", {}, name(fileName(suspect.path))),
        h("dl.facts", {},
          h("dt", {}, "Label"), h("dd", {}, name(suspect.label), h("span.soft", {}, ` ${percent(suspect.probability)}`)),
          h("dt", {}, "Looks like"), h("dd", {}, name(suspect.suggestion), h("span.soft", {}, ` ${percent(suspect.suggestion_probability)}`))),
        h("div.row", {},
          h("button.primary", { type: "button", title: "y", on: { click: () => this.#accept(entry) } }, "Label it ", name(suspect.suggestion)),
          h("button", { type: "button", title: "n", on: { click: () => this.#keep(entry) } }, "Keep ", name(suspect.label)))));
    this.entries.splice(index, 0, entry);
    this.list.insertBefore(entry.element, this.entries[index + 1]?.element || null);
    return entry;
  }

  async #accept(entry) {
    const { suspect } = entry;
    try {
      await relabel(suspect.id, suspect.suggestion);
    } catch (error) {
      return void failed(error);
    }
    const back = this.#take(entry);
    toast(`Labelled “${suspect.suggestion}”.`, {
      undo: async () => { await relabel(suspect.id, suspect.label); back(); },
      undone: `Labelled “${suspect.label}” again.`,
    });
  }

  async #keep(entry) {
    const { id, label } = entry.suspect;
    const judge = (answer) => ask("v1/judgements", { method: "PUT", json: { category: label, ...answer } });
    let before;
    try {
      before = await this.#judgements(label);
      await judge({ yes: [id] });
    } catch (error) {
      return void failed(error);
    }
    const back = this.#take(entry);
    toast(`Kept “${label}”.`, {
      undo: async () => { await judge(before.no.includes(id) ? { no: [id] } : { forget: [id] }); back(); },
      undone: "It is in doubt again.",
    });
  }

  /** Take one off the list; return what puts it back. */
  #take(entry) {
    const index = this.entries.indexOf(entry);
    this.entries.splice(index, 1);
    entry.element.remove();
    this.#tell();
    this.#focus(Math.min(index, this.entries.length - 1));
    return () => {
      if (this.signal.aborted) return;
      const at = Math.min(index, this.entries.length);
      this.#add(entry.suspect, at);
      this.#tell();
      this.#focus(at);
    };
  }

  #tell() {
    const count = this.entries.length + this.waiting.length;
    fill(this.summary, count ? [`${counted(count, "label")} to look at, of ${counted(this.report.images, "picture")}; `, foundAt(this.at)] : "");
    fill(this.notice, !count && empty("No label is in doubt", h("p", {}, "As far as was looked, ", foundAt(this.at), ".")));
    if (!count) announce("No label is in doubt.");
  }

  #focus(index) {
    const entry = this.entries[index];
    if (!entry) return void this.look.focus();
    entry.element.querySelector("button").focus({ preventScroll: true });
    entry.element.scrollIntoView({ block: "nearest" });
  }

  #pressed(event) {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const index = this.entries.findIndex((each) => each.element.contains(event.target));
    const entry = this.entries[index];
    if (!entry) return;
    if (event.key === "ArrowDown" || event.key === "j") this.#focus(Math.min(index + 1, this.entries.length - 1));
    else if (event.key === "ArrowUp" || event.key === "k") this.#focus(Math.max(index - 1, 0));
    else if (event.key === "y") this.#accept(entry);
    else if (event.key === "n") this.#keep(entry);
    else return;
    event.preventDefault();
  }
}

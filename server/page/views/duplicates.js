// Pictures that are there more than once: which stay, which go to the trash, which are none.

import { announce, bytes, counted, fileName, fill, h, isTyping, name, visible } from "../dom.js";
import { ask, image, isAborted } from "../api.js";
import { Finding, foundAt } from "../components/finding.js";
import { empty, problemPanel } from "../components/notices.js";
import { copyOf } from "../components/tile.js";
import { failed, toast } from "../components/toast.js";
import { undoList } from "../components/undo_list.js";

export const title = "Duplicates";
export const keys = [
  ["↓ ↑ j k", "Next group, previous"],
  ["← →", "Next picture, previous"],
  ["Space x", "It goes, or stays"],
  ["o", "Only this one stays"],
  ["Enter", "Move what goes to the trash"],
  ["n", "These are no duplicates"],
];

/**
 * @typedef {{id: number, path: string, width: number, height: number, bytes: number, label: string|null}} GroupImage
 * @typedef {{kind: string, score: number, paths: string[], keep: string, removable: string[], images: GroupImage[]}} Group
 */

// Groups that are put on the page at a time; pictures that one request names.
const SHOWN = 24;
const MOST = 1000;
const LEVELS = [
  ["copy", "The same picture"], ["exact", "The same file"], ["similar", "What looks alike"],
];
const KINDS = {
  exact: "same content", copy: "copies", similar: "similar", blank: "hardly anything to see",
};

/** Return which should stay: the largest, of these one with a label, of these the largest file. */
export function suggested(group) {
  const best = [...group.images].sort((a, b) =>
    b.width * b.height - a.width * a.height || Number(Boolean(b.label)) - Number(Boolean(a.label)) || b.bytes - a.bytes);
  const first = best.filter((each) => each.path === group.keep || group.removable.includes(each.path))[0];
  const stays = first || best[0];
  // What is only alike is for people to decide.
  const certain = group.kind === "exact" || group.kind === "copy";
  return new Set(certain ? group.images.filter((each) => each !== stays && (group.removable.includes(each.path) || each.path === group.keep)).map((each) => each.id) : []);
}

/** @param {HTMLElement} root @param {URLSearchParams} _ @param {AbortSignal} signal */
export async function render(root, _, signal) {
  await new Duplicates(root, signal).start();
}

class Duplicates {
  constructor(root, signal) {
    this.signal = signal;
    /** @type {{group: Group, going: Set<number>, active: number, element: HTMLElement|null}[]} */
    this.entries = [];
    this.level = h("select", {}, LEVELS.map(([value, text]) => h("option", { value }, text)));
    this.look = h("button.primary", {}, "Look");
    this.summary = h("p.found.soft", { role: "status" });
    this.list = h("div.groups", { on: { keydown: (event) => this.#pressed(event) } });
    this.all = h("button", { type: "button", hidden: true, on: { click: () => this.#resolveAll() } }, "");
    this.more = h("button", { type: "button", hidden: true, on: { click: () => this.#more() } }, "Show more groups");
    this.finding = new Finding({
      kind: "duplicates", signal,
      asked: () => ({ level: this.level.value }),
      plainly: () => ask("v1/duplicates", { query: { level: this.level.value }, signal }),
      show: (groups, { at }) => this.#show(groups, at),
      nothing: () => fill(this.list, empty("Nobody has looked yet", "Look for pictures that are in the catalog more than once. Nothing is moved before you say so, and all of it can be taken back.")),
    });
    this.undo = undoList(() => this.#back(), signal);
    fill(root,
      h("div.view-head", {}, h("h1", {}, title)),
      h("form.row.finding-form", { on: { submit: (event) => { event.preventDefault(); this.finding.again(); } } },
        h("label.field", {}, h("span", {}, "Look for"), this.level), this.look),
      this.finding.element, h("div.row.groups-head", {}, this.summary, this.all), this.list, h("div.more", {}, this.more), this.undo.element);
  }

  async start() {
    await Promise.all([this.finding.last(), this.undo.load()]);
  }

  async #show(groups, at) {
    this.at = at;
    const undone = await this.undo.load();
    const none = undone.filter((act) => act.kind === "distinct" && act.at > at).map((act) => new Set(act.paths));
    this.waiting = groups.filter((group) => group.images.length > 1 && !none.some((paths) => group.paths.every((path) => paths.has(path))));
    this.entries = [];
    fill(this.list);
    await this.#more();
    this.#tell();
  }

  /** Put more groups on the page, without what has gone since they were found. */
  async #more() {
    this.more.disabled = true;
    const first = this.entries.length;
    try {
      while (this.waiting.length && this.entries.length < first + SHOWN) {
        const some = this.waiting.splice(0, SHOWN);
        const there = await Promise.all(some.map((group) => this.#present(group)));
        for (const group of there) if (group) this.#add(group);
      }
    } catch (error) {
      if (!isAborted(error)) this.list.append(problemPanel(error));
    }
    this.more.disabled = false;
    this.more.hidden = !this.waiting.length;
    if (first) this.#focus(first);
  }

  async #present(group) {
    const found = await Promise.all(group.images.map(async (each) => {
      try {
        return (await image(each.id, { signal: this.signal })).missing ? null : each;
      } catch (error) {
        if (error.status === 404) return null;
        throw error;
      }
    }));
    const images = found.filter(Boolean);
    return images.length > 1 ? { ...group, images } : null;
  }

  #add(group, index = this.entries.length) {
    const entry = { group, going: suggested(group), active: 0, element: null };
    this.entries.splice(index, 0, entry);
    entry.element = this.#element(entry);
    this.list.insertBefore(entry.element, this.entries[index + 1]?.element || null);
    return entry;
  }

  #element(entry) {
    const { group } = entry;
    const text = `${counted(group.images.length, "picture")}, ${KINDS[group.kind] || visible(group.kind)}`;
    const move = h("button.primary", { type: "button", data: { act: "move" }, on: { click: () => this.#resolve(entry) } }, "");
    const element = h("div.panel.group", { role: "group", "aria-label": text },
      h("header.group-head", {}, h("h2", {}, text),
        group.kind !== "exact" && h("span.soft.small", {}, `at least ${group.score.toFixed(2)} alike`)),
      h("div.group-images", { role: "group", "aria-label": "Pictures: pressed ones go to the trash" },
        group.images.map((each, index) => this.#picture(entry, each, index))),
      h("div.row.group-acts", {}, move,
        h("button", { type: "button", on: { click: () => this.#distinct(entry) }, title: "n" }, "Not duplicates")));
    entry.element = element;
    this.#refresh(entry);
    return element;
  }

  #picture(entry, each, index) {
    return h("button.choice", {
      type: "button", tabindex: index === entry.active ? 0 : -1, data: { index, id: each.id },
      on: { click: () => { entry.active = index; this.#toggle(entry, index); } },
    },
    h("span.frame", {}, copyOf(each.id), h("span.fate", { "aria-hidden": "true" })),
    h("span.choice-name", {}, name(fileName(each.path))),
    h("span.soft", {}, `${each.width} × ${each.height}, ${bytes(each.bytes)}`),
    each.label && h("span.soft", {}, "label ", name(each.label)),
    h("span.soft.choice-path", {}, name(each.path)));
  }

  /** Show what stays and what goes. */
  #refresh(entry) {
    const { group, going, element } = entry;
    for (const button of element.querySelectorAll(".choice")) {
      const each = group.images[Number(button.dataset.index)];
      const goes = going.has(each.id);
      button.setAttribute("aria-pressed", String(goes));
      button.setAttribute("aria-label", visible(`${fileName(each.path)}, ${each.width} × ${each.height}, ${bytes(each.bytes)}${each.label ? `, label ${each.label}` : ""}: ${goes ? "goes to the trash" : "stays"}`));
      fill(button.querySelector(".fate"), goes ? "goes" : "stays");
    }
    const move = element.querySelector("[data-act=move]");
    move.disabled = !going.size;
    fill(move, going.size ? `Move ${counted(going.size, "picture")} to the trash` : "Nothing goes");
    this.#showAll();
  }

  /** Show what goes of all groups on the page, where that is more than one's. */
  #showAll() {
    const marked = this.entries.filter((each) => each.going.size);
    const count = marked.reduce((sum, each) => sum + each.going.size, 0);
    this.all.hidden = marked.length < 2;
    fill(this.all, `Move all ${counted(count, "marked picture")} to the trash`);
  }

  async #resolveAll() {
    const marked = [];
    let named = 0;
    for (const entry of this.entries) {
      if (!entry.going.size || (named += entry.group.images.length) > MOST) continue;
      marked.push(entry);
    }
    const ids = marked.flatMap((entry) => entry.group.images.map((each) => each.id));
    const trash = [...new Set(marked.flatMap((entry) => [...entry.going]))];
    const going = new Set(trash);
    this.all.disabled = true;
    try {
      const report = await ask("v1/duplicates/resolve", { method: "POST", json: { trash, keep: [...new Set(ids)].filter((id) => !going.has(id)) } });
      const places = marked.map((entry) => [entry, this.entries.indexOf(entry)]);
      for (const entry of marked) {
        this.entries.splice(this.entries.indexOf(entry), 1);
        entry.element.remove();
      }
      const left = report.skipped.length ? ` Not moved: ${report.skipped.map((each) => `${fileName(each.path)}: ${each.reason}`).join("; ")}.` : "";
      toast(`Moved ${counted(report.moved, "picture")} to the trash, ${bytes(report.bytes)}.${left}`, {
        bad: Boolean(left), undone: "Everything is as it was.",
        undo: report.undo ? async () => {
          await ask("v1/duplicates/undo", { method: "POST", json: { undo: report.undo } });
          if (!this.signal.aborted) for (const [entry, index] of places) this.#return(entry, index);
          this.undo.load();
        } : undefined,
      });
      this.undo.load();
      if (!this.entries.length && this.waiting.length) await this.#more();
      this.#tell();
      this.#focus(0);
    } catch (error) {
      if (!isAborted(error)) failed(error);
    }
    this.all.disabled = false;
  }

  #toggle(entry, index) {
    const each = entry.group.images[index];
    if (!entry.going.delete(each.id)) {
      if (entry.going.size + 1 === entry.group.images.length) {
        announce("One of them has to stay.");
        toast("One of them has to stay.", { bad: true });
        return;
      }
      entry.going.add(each.id);
    }
    this.#refresh(entry);
  }

  #only(entry, index) {
    const stays = entry.group.images[index].id;
    entry.going = new Set(entry.group.images.map((each) => each.id).filter((id) => id !== stays));
    this.#refresh(entry);
  }

  async #resolve(entry) {
    const { group, going } = entry;
    if (!going.size) return;
    const keep = group.images.map((each) => each.id).filter((id) => !going.has(id));
    await this.#act(entry, { trash: [...going], keep }, (report) => {
      const stayed = report.skipped.map((each) => `${fileName(each.path)}: ${each.reason}`).join("; ");
      const moved = report.moved ? `Moved ${counted(report.moved, "picture")} to the trash, ${bytes(report.bytes)}.` : "Nothing was moved.";
      return { text: stayed ? `${moved} Not moved: ${stayed}.` : moved, bad: Boolean(stayed) };
    });
  }

  async #distinct(entry) {
    await this.#act(entry, { distinct: entry.group.images.map((each) => each.id) }, () => ({ text: "They are no duplicates any more.", bad: false }));
  }

  async #act(entry, body, told) {
    const buttons = entry.element.querySelectorAll("button");
    buttons.forEach((each) => { each.disabled = true; });
    let report;
    try {
      report = await ask("v1/duplicates/resolve", { method: "POST", json: body });
    } catch (error) {
      buttons.forEach((each) => { each.disabled = false; });
      this.#refresh(entry);
      this.#focus(this.entries.indexOf(entry));
      return void failed(error);
    }
    const { text, bad } = told(report);
    const index = this.entries.indexOf(entry);
    this.entries.splice(index, 1);
    entry.element.remove();
    const undo = report.undo && (async () => {
      await ask("v1/duplicates/undo", { method: "POST", json: { undo: report.undo } });
      if (!this.signal.aborted) this.#return(entry, index);
      this.undo.load();
    });
    toast(text, { undo: undo || undefined, undone: "Everything is as it was.", bad });
    this.undo.load();
    this.#tell();
    if (!this.entries.length && this.waiting.length) await this.#more();
    this.#focus(Math.min(index, this.entries.length - 1));
  }

  #return(entry, index) {
    const at = Math.min(index, this.entries.length);
    this.entries.splice(at, 0, entry);
    entry.element = this.#element(entry);
    this.list.querySelector(".notice")?.remove();
    this.list.insertBefore(entry.element, this.entries[at + 1]?.element || null);
    this.#tell();
    this.#focus(at);
  }

  /** Something that was done before is undone: what is shown may be more than was known. */
  #back() {
    if (this.entries.length || this.waiting) this.finding.last().catch((error) => isAborted(error) || failed(error));
  }

  #tell() {
    this.#showAll();
    const count = this.entries.length + this.waiting.length;
    fill(this.summary, count ? [`${counted(count, "group")} to decide, `, foundAt(this.at)] : "");
    if (!count) fill(this.list, empty("No duplicates", h("p", {}, "Every picture is there once, as far as was looked, ", foundAt(this.at), ".")));
  }

  #focus(index) {
    const entry = this.entries[index];
    const target = /** @type {HTMLElement|null} */ (entry?.element.querySelector(`.choice[data-index="${entry.active}"]`));
    if (!target) return void this.look.focus();
    target.focus({ preventScroll: true });
    entry.element.scrollIntoView({ block: "nearest" });
  }

  #step(entry, step) {
    const next = entry.active + step;
    if (next < 0 || next >= entry.group.images.length) return;
    entry.element.querySelector(`.choice[data-index="${entry.active}"]`).tabIndex = -1;
    entry.active = next;
    const target = entry.element.querySelector(`.choice[data-index="${next}"]`);
    target.tabIndex = 0;
    target.focus();
  }

  #pressed(event) {
    if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const index = this.entries.findIndex((each) => each.element.contains(event.target));
    const entry = this.entries[index];
    if (!entry) return;
    const choice = event.target.closest(".choice");
    if (choice) entry.active = Number(choice.dataset.index);
    const acts = {
      ArrowDown: () => this.#focus(Math.min(index + 1, this.entries.length - 1)), j: () => acts.ArrowDown(),
      ArrowUp: () => this.#focus(Math.max(index - 1, 0)), k: () => acts.ArrowUp(),
      ArrowRight: () => this.#step(entry, 1), ArrowLeft: () => this.#step(entry, -1),
      x: () => this.#toggle(entry, entry.active), o: () => this.#only(entry, entry.active),
      n: () => this.#distinct(entry),
      Enter: choice && (() => this.#resolve(entry)),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

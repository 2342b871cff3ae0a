// The catalog as a map: what looks alike lies side by side.

import { announce, counted, fill, h, name, visible } from "../dom.js";
import { ask, categories } from "../api.js";
import { chipLink } from "../components/chips.js";
import { detail } from "../components/detail.js";
import { Finding } from "../components/finding.js";
import { Grid } from "../components/grid.js";
import { empty } from "../components/notices.js";
import { Plane } from "../components/plane.js";
import { copyOf } from "../components/tile.js";
import { go } from "../router.js";

export const title = "Map";
export const keys = [
  ["← ↑ ↓ →", "On the map: move"],
  ["+ -", "On the map: larger, smaller"],
  ["0", "On the map: see all of it"],
];
// Colours that can be told apart; the pictures in the list.
const COLOURS = 12;
const LISTED = 60;

/** @typedef {{method: string, ids: number[], x: number[], y: number[], categories: string[], category: number[], stale: boolean}} CatalogMap */

/** @param {HTMLElement} root @param {URLSearchParams} _ @param {AbortSignal} signal */
export async function render(root, _, signal) {
  await new MapView(root, signal).load();
}

class MapView {
  constructor(root, signal) {
    this.root = root;
    this.signal = signal;
    this.details = new AbortController();
    this.listed = new AbortController();
    this.hidden = new Set();
    /** @type {CatalogMap|null} */
    this.map = null;
    this.canvas = h("canvas.plane", { tabindex: 0, role: "img", "aria-label": "Map" });
    this.hint = h("div.plane-hint", { hidden: true, "aria-hidden": "true" });
    this.method = this.#choice("Positions", [["", "The best there are"], ["pca", "Directions (PCA)"]], () => this.load());
    this.colours = this.#choice("Colours", [["category", "Category"], ["label", "Label"]], () => this.load());
    this.summary = h("p.found.soft", { role: "status" });
    this.legend = h("div.chips.legend", { role: "group", "aria-label": "Categories: pressed ones are shown" });
    this.list = h("div.map-list", {});
    this.side = h("div.side", {});
    this.make = h("button", { type: "button", on: { click: () => this.finding.again() } }, "Make a better map");
    this.finding = new Finding({
      kind: "map", signal, asked: () => ({}),
      show: () => this.load(), nothing: () => {},
    });
    this.plane = new Plane(this.canvas, {
      hover: (index, at) => this.#hover(index, at),
      pick: (index) => this.#open(index),
      moved: () => this.#showList(),
    }, signal);
    const zoom = (text, label, act) => h("button.round", { type: "button", "aria-label": label, on: { click: act } }, text);
    this.body = h("div.map-body", {},
      h("div.map-main", {},
        h("div.plane-box", {}, this.canvas, this.hint,
          h("div.plane-zoom", {},
            zoom("+", "Larger", () => this.plane.scale(1.6)), zoom("−", "Smaller", () => this.plane.scale(1 / 1.6)),
            zoom("⤢", "See all of it", () => this.plane.reset()))),
        this.legend),
      this.list, this.side);
    fill(root,
      h("div.view-head", {}, h("h1", {}, title), h("p.soft", {}, "What looks alike lies side by side.")),
      h("div.row.finding-form", {}, this.method.field, this.colours.field, this.make),
      this.finding.element, this.summary, this.body);
    this.#follow();
  }

  #choice(label, values, change) {
    const select = h("select", { on: { change } }, values.map(([value, text]) => h("option", { value }, text)));
    return { select, field: h("label.field", {}, h("span", {}, label), select) };
  }

  /** A job that runs already is followed; that of one that has ended is what is shown anyway. */
  async #follow() {
    try {
      const { jobs } = await ask("v1/jobs", { signal: this.signal });
      if (jobs.some((job) => job.kind === "map" && ["waiting", "running"].includes(job.state))) await this.finding.last();
    } catch {
      // Then none is followed.
    }
  }

  async load() {
    this.root.setAttribute("aria-busy", "true");
    try {
      this.map = await ask("v1/map", { query: { method: this.method.select.value, colours: this.colours.select.value }, signal: this.signal });
      this.hidden.clear();
      this.#show();
    } finally {
      this.root.removeAttribute("aria-busy");
    }
  }

  #show() {
    const { map } = this;
    this.body.hidden = !map.ids.length;
    if (!map.ids.length) return void fill(this.summary, empty("The catalog has no pictures yet", "Index a folder of pictures, then load this page again."));
    const how = map.method === "umap" ? "neighbours lie side by side (UMAP)" : "along the two directions in which they differ most (PCA)";
    fill(this.summary, `${counted(map.ids.length, "picture")}, ${how}.`,
      map.stale && h("strong", {}, " The catalog has changed since: new pictures are not on it. Make it anew."));
    fill(this.make, map.method === "umap" || this.method.select.value ? "Make it anew" : "Make a better map");
    this.canvas.setAttribute("aria-label", `Map of ${counted(map.ids.length, "picture")}. The pictures in sight are in the list beside it.`);
    this.#showLegend();
    this.#draw();
    this.#showList();
  }

  #draw() {
    const style = getComputedStyle(this.canvas);
    const colours = Array.from({ length: COLOURS }, (_, index) => style.getPropertyValue(`--point-${index}`));
    const other = style.getPropertyValue("--point-other");
    this.plane.show(this.map, (category) => {
      const group = category >= 0 && category < COLOURS ? category : COLOURS;
      return this.hidden.has(group) ? null : colours[group] || other;
    });
  }

  #showLegend() {
    const { categories: names, category } = this.map;
    const counts = new Map();
    for (const each of category) counts.set(each, (counts.get(each) || 0) + 1);
    const first = names.slice(0, COLOURS);
    const rest = category.filter((each) => each < 0 || each >= COLOURS).length;
    const entry = (group, text, count) => {
      const chip = chipLink([h("span.dot", { data: { colour: group }, "aria-hidden": "true" }), name(text)], {
        pressed: !this.hidden.has(group), note: count.toLocaleString("en"),
        click: () => {
          if (!this.hidden.delete(group)) this.hidden.add(group);
          chip.setAttribute("aria-pressed", String(!this.hidden.has(group)));
          this.plane.draw();
          this.#showList();
        },
      });
      return chip;
    };
    fill(this.legend, first.map((each, index) => entry(index, each, counts.get(index) || 0)),
      rest > 0 && entry(COLOURS, names.length > COLOURS ? "others" : "none", rest));
  }

  #called(index) {
    const number = this.map.category[index];
    return number < 0 ? "none" : this.map.categories[number];
  }

  /** Show the pictures in sight, those in the middle first. */
  #showList() {
    if (!this.map || this.signal.aborted) return;
    this.listed.abort();
    const own = this.listed = new AbortController();
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    const { count, first } = this.plane.seen(LISTED);
    if (!first.length) return void fill(this.list, h("h2", {}, "No picture is in sight"));
    const focused = this.list.contains(document.activeElement);
    this.grid = new Grid(first.map((index) => ({ id: this.map.ids[index], index })), {
      label: "Pictures in sight", classes: "map-grid", key: (item) => item.id,
      tile: (item) => [h("span.frame", {}, copyOf(item.id, { size: 128 })), h("span.caption", {}, h("span.caption-name", {}, name(this.#called(item.index))))],
      text: (item) => `${this.#called(item.index)}, picture ${item.id}`,
      move: (item) => this.plane.mark(item.index),
      open: (item) => this.#open(item.index),
    }, own.signal);
    fill(this.list, h("h2", {}, count > first.length ? `${first.length} of ${counted(count, "picture")} in sight` : `${counted(count, "picture")} in sight`), this.grid.element);
    if (focused) this.grid.activate(0);
  }

  #hover(index, at) {
    this.hint.hidden = index === null;
    this.canvas.classList.toggle("pointing", index !== null);
    if (index === null || this.hinted === index) {
      if (index !== null) this.#put(at);
      return;
    }
    this.hinted = index;
    fill(this.hint, copyOf(this.map.ids[index], { size: 128, eager: true }), h("span", {}, name(this.#called(index))));
    this.#put(at);
  }

  #put(at) {
    const right = at.x > this.canvas.clientWidth / 2;
    const low = at.y > this.canvas.clientHeight / 2;
    this.hint.style.setProperty("--left", `${right ? at.x - 152 : at.x + 16}px`);
    this.hint.style.setProperty("--top", `${low ? at.y - 180 : at.y + 16}px`);
  }

  async #open(index) {
    const id = this.map.ids[index];
    this.details.abort();
    const own = this.details = new AbortController();
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    this.plane.mark(index);
    const before = document.activeElement;
    const counts = await categories({ signal: own.signal }).catch(() => ({}));
    if (own.signal.aborted) return;
    const panel = detail(id, {
      close: () => this.#close(before),
      open: (other) => this.#openId(other),
      like: (ids) => go("search", { id: ids }),
      changed: (info) => announce(visible(`Label: ${info.label || "none"}`)),
      names: Object.keys(counts),
    }, own.signal);
    this.body.classList.add("with-detail");
    fill(this.side, panel);
    panel.querySelector("h2").focus({ preventScroll: true });
  }

  #openId(id) {
    const index = this.map.ids.indexOf(id);
    if (index >= 0) this.#open(index);
    else go("search", { show: id });
  }

  #close(before) {
    this.details.abort();
    this.body.classList.remove("with-detail");
    fill(this.side);
    this.plane.mark(null);
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    else this.canvas.focus();
  }
}

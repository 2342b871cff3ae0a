// What looks like a picture; without one, the catalog in pages.

import { announce, counted, fill, h, name } from "../dom.js";
import { ask, categories, images, isAborted } from "../api.js";
import { chipLink } from "../components/chips.js";
import { cropOf, cropText } from "../components/crop.js";
import { detail, setLabel } from "../components/detail.js";
import { prompted } from "../components/dialog.js";
import { MOST, searchFor } from "../components/drop.js";
import { filters } from "../components/filters.js";
import { Grid, PAGE } from "../components/grid.js";
import { command, empty, problemPanel, sentence, waiting } from "../components/notices.js";
import { bodyOf, filesOf, showQuery } from "../components/query.js";
import { scoreText, tile, tileText } from "../components/tile.js";
import { address, go, here } from "../router.js";
import { keep, recall } from "../queries.js";

export const title = "Search";
export const keys = [
  ["Ctrl V", "Search for a picture that was copied"],
  ["l", "Label this, or all that are selected"],
  ["a", "Add this to the search"],
];
const K = 60;
const MOST_K = 1000;
// Entry points of the first screen.
const MOST_CATEGORIES = 14;

/** @param {HTMLElement} root @param {URLSearchParams} params @param {AbortSignal} signal */
export function render(root, params, signal) {
  const view = new Search(root, signal);
  view.show(params);
  return (next) => view.show(next);
}

class Search {
  constructor(root, signal) {
    this.signal = signal;
    this.counts = {};
    this.before = {};
    this.results = new AbortController();
    this.details = new AbortController();
    this.query = null;
    this.input = h("input", { type: "file", multiple: true, accept: "image/*,.heic,.heif,.avif,.jxl,.tif,.tiff,.psd", hidden: true,
      on: { change: () => this.#picked() } });
    this.heading = h("h1", {}, "Search");
    this.band = h("section", { class: "query", "aria-label": "What is searched for" });
    this.entries = h("div.entries", {});
    this.conditions = h("div.conditions", {});
    this.found = h("p.found.soft", { role: "status" });
    this.main = h("div.results", {});
    this.side = h("div.side", {});
    this.bar = h("div.selection", { hidden: true, role: "region", "aria-label": "Selected pictures" });
    this.body = h("div.search-body", {},
      h("div.column", {}, this.heading, this.band, this.conditions, this.found, this.main), this.side);
    fill(root, this.input, this.body, this.bar);
    document.addEventListener("pick", () => this.input.click(), { signal });
    this.#loadCategories();
  }

  /** Show what an address asks for. @param {URLSearchParams} params */
  show(params) {
    const now = {
      query: [params.getAll("id").join(), params.get("q") || ""].join("|"),
      crop: cropText(cropOf(params.get("crop"))),
      conditions: JSON.stringify([params.getAll("where"), params.get("same")]),
      show: params.get("show"),
    };
    const before = this.before;
    this.before = now;
    this.params = params;
    const { query, missing } = this.#asked(params);
    const has = query.ids.length + query.files.length > 0;
    const other = now.query !== before.query;
    if (other) {
      this.query?.abort.abort();
      this.query = null;
      this.#showBand(query, has, missing);
    } else if (now.crop !== before.crop && this.query) {
      this.query.shown?.crop(query);
    }
    if (now.conditions !== before.conditions || other) this.#showConditions(params, has);
    if (other || now.crop !== before.crop || now.conditions !== before.conditions) this.#showResults(params, query, has);
    if (now.show !== before.show) this.#showDetail(now.show);
  }

  #asked(params) {
    const ids = params.getAll("id").map(Number).filter((id) => Number.isSafeInteger(id) && id > 0);
    const key = params.get("q");
    const files = (key && recall(key)) || [];
    return { query: { ids: files.length ? [] : ids, files, crop: cropOf(params.get("crop")) }, missing: Boolean(key) && !files.length };
  }

  /** Go to the same with other parameters. */
  #change(changes, options) {
    const next = new URLSearchParams(here().params);
    for (const [key, value] of Object.entries(changes)) {
      next.delete(key);
      for (const each of Array.isArray(value) ? value : [value]) if (each) next.append(key, each);
    }
    go("search", next, options);
  }

  #picked() {
    const files = [...this.input.files];
    this.input.value = "";
    if (!files.length) return;
    const { query } = this.#asked(this.params);
    if (this.adding && query.files.length) searchFor([...query.files, ...files]);
    else if (this.adding && query.ids.length) filesOf(query.ids, this.signal).then((own) => searchFor([...own, ...files]));
    else searchFor(files);
    this.adding = false;
  }

  async #showBand(query, has, missing) {
    this.heading.classList.toggle("unseen", has);
    if (!has) {
      fill(this.band,
        h("div.drop-zone", { class: missing ? "drop-zone lost" : "drop-zone" },
          h("p.drop-text", {}, missing
            ? "The picture that was searched for is not here any more: it was never kept. Drop it again."
            : ["Drop a picture anywhere, paste one, or ", h("button.primary", { type: "button", on: { click: () => this.input.click() } }, "choose pictures")]),
          missing && h("button.primary", { type: "button", on: { click: () => this.input.click() } }, "Choose pictures")));
      this.band.className = "start";
      return;
    }
    this.band.className = "query";
    const abort = new AbortController();
    this.signal.addEventListener("abort", () => abort.abort(), { once: true });
    const own = { abort, shown: null };
    this.query = own;
    try {
      own.shown = await showQuery(this.band, query, {
        crop: (part) => this.#change({ crop: cropText(part) }, { replace: Boolean(here().params.get("crop")) }),
        remove: (index) => this.#without(query, index),
        clear: () => go("search", { where: here().params.getAll("where") }),
        pick: () => { this.adding = true; this.input.click(); },
      }, abort.signal);
    } catch (error) {
      // What was found says the same.
      if (!isAborted(error)) fill(this.band, h("p.soft", {}, name(`It cannot be shown: ${error.reason}.`)));
    }
  }

  #without(query, index) {
    if (query.ids.length) this.#change({ id: query.ids.filter((_, each) => each !== index) });
    else this.#change({ q: keep(query.files.filter((_, each) => each !== index)), crop: null });
  }

  #showEntries() {
    const names = Object.entries(this.counts).sort((a, b) => b[1] - a[1]).slice(0, MOST_CATEGORIES);
    fill(this.entries, names.length > 1 && h("div.chips", { role: "group", "aria-label": "Categories" }, names.map(([each, count]) =>
      chipLink(name(each), { href: address("search", { where: `category=${each}` }), note: count.toLocaleString("en") }))));
  }

  async #loadCategories() {
    try {
      this.counts = await categories({ signal: this.signal });
      this.#showEntries();
    } catch {
      // What is in the catalog is told by its pictures.
    }
  }

  #showConditions(params, has) {
    const same = params.get("same") === "1";
    const where = params.getAll("where");
    fill(this.conditions,
      !has && !where.length && this.entries,
      filters(where, (next) => this.#change({ where: next }), () => Object.keys(this.counts)),
      has && chipLink("Same category only", { pressed: same, click: () => this.#change({ same: same ? null : "1" }) }));
  }

  async #showResults(params, query, has) {
    this.results.abort();
    const own = this.results = new AbortController();
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    this.main.setAttribute("aria-busy", "true");
    this.#select([]);
    const busy = (seconds) => fill(this.found, `The service is busy; asked again in ${Math.ceil(seconds)} s.`);
    if (!this.main.hasChildNodes()) fill(this.main, waiting(has ? "Searching" : "Loading pictures"));
    try {
      const shown = has ? await this.#search(params, query, own.signal, busy) : await this.#browse(params, own.signal, busy);
      fill(this.main, shown);
      if (this.before.show) this.grid?.mark(Number(this.before.show));
    } catch (error) {
      if (isAborted(error)) return;
      this.grid = null;
      fill(this.found);
      fill(this.main, this.#failure(error, () => this.#showResults(params, query, has)));
    }
    this.main.removeAttribute("aria-busy");
  }

  #failure(error, retry) {
    if (error.type !== "StoreNotFoundError") return problemPanel(error, { retry });
    return empty("There is no catalog yet", "Index a folder of pictures, then load this page again:", command("engine index ~/pictures"));
  }

  async #browse(params, signal, busy) {
    const where = params.getAll("where");
    const page = await images({ where, limit: PAGE }, { signal, waiting: busy });
    let cursor = page.cursor;
    fill(this.found, !page.images.length ? "" : cursor ? (where.length ? "Pictures that fit" : "All pictures") : counted(page.images.length, "picture"));
    if (!page.images.length) {
      this.grid = null;
      return where.length
        ? empty("No picture fits", "Take a condition away, or write another.")
        : empty("The catalog has no pictures yet", "Index a folder of pictures:", command("engine index ~/pictures"), h("p", {}, "or ", h("a", { href: address("jobs") }, "start a job"), "."));
    }
    this.grid = this.#newGrid(page.images, "Pictures of the catalog", () => "", signal, async () => {
      if (cursor === null) return null;
      const next = await images({ where, limit: PAGE, cursor }, { signal });
      cursor = next.cursor;
      return next.images;
    });
    return this.grid.element;
  }

  async #search(params, query, signal, busy) {
    let k = Math.min(MOST_K, Math.max(1, Number(params.get("k")) || K));
    const body = await bodyOf(query, signal);
    const own = new Set(query.ids);
    const find = async (count) => {
      const report = await ask("v1/search", {
        method: "POST", ...body, signal, waiting: busy,
        query: {
          k: Math.min(MOST_K, count + own.size), crop: cropText(query.crop), where: params.getAll("where"),
          same_category: params.get("same") === "1" || null, min_score: params.get("min"),
        },
      });
      // Who asks for what is like a picture has that picture.
      return { report, hits: report.results.filter((hit) => !own.has(hit.id)).slice(0, count) };
    };
    const { report, hits } = await find(k);
    const within = report.category ? `, of category ${report.category}` : "";
    fill(this.found, name(hits.length ? `${counted(hits.length, "picture")} most alike${within}${report.close === false ? ". None of them is close" : ""}` : ""));
    announce(this.found.textContent);
    if (!hits.length) {
      this.grid = null;
      return empty("Nothing was found", h("p", {}, name(report.why_empty ? `${sentence(report.why_empty)}.` : "The catalog has no other picture.")), "Take a condition away, or search for another picture.");
    }
    this.grid = this.#newGrid(hits, "Pictures that look alike", (hit) => scoreText(hit.score), signal);
    const more = h("button", { type: "button" }, "Show more");
    more.addEventListener("click", async () => {
      more.disabled = true;
      k = Math.min(MOST_K, k * 3);
      try {
        const next = await find(k);
        const seen = new Set(this.grid.items.map((hit) => hit.id));
        this.grid.append(next.hits.filter((hit) => !seen.has(hit.id)));
        const now = here().params;
        now.set("k", String(k));
        history.replaceState(history.state, "", address("search", now));
        fill(this.found, `${counted(this.grid.items.length, "picture")} most alike`);
        more.hidden = k >= MOST_K || next.hits.length < k;
      } catch (error) {
        if (!isAborted(error)) more.after(problemPanel(error));
      }
      more.disabled = false;
    });
    more.hidden = hits.length < k || k >= MOST_K;
    return [this.grid.element, h("div.more", {}, more)];
  }

  #newGrid(items, label, note, signal, more) {
    return new Grid(items, {
      label, key: (item) => item.id, tile: (item) => tile(item, { note: note(item) }), text: (item) => tileText(item, note(item)),
      open: (item) => this.#change({ show: item.id }),
      select: (selected) => this.#select(selected),
      more,
      press: (event, item, selected) => this.#key(event.key, selected.length ? selected : [item]),
    }, signal);
  }

  #key(key, items) {
    if (key === "m") this.#like(items.map((item) => item.id));
    else if (key === "l") this.#label(items);
    else if (key === "a") this.#add(items.map((item) => item.id));
    else if (key === "Escape" && this.before.show) this.#close();
    else return false;
    return true;
  }

  #like(ids) {
    go("search", { id: ids.slice(0, 100), where: here().params.getAll("where") });
  }

  async #add(ids) {
    const { query } = this.#asked(this.params);
    if (query.files.length) {
      const files = await filesOf(ids.slice(0, MOST - query.files.length), this.signal);
      this.#change({ q: keep([...query.files, ...files]), crop: null, show: null });
    } else {
      this.#change({ id: [...new Set([...query.ids, ...ids])].slice(0, 100), crop: null, show: null });
    }
  }

  async #label(items) {
    const label = await prompted(items.length === 1 ? "Label this picture" : `Label ${items.length} pictures`, {
      label: "Label", value: items.length === 1 ? items[0].label || "" : "", known: Object.keys(this.counts),
      note: "Leave it empty to take labels away.",
    });
    if (label === null) return;
    await setLabel(items, label.trim() || null, (info) => this.#changed(info));
  }

  #changed(info) {
    const item = this.grid?.items.find((each) => each.id === info.id);
    if (item) this.grid.update({ ...item, label: info.label });
  }

  #select(selected) {
    this.bar.hidden = !selected.length;
    if (!selected.length) return;
    const ids = selected.map((item) => item.id);
    fill(this.bar, h("span", {}, `${selected.length} selected`),
      h("button.primary", { type: "button", on: { click: () => this.#like(ids) } }, "More like these"),
      h("button", { type: "button", on: { click: () => this.#label(selected) } }, "Label"),
      h("button.quiet.round", { type: "button", "aria-label": "Select none", on: { click: () => this.grid.clear() } }, "×"));
  }

  #close() {
    const id = Number(this.before.show);
    this.#change({ show: null });
    const index = this.grid?.items.findIndex((each) => each.id === id) ?? -1;
    if (index >= 0) this.grid.activate(index);
  }

  #showDetail(shown) {
    this.details.abort();
    const own = this.details = new AbortController();
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    const id = Number(shown);
    this.body.classList.toggle("with-detail", Boolean(id));
    const index = this.grid ? this.grid.mark(id || null) : -1;
    if (!id) return void fill(this.side);
    const panel = detail(id, {
      close: () => this.#close(),
      open: (other) => this.#change({ show: other }),
      like: (ids) => this.#like(ids),
      add: (each) => this.#add([each]),
      step: index < 0 ? undefined : (step) => this.#step(index + step),
      changed: (info) => this.#changed(info),
      names: Object.keys(this.counts),
    }, own.signal);
    fill(this.side, panel);
    panel.querySelector("h2").focus({ preventScroll: true });
  }

  #step(index) {
    const item = this.grid?.items[index];
    if (!item) return;
    this.grid.activate(index, { focus: false });
    this.#change({ show: item.id }, { replace: true });
  }
}

// What looks like a picture, or like what words say; without either, the catalog in pages.

import { fill, h, name } from "../dom.js";
import { categories, isAborted } from "../api.js";
import { chipLink } from "../components/chips.js";
import { cropText } from "../components/crop.js";
import { detail, setLabel } from "../components/detail.js";
import { prompted } from "../components/dialog.js";
import { MOST, searchFor } from "../components/drop.js";
import { filters } from "../components/filters.js";
import { Grid } from "../components/grid.js";
import { waiting } from "../components/notices.js";
import { filesOf, queryButtons, showQuery } from "../components/query.js";
import { selectionBar } from "../components/selection.js";
import { tile, tileText } from "../components/tile.js";
import { wordsForm } from "../components/words.js";
import { go, here } from "../router.js";
import { askedBy, keep } from "../queries.js";
import { alike, browse, failure } from "./search_results.js";
import { dropZone, entries, picker } from "./search_start.js";

// So many pictures are asked for before it is known where on the page they come to lie.
const SEEN_AT_ONCE = 12;

export const title = "Search";
export const keys = [
  ["Ctrl V", "Search for a picture that was copied"],
  ["w", "Write what to search for"],
  ["l", "Label this, or all that are selected"],
  ["a", "Add this to the search"],
];

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
    this.came = false;
    this.input = picker((files) => this.#picked(files));
    this.heading = h("h1", {}, "Search");
    this.words = wordsForm((words) => this.#change({ ...words, show: null, k: null }), signal);
    this.band = h("section", { class: "query", "aria-label": "What is searched for" });
    this.entries = h("div.entries", {});
    this.conditions = h("div.conditions", {});
    this.found = h("p.found.soft", { role: "status" });
    this.main = h("div.results", {});
    this.side = h("div.side", {});
    this.bar = selectionBar({
      like: (items) => this.#like(items.map((item) => item.id)),
      label: (items) => this.#label(items),
      clear: () => this.grid.clear(),
    });
    this.body = h(
      "div.search-body",
      {},
      h("div.column", {}, this.heading, this.words.element, this.band, this.conditions, this.found, this.main),
      this.side,
    );
    fill(root, this.input, this.body, this.bar);
    document.addEventListener("pick", () => this.input.click(), { signal });
    this.#loadCategories();
  }

  /** Show what an address asks for. @param {URLSearchParams} params */
  show(params) {
    const { query, missing } = askedBy(params);
    const now = {
      query: [params.getAll("id").join(), params.get("q") || "", query.text.length > 0].join("|"),
      words: JSON.stringify([query.text, query.not]),
      crop: cropText(query.crop),
      conditions: JSON.stringify([params.getAll("where"), params.get("same")]),
      show: params.get("show"),
    };
    const before = this.before;
    this.before = now;
    this.params = params;
    const has = query.ids.length + query.files.length > 0;
    const asks = has || query.text.length > 0;
    const other = now.query !== before.query;
    const words = now.words !== before.words;
    if (words) this.words.show(query.text, query.not);
    if (other) {
      this.query?.abort.abort();
      this.query = null;
      this.#showBand(query, has, missing);
    } else if (now.crop !== before.crop && this.query) {
      this.query.shown?.crop(query);
    }
    if (now.conditions !== before.conditions || other) this.#showConditions(params, has, asks);
    if (other || words || now.crop !== before.crop || now.conditions !== before.conditions)
      this.#showResults(params, query, asks);
    if (now.show !== before.show) this.#showDetail(now.show);
    this.came = true;
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

  #picked(files) {
    const { query } = askedBy(this.params);
    const words = this.adding ? { text: query.text, not: query.not } : {};
    if (this.adding && query.files.length) searchFor([...query.files, ...files], words);
    else if (this.adding && query.ids.length)
      filesOf(query.ids, this.signal).then((own) => searchFor([...own, ...files], words));
    else searchFor(files, words);
    this.adding = false;
  }

  async #showBand(query, has, missing) {
    this.heading.classList.toggle("unseen", has);
    const actions = {
      clear: () => go("search", { where: here().params.getAll("where") }),
      pick: () => {
        this.adding = true;
        this.input.click();
      },
    };
    if (!has && query.text.length) {
      fill(this.band, queryButtons(actions));
      this.band.className = "query-words";
      return;
    }
    if (!has) {
      fill(
        this.band,
        dropZone(missing, () => this.input.click()),
      );
      this.band.className = "start";
      return;
    }
    this.band.className = "query";
    const abort = new AbortController();
    this.signal.addEventListener("abort", () => abort.abort(), { once: true });
    const own = { abort, shown: null };
    this.query = own;
    try {
      own.shown = await showQuery(
        this.band,
        query,
        {
          crop: (part) =>
            this.#change({ crop: cropText(part) }, { replace: Boolean(here().params.get("crop")) }),
          remove: (index) => this.#without(query, index),
          ...actions,
        },
        abort.signal,
      );
    } catch (error) {
      // What was found says the same.
      if (!isAborted(error))
        fill(this.band, h("p.soft", {}, name(`It cannot be shown: ${error.reason}.`)));
    }
  }

  #without(query, index) {
    if (query.ids.length) this.#change({ id: query.ids.filter((_, each) => each !== index) });
    else this.#change({ q: keep(query.files.filter((_, each) => each !== index)), crop: null });
  }

  async #loadCategories() {
    try {
      this.counts = await categories({ signal: this.signal });
      fill(this.entries, entries(this.counts));
    } catch {
      // What is in the catalog is told by its pictures.
    }
  }

  #showConditions(params, has, asks) {
    const same = params.get("same") === "1";
    const where = params.getAll("where");
    fill(
      this.conditions,
      !asks && !where.length && this.entries,
      filters(
        where,
        (next) => this.#change({ where: next }),
        () => Object.keys(this.counts),
      ),
      has &&
        chipLink("Same category only", {
          pressed: same,
          click: () => this.#change({ same: same ? null : "1" }),
        }),
    );
  }

  async #showResults(params, query, asks) {
    this.results.abort();
    const own = (this.results = new AbortController());
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    this.main.setAttribute("aria-busy", "true");
    this.#select([]);
    const asking = {
      signal: own.signal,
      busy: (seconds) =>
        fill(this.found, `The service is busy; asked again in ${Math.ceil(seconds)} s.`),
      grid: (items, label, note, more) => this.#newGrid(items, label, note, own.signal, more),
    };
    if (!this.main.hasChildNodes())
      fill(this.main, waiting(asks ? "Searching" : "Loading pictures"));
    try {
      const found = asks ? await alike(params, query, asking) : await browse(params, asking);
      this.grid = found.grid;
      fill(this.found, name(found.text));
      fill(this.main, found.shown);
      if (this.before.show) this.grid?.mark(Number(this.before.show));
    } catch (error) {
      if (isAborted(error)) return;
      this.grid = null;
      fill(this.found);
      fill(
        this.main,
        failure(error, () => this.#showResults(params, query, asks)),
      );
    }
    this.main.removeAttribute("aria-busy");
  }

  #newGrid(items, label, note, signal, more) {
    return new Grid(
      items,
      {
        label,
        key: (item) => item.id,
        tile: (item, index) => tile(item, { note: note(item), eager: index < SEEN_AT_ONCE }),
        text: (item) => tileText(item, note(item)),
        open: (item) => this.#change({ show: item.id }),
        select: (selected) => this.#select(selected),
        more,
        press: (event, item, selected) => this.#key(event.key, selected.length ? selected : [item]),
      },
      signal,
    );
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
    const { query } = askedBy(this.params);
    if (query.files.length) {
      const files = await filesOf(ids.slice(0, MOST - query.files.length), this.signal);
      this.#change({ q: keep([...query.files, ...files]), crop: null, show: null });
    } else {
      this.#change({
        id: [...new Set([...query.ids, ...ids])].slice(0, 100),
        crop: null,
        show: null,
      });
    }
  }

  async #label(items) {
    const label = await prompted(
      items.length === 1 ? "Label this picture" : `Label ${items.length} pictures`,
      {
        label: "Label",
        value: items.length === 1 ? items[0].label || "" : "",
        known: Object.keys(this.counts),
        note: "Leave it empty to take labels away.",
      },
    );
    if (label === null) return;
    await setLabel(items, label.trim() || null, (info) => this.#changed(info));
  }

  #changed(info) {
    const item = this.grid?.items.find((each) => each.id === info.id);
    if (item) this.grid.update({ ...item, label: info.label });
  }

  #select(selected) {
    this.bar.show(selected);
  }

  #close() {
    const id = Number(this.before.show);
    this.#change({ show: null });
    const index = this.grid?.items.findIndex((each) => each.id === id) ?? -1;
    if (index >= 0) this.grid.activate(index);
  }

  #showDetail(shown) {
    this.details.abort();
    const own = (this.details = new AbortController());
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    const id = Number(shown);
    this.body.classList.toggle("with-detail", Boolean(id));
    this.grid?.mark(id || null);
    if (!id) return void fill(this.side);
    const panel = detail(
      id,
      {
        close: () => this.#close(),
        open: (other) => this.#change({ show: other }),
        like: (ids) => this.#like(ids),
        add: (each) => this.#add([each]),
        step: (by) => this.#step(by),
        changed: (info) => this.#changed(info),
        names: Object.keys(this.counts),
      },
      own.signal,
    );
    fill(this.side, panel);
    // Whoever comes by an address has not gone anywhere yet.
    if (this.came) panel.querySelector("h2").focus({ preventScroll: true });
  }

  #step(by) {
    const index = this.grid
      ? this.grid.items.findIndex((item) => item.id === Number(this.before.show)) + by
      : -1;
    const item = this.grid?.items[index];
    if (!item) return;
    this.grid.activate(index, { focus: false });
    this.#change({ show: item.id }, { replace: true });
  }
}

// Pictures in rows: a listbox of which several may be selected (APG), in pages that come as it is
// scrolled. Those that are far off are taken out, and put back when they are near again.

import { fill, h, isTyping, visible } from "../dom.js";
import { isAborted } from "../api.js";
import { stepped } from "./grid_steps.js";
import { problemPanel } from "./notices.js";

// All widths have a number of columns that divides it: pages end with a whole row.
export const PAGE = 120;

/**
 * @template T
 * @typedef {Object} GridOptions
 * @property {string} label what the pictures are
 * @property {(item: T) => number} key an id
 * @property {(item: T, index: number) => any[]} tile what is in an option
 * @property {(item: T) => string} text the same for who hears it
 * @property {(item: T, index: number) => void} [open] on Enter or a click
 * @property {(selected: T[]) => void} [select] when the selection has changed
 * @property {(item: T) => void} [move] when another one is the active one
 * @property {() => Promise<T[]|null>} [more] the next page, null or nothing at the end
 * @property {(event: KeyboardEvent, item: T, selected: T[]) => boolean|void} [press] other keys; true where it was one
 * @property {string} [classes]
 */

/**
 * A grid of pictures.
 *
 * @template T
 */
export class Grid {
  /** @param {T[]} items @param {GridOptions<T>} options @param {AbortSignal} signal */
  constructor(items, options, signal) {
    this.options = options;
    /** @type {T[]} */
    this.items = [];
    /** @type {Set<number>} */
    this.selected = new Set();
    this.active = 0;
    this.anchor = 0;
    this.loading = false;
    this.done = !options.more;
    this.chunks = [];
    this.list = h("div", {
      class: `grid ${options.classes || ""}`.trim(),
      role: "listbox",
      "aria-multiselectable": "true",
      "aria-label": options.label,
      on: {
        keydown: (event) => this.#pressed(event),
        click: (event) => this.#clicked(event),
        focusin: (event) => this.#focused(event),
      },
    });
    this.end = h("div.grid-end", { "aria-hidden": "true" });
    this.trouble = h("div", {});
    this.element = h("div.grid-box", {}, this.list, this.end, this.trouble);
    this.append(items);
    this.far = new IntersectionObserver(
      (entries) => entries.forEach((entry) => this.#came(entry)),
      { rootMargin: "300% 0px" },
    );
    this.near = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.#more(),
      { rootMargin: "120% 0px" },
    );
    this.chunks.forEach((chunk) => this.far.observe(chunk.element));
    this.near.observe(this.end);
    signal.addEventListener(
      "abort",
      () => {
        this.far.disconnect();
        this.near.disconnect();
      },
      { once: true },
    );
  }

  /** Add pictures at the end. @param {T[]} items */
  append(items) {
    for (let start = 0; start < items.length; start += PAGE) {
      const first = this.items.length;
      const part = items.slice(start, start + PAGE);
      this.items.push(...part);
      const element = h("div.chunk", { role: "presentation" });
      const chunk = { element, first, count: part.length, filled: false };
      element.chunk = chunk;
      this.chunks.push(chunk);
      this.#put(chunk);
      this.list.append(element);
      this.far?.observe(element);
    }
  }

  /** Show an item that has changed. @param {T} item */
  update(item) {
    const id = this.options.key(item);
    const index = this.items.findIndex((each) => this.options.key(each) === id);
    if (index < 0) return;
    this.items[index] = item;
    const before = this.option(index);
    if (!before) return;
    const focused = before === document.activeElement;
    const after = this.#option(index);
    before.replaceWith(after);
    if (focused) after.focus({ preventScroll: true });
  }

  /** The items that are selected, in their order. @returns {T[]} */
  get selection() {
    return this.items.filter((item) => this.selected.has(this.options.key(item)));
  }

  /** Return the element of an item, null while it is taken out. @returns {HTMLElement|null} */
  option(index) {
    const chunk = this.chunks.find(
      (each) => index >= each.first && index < each.first + each.count,
    );
    return chunk?.filled ? chunk.element.children[index - chunk.first] : null;
  }

  /** Move to an item. @param {number} index @param {{focus?: boolean}} [options] */
  activate(index, { focus = true } = {}) {
    const next = Math.max(0, Math.min(index, this.items.length - 1));
    if (!this.items.length) return;
    const chunk = this.chunks.find((each) => next >= each.first && next < each.first + each.count);
    if (!chunk.filled) this.#put(chunk);
    this.option(this.active)?.setAttribute("tabindex", "-1");
    this.active = next;
    const option = this.option(next);
    option.setAttribute("tabindex", "0");
    if (focus) {
      option.focus({ preventScroll: true });
      option.scrollIntoView({ block: "nearest" });
    }
    this.options.move?.(this.items[next]);
  }

  /** Mark one as that whose details are shown. @param {number|null} id */
  mark(id) {
    for (const element of this.list.querySelectorAll(".current"))
      element.classList.remove("current");
    const index = id === null ? -1 : this.items.findIndex((each) => this.options.key(each) === id);
    if (index >= 0) this.option(index)?.classList.add("current");
    return index;
  }

  /** Select none. */
  clear() {
    this.selected.clear();
    this.#selectionChanged();
  }

  /** How many are in a row. */
  get columns() {
    const chunk = this.chunks.find((each) => each.filled);
    return chunk ? getComputedStyle(chunk.element).gridTemplateColumns.split(" ").length : 1;
  }

  #option(index) {
    const item = this.items[index];
    const id = this.options.key(item);
    return h(
      "div.tile",
      {
        role: "option",
        tabindex: index === this.active ? 0 : -1,
        data: { index, id },
        "aria-selected": this.selected.has(id) ? "true" : "false",
        "aria-posinset": index + 1,
        "aria-setsize": this.done ? this.items.length : -1,
        "aria-label": visible(this.options.text(item)),
      },
      this.options.tile(item, index),
    );
  }

  #put(chunk) {
    chunk.element.style.removeProperty("block-size");
    for (let index = chunk.first; index < chunk.first + chunk.count; index++) {
      chunk.element.append(this.#option(index));
    }
    chunk.filled = true;
  }

  #came(entry) {
    const chunk = entry.target.chunk;
    if (entry.isIntersecting && !chunk.filled) {
      this.#put(chunk);
    } else if (
      !entry.isIntersecting &&
      chunk.filled &&
      !entry.target.contains(document.activeElement)
    ) {
      const height = entry.boundingClientRect.height;
      if (!height || this.chunks.length < 2) return;
      entry.target.style.setProperty("block-size", `${height}px`);
      entry.target.replaceChildren();
      chunk.filled = false;
    }
  }

  async #more() {
    if (this.loading || this.done) return;
    this.loading = true;
    try {
      const next = await this.options.more();
      if (next?.length) this.append(next);
      else this.done = true;
      fill(this.trouble);
    } catch (error) {
      this.loading = false;
      const retry = () => this.#more();
      if (!isAborted(error)) fill(this.trouble, problemPanel(error, { retry }));
      return;
    }
    this.loading = false;
    if (!this.done) {
      // Its end may still be in sight.
      this.near.unobserve(this.end);
      this.near.observe(this.end);
    }
  }

  #focused(event) {
    const option = event.target.closest("[role=option]");
    const index = option ? Number(option.dataset.index) : -1;
    if (index >= 0 && index !== this.active) {
      this.option(this.active)?.setAttribute("tabindex", "-1");
      this.active = index;
      option.setAttribute("tabindex", "0");
    }
  }

  #clicked(event) {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    const index = Number(option.dataset.index);
    if (event.shiftKey) {
      this.#range(this.anchor, index);
    } else if (event.ctrlKey || event.metaKey || event.target.closest(".tick")) {
      this.#toggle(index);
    } else {
      this.anchor = index;
      this.activate(index);
      this.options.open?.(this.items[index], index);
      return;
    }
    this.activate(index);
  }

  #toggle(index) {
    const id = this.options.key(this.items[index]);
    if (!this.selected.delete(id)) this.selected.add(id);
    this.anchor = index;
    this.#selectionChanged();
  }

  #range(from, to) {
    for (let index = Math.min(from, to); index <= Math.max(from, to); index++) {
      this.selected.add(this.options.key(this.items[index]));
    }
    this.#selectionChanged();
  }

  #selectionChanged() {
    for (const option of this.list.querySelectorAll("[role=option]")) {
      option.setAttribute(
        "aria-selected",
        this.selected.has(Number(option.dataset.id)) ? "true" : "false",
      );
    }
    this.list.classList.toggle("selecting", this.selected.size > 0);
    this.options.select?.(this.selection);
  }

  #step(key) {
    const height = this.option(this.active)?.offsetHeight || 200;
    const rows = Math.max(1, Math.floor(innerHeight / height) - 1);
    return stepped(key, this.active, this.columns, rows, this.items.length - 1);
  }

  #pressed(event) {
    if (!this.items.length || isTyping(event)) return;
    const control = event.ctrlKey || event.metaKey;
    const target = control || event.altKey ? null : this.#step(event.key);
    if (target !== null) {
      // A step that leads out of the grid leads nowhere.
      if (target >= 0 && target < this.items.length) {
        if (event.shiftKey && event.key.startsWith("Arrow")) this.#range(this.active, target);
        this.activate(target);
      } else if (target >= this.items.length) {
        // From above the end of the last row that is its end.
        this.activate(this.items.length - 1);
        this.#more();
      }
    } else if (event.key === "Enter" && !control) {
      this.options.open?.(this.items[this.active], this.active);
    } else if (event.key === " ") {
      this.#toggle(this.active);
    } else if (control && event.key.toLowerCase() === "a") {
      this.#range(0, this.items.length - 1);
    } else if (event.key === "Escape" && this.selected.size) {
      this.clear();
      event.stopPropagation();
    } else if (!control && this.options.press?.(event, this.items[this.active], this.selection)) {
      // Done.
    } else {
      return;
    }
    event.preventDefault();
  }
}

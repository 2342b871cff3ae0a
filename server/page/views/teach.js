// Teaching a category: pictures whose answer tells most, a key for each answer, and what it comes to.

import { announce, counted, fill, h, isTyping, name, percent, visible } from "../dom.js";
import { ask, categories, isAborted, pause } from "../api.js";
import { chipLink } from "../components/chips.js";
import { Grid } from "../components/grid.js";
import { empty, problemPanel, waiting } from "../components/notices.js";
import { copyOf } from "../components/tile.js";
import { failed } from "../components/toast.js";
import { address, go } from "../router.js";
import { Answers } from "./teach_answers.js";

export const title = "Teach";
export const keys = [
  ["y", "Yes, it shows that"],
  ["n", "No, it does not"],
  ["u", "Unsure: ask about others"],
  ["1 … 9", "Yes to the n-th; again: no; again: no answer"],
  ["Shift N", "No to all that have no answer"],
  ["Backspace", "Take the last answer back"],
];
const ASKED = 12;
const MOST = 200;
// Until so long after an answer another one may come: then both are looked at together.
const QUIET = 250;
const WHY = { uncertain: "not sure", typical: "one of a group", label: "has this label", category: "taken for it" };
const WORDS = { yes: "Yes", no: "No", unsure: "Unsure" };

/** @param {HTMLElement} root @param {URLSearchParams} params @param {AbortSignal} signal */
export async function render(root, params, signal) {
  const category = (params.get("category") || "").trim();
  if (!category) {
    await start(root, signal);
    return;
  }
  const lesson = new Lesson(root, category, signal);
  await lesson.begin();
}

async function start(root, signal) {
  const [judged, counts] = await Promise.all([ask("v1/judgements", { signal }), categories({ signal })]);
  const input = h("input", { type: "text", required: true, maxlength: 200, autocomplete: "off", list: "teach-known", placeholder: "bed" });
  fill(root,
    h("div.teach-start", {},
      h("div", {}, h("h1", {}, title), h("p.soft", {}, "Say of a few pictures whether they show a thing, and the whole catalog knows it. You are asked about those whose answer tells most.")),
      h("form.row", { on: { submit: (event) => { event.preventDefault(); if (input.value.trim()) go("teach", { category: input.value.trim() }); } } },
        h("label.field", {}, h("span", {}, "What to teach"), input),
        h("button.primary", {}, "Begin")),
      h("datalist", { id: "teach-known" }, Object.keys(counts).map((each) => h("option", { value: each }))),
      judged.length > 0 && h("section.teach-part", { "aria-labelledby": "begun" },
        h("h2", { id: "begun" }, "Begun before"),
        h("div.chips", {}, judged.map((each) => chipLink(name(each.category), {
          href: address("teach", { category: each.category }), note: `${each.yes} yes, ${each.no} no`,
        }))))));
  input.focus();
}

class Lesson {
  constructor(root, category, signal) {
    this.root = root;
    this.signal = signal;
    this.look = new AbortController();
    this.answers = new Answers(category, {
      changed: () => this.#changed(), sent: () => this.#count(), failed,
    });
    this.queue = h("div", {});
    this.state = h("p.soft", { role: "status" });
    this.estimate = h("p", {});
    this.found = h("div", {});
    this.foundNote = h("p.soft.small", {});
    this.outcome = h("div", { "aria-live": "polite" });
    this.grids = [];
    this.asked = [];
    document.addEventListener("keydown", (event) => this.#pressed(event), { signal });
  }

  async begin() {
    fill(this.root, waiting("Looking at the catalog"));
    await this.answers.load(this.signal);
    const back = h("button", { type: "button", title: "Backspace", on: { click: () => this.#undo() } }, "Undo");
    const rest = h("button", { type: "button", title: "Shift N", on: { click: () => this.#rest() } }, "No to the rest");
    const skip = h("button", { type: "button", on: { click: () => this.#next() } }, "Ask about others");
    fill(this.root, h("div.teach", {},
      h("div.view-head", {}, h("div", {}, h("h1", {}, "Teach ", name(this.answers.category)), this.state), h("a", { href: address("teach") }, "Another category")),
      h("div.teach-body", {},
        h("section.teach-part", { "aria-labelledby": "asked" },
          h("div.view-head", {}, h("h2", { id: "asked" }, "Does it show ", name(this.answers.category), "?"),
            h("div.answer-keys", {}, h("span.soft.small", {}, h("kbd", {}, "y"), " yes ", h("kbd", {}, "n"), " no ", h("kbd", {}, "u"), " unsure"), rest, skip, back)),
          this.queue),
        h("section.teach-part", { "aria-labelledby": "save" },
          h("h2", { id: "save" }, "Apply it to the catalog"), this.estimate, this.#form(), this.outcome),
        h("section.teach-part", { "aria-labelledby": "found" },
          h("div", {}, h("h2", { id: "found" }, "Found so far"), this.foundNote), this.found))));
    await this.#next();
  }

  #form() {
    const input = h("input", { type: "text", required: true, maxlength: 100, autocomplete: "off", spellcheck: "false", value: "taught" });
    const button = h("button.primary", {}, "Save");
    const form = h("form.save-lesson", {
      on: {
        submit: async (event) => {
          event.preventDefault();
          button.disabled = true;
          fill(this.outcome, waiting("Learning, and classifying the catalog anew"));
          try {
            await this.answers.sent();
            const told = await ask("v1/teach/save", {
              method: "POST", signal: this.signal,
              json: { category: this.answers.category, yes: this.answers.ids("yes"), no: this.answers.ids("no"), head: input.value.trim() },
            });
            fill(this.outcome, saved(told));
          } catch (error) {
            if (!isAborted(error)) fill(this.outcome, problemPanel(error));
          }
          button.disabled = false;
        },
      },
    }, h("label.field", {}, h("span", {}, "Name of the head"), input), button);
    return form;
  }

  /** Ask about other pictures. */
  async #next() {
    // What was waited for is asked with it.
    this.waited = null;
    const focused = this.queue.contains(document.activeElement) || document.activeElement === document.body || document.activeElement === this.root;
    if (!this.queue.hasChildNodes()) fill(this.queue, waiting("Choosing pictures"));
    try {
      const lesson = await this.#teach();
      const unseen = lesson.ask.filter((each) => !this.answers.of(each.id)).slice(0, ASKED);
      this.asked = unseen.map((each, index) => ({ ...each, number: index + 1 }));
      if (!this.asked.length) {
        fill(this.queue, empty("Nothing is left to ask", "Every picture was answered, or the rest are copies of those that were."));
        return;
      }
      this.grid = this.#grid(this.asked, "Pictures to answer");
      fill(this.queue, this.grid.element);
      if (focused) this.grid.activate(0);
      this.#show(lesson);
    } catch (error) {
      if (!isAborted(error)) fill(this.queue, problemPanel(error, { retry: () => this.#next() }));
    }
  }

  async #teach() {
    this.look.abort();
    const own = this.look = new AbortController();
    this.signal.addEventListener("abort", () => own.abort(), { once: true });
    const unsure = this.answers.ids("unsure");
    return ask("v1/teach", {
      method: "POST", signal: own.signal,
      json: { category: this.answers.category, yes: this.answers.ids("yes"), no: this.answers.ids("no"), k: Math.min(MOST, ASKED + unsure.length) },
    });
  }

  #grid(items, label) {
    return new Grid(items, {
      label, classes: "answers",
      key: (item) => item.id,
      tile: (item) => this.#tile(item),
      text: (item) => this.#text(item),
      open: (item) => this.#say([item.id], this.answers.of(item.id) === "yes" ? "no" : "yes"),
      press: (event, item) => this.#answered(event, item),
    }, this.signal);
  }

  #tile(item) {
    const answer = this.answers.of(item.id);
    return [
      h("span.frame", {}, copyOf(item.id), answer && h("span", { class: `answer ${answer}` }, WORDS[answer])),
      h("span.caption", {},
        h("span.caption-name", {}, item.number ? `${item.number}` : ""),
        h("span.caption-note", {}, item.why ? WHY[item.why] || "" : percent(item.probability))),
    ];
  }

  #text(item) {
    const answer = this.answers.of(item.id);
    const parts = [item.number ? `Picture ${item.number}` : "Found", item.why ? WHY[item.why] || "" : percent(item.probability)];
    parts.push(answer ? `answered ${WORDS[answer].toLowerCase()}` : "no answer");
    return parts.filter(Boolean).join(", ");
  }

  #answered(event, item) {
    const said = { y: "yes", n: "no", u: "unsure" }[event.key];
    if (!said) return false;
    this.#say([item.id], said);
    return true;
  }

  #pressed(event) {
    if (event.defaultPrevented || isTyping(event) || event.altKey || document.querySelector("dialog[open]")) return;
    const undo = event.key === "Backspace" || (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey);
    if (undo && this.answers.steps.length) {
      event.preventDefault();
      this.#undo();
    } else if (event.ctrlKey || event.metaKey) {
      // Of the browser.
    } else if (event.key === "N") {
      event.preventDefault();
      this.#rest();
    } else if (/^[1-9]$/.test(event.key)) {
      const item = this.asked[Number(event.key) - 1];
      const next = { yes: "no", no: null, unsure: "yes" };
      if (!item) return;
      event.preventDefault();
      const before = this.answers.of(item.id);
      this.#say([item.id], before ? next[before] : "yes", false);
    } else if (["y", "n", "u"].includes(event.key) && !event.target.closest("[role=option]") && this.grid) {
      event.preventDefault();
      this.#answered(event, this.grid.items[this.grid.active]);
    }
  }

  #say(ids, answer, moves = true) {
    this.answers.say(ids, answer);
    const open = this.asked.filter((each) => !this.answers.of(each.id));
    announce(answer ? `${WORDS[answer]}. ${open.length} left` : `No answer. ${open.length} left`);
    if (moves && this.grid && open.length && ids.some((id) => this.asked.some((each) => each.id === id))) {
      const from = this.grid.active;
      const next = open.find((each) => each.number - 1 > from) || open[0];
      this.grid.activate(next.number - 1);
    }
  }

  #rest() {
    const open = this.asked.filter((each) => !this.answers.of(each.id)).map((each) => each.id);
    if (open.length) this.#say(open, "no");
  }

  #undo() {
    const ids = this.answers.undo();
    if (!ids.length) return;
    announce("Taken back");
    const at = this.asked.findIndex((each) => ids.includes(each.id));
    if (at >= 0) this.grid.activate(at);
  }

  /** Show answers, and what follows from them once no other has come for a moment. */
  async #changed() {
    for (const item of this.asked) this.#update(this.grid, item);
    for (const item of this.shown?.items || []) this.#update(this.shown, item);
    this.#count();
    const own = this.waited = {};
    try {
      await pause(QUIET, this.signal);
      if (own !== this.waited) return;
      if (this.asked.length && this.asked.every((each) => this.answers.of(each.id))) await this.#next();
      else this.#show(await this.#teach());
    } catch (error) {
      if (!isAborted(error)) failed(error);
    }
  }

  #update(grid, item) {
    grid.update(item);
    const option = grid.option(grid.items.indexOf(item));
    if (option) option.dataset.answer = this.answers.of(item.id) || "";
  }

  #count() {
    const told = `${this.answers.ids("yes").length} yes, ${this.answers.ids("no").length} no`;
    fill(this.state, this.answers.sending ? `${told}, being remembered` : told);
  }

  #show(lesson) {
    this.#count();
    const told = lesson.estimate;
    fill(this.estimate, told
      ? `About ${counted(told.count, "picture")} of ${lesson.images.toLocaleString("en")} show it, between ${told.low.toLocaleString("en")} and ${told.high.toLocaleString("en")}.`
      : "How many there are is told after five answers of each kind.");
    const sampled = lesson.looked_at < lesson.images ? `, looked for among ${counted(lesson.looked_at, "picture")}` : "";
    fill(this.foundNote, lesson.found.length
      ? `Likely to show it and not answered, the likeliest first${sampled}.${told && told.precision !== null ? ` About ${percent(told.precision)} of what is found is right.` : ""}`
      : lesson.yes ? "No other picture is likely to show it yet." : "Pictures that show it appear here, once one was answered with yes.");
    const focused = this.found.contains(document.activeElement) ? this.shown?.active : null;
    this.shown = lesson.found.length ? this.#grid(lesson.found, "Pictures found") : null;
    fill(this.found, this.shown?.element);
    if (focused !== null && focused !== undefined) (this.shown || this.grid)?.activate(focused);
  }
}

function saved(told) {
  const changes = Object.entries(told.categories);
  return h("div.saved", {},
    h("strong", {}, `${counted(told.changed, "picture")} of the catalog ${told.changed === 1 ? "shows" : "show"} another category now.`),
    changes.length > 0 && h("div.chips", { role: "group", "aria-label": "What changed" }, changes.map(([each, count]) =>
      chipLink(name(each), { href: address("search", { where: `category=${each}` }), note: `${count > 0 ? "+" : "−"}${Math.abs(count).toLocaleString("en")}` }))),
    told.report.notes.length > 0 && h("ul", {}, told.report.notes.map((note) => h("li.small", {}, visible(note)))),
    h("a", { href: address("heads", { name: told.head.name }) }, "How good is it?"));
}

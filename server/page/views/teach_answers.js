// What was answered about one category: sent at once, taken back one step at a time.

import { ask } from "../api.js";

/** @typedef {"yes"|"no"|"unsure"|null} Answer */

/**
 * The answers about one category, as the service remembers them; what is unsure stays here.
 *
 * What is not yet acknowledged outlives the page: loaded again, it says it again.
 */
export class Answers {
  /** @param {string} category @param {{changed: () => void, sent: () => void, failed: (error: unknown) => void}} hears */
  constructor(category, hears) {
    this.category = category;
    this.hears = hears;
    /** @type {Map<number, Answer>} */
    this.given = new Map();
    /** @type {Map<number, Answer>[]} what was said before each step */
    this.steps = [];
    /** @type {Map<number, Answer>} what the service has not heard yet, with what it knows */
    this.unsent = new Map();
    /** @type {Map<number, Answer>} what it is told now, with what it knows */
    this.underWay = new Map();
    this.sending = null;
  }

  /** Read what was said before. @param {AbortSignal} signal */
  async load(signal) {
    const known = await ask("v1/judgements", { query: { category: this.category }, signal });
    this.category = known.category;
    for (const id of known.yes) this.given.set(id, "yes");
    for (const id of known.no) this.given.set(id, "no");
    const pairs = this.#unacknowledged();
    for (const [id, answer] of pairs) this.#given(id, answer);
    if (pairs.length) this.#begin();
  }

  /** @param {number} id @returns {Answer} */
  of(id) {
    return this.given.get(id) || null;
  }

  /** Ids with an answer. @param {Answer} answer */
  ids(answer) {
    return [...this.given].filter(([, each]) => each === answer).map(([id]) => id);
  }

  /** Say the same of some pictures; null takes back what was said. @param {number[]} ids @param {Answer} answer */
  say(ids, answer) {
    const before = new Map(ids.filter((id) => this.of(id) !== answer).map((id) => [id, this.of(id)]));
    if (!before.size) return;
    this.steps.push(before);
    this.#set([...before.keys()].map((id) => [id, answer]));
  }

  /** Take the last step back. @returns {number[]} ids that it was about */
  undo() {
    const before = this.steps.pop();
    if (!before) return [];
    this.#set([...before]);
    return [...before.keys()];
  }

  /** Wait until the service knows all. @returns {Promise<void>} */
  async sent() {
    while (this.sending) await this.sending;
  }

  #set(pairs) {
    for (const [id, answer] of pairs) this.#given(id, answer);
    this.#remember();
    this.hears.changed();
    this.#begin();
  }

  #given(id, answer) {
    if (!this.unsent.has(id)) this.unsent.set(id, this.of(id));
    if (answer === null) this.given.delete(id);
    else this.given.set(id, answer);
  }

  #begin() {
    this.sending ||= this.#send().finally(() => { this.sending = null; this.hears.sent(); });
  }

  get #key() {
    return `answers ${location.pathname} ${this.category}`;
  }

  #remember() {
    const open = new Set([...this.underWay.keys(), ...this.unsent.keys()]);
    // A browser may refuse: then an answer is as safe as its request.
    try {
      if (open.size) sessionStorage.setItem(this.#key, JSON.stringify([...open].map((id) => [id, this.of(id)])));
      else sessionStorage.removeItem(this.#key);
    } catch { /* as said */ }
  }

  /** @returns {[number, Answer][]} */
  #unacknowledged() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key) || "[]");
    } catch {
      return [];
    }
  }

  async #send() {
    // One request at a time: what is said meanwhile goes with the next one.
    while (this.unsent.size) {
      const part = this.underWay = this.unsent;
      this.unsent = new Map();
      const now = { yes: [], no: [], forget: [] };
      for (const [id, before] of part) {
        const answer = this.of(id);
        if (answer === "yes" || answer === "no") now[answer].push(id);
        else if (before === "yes" || before === "no") now.forget.push(id);
      }
      const told = now.yes.length || now.no.length || now.forget.length;
      try {
        if (told) await ask("v1/judgements", { method: "PUT", json: { category: this.category, ...now }, keepalive: true });
      } catch (error) {
        for (const [id, before] of part) {
          if (before === null) this.given.delete(id);
          else this.given.set(id, before);
        }
        this.steps = [];
        this.hears.changed();
        this.hears.failed(error);
      }
      this.underWay = new Map();
      this.#remember();
    }
  }
}

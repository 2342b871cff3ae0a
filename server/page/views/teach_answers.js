// What was answered about one category: sent at once, taken back one step at a time.

import { ask } from "../api.js";

/** @typedef {"yes"|"no"|"unsure"|null} Answer */

/** The answers about one category, as the service remembers them; what is unsure stays here. */
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
    this.sending = null;
  }

  /** Read what was said before. @param {AbortSignal} signal */
  async load(signal) {
    const known = await ask("v1/judgements", { query: { category: this.category }, signal });
    this.category = known.category;
    for (const id of known.yes) this.given.set(id, "yes");
    for (const id of known.no) this.given.set(id, "no");
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
    for (const [id, answer] of pairs) {
      if (!this.unsent.has(id)) this.unsent.set(id, this.of(id));
      if (answer === null) this.given.delete(id);
      else this.given.set(id, answer);
    }
    this.hears.changed();
    this.sending ||= this.#send().finally(() => { this.sending = null; this.hears.sent(); });
  }

  async #send() {
    // One request at a time: what is said meanwhile goes with the next one.
    while (this.unsent.size) {
      const part = this.unsent;
      this.unsent = new Map();
      const now = { yes: [], no: [], forget: [] };
      for (const [id, before] of part) {
        const answer = this.of(id);
        if (answer === "yes" || answer === "no") now[answer].push(id);
        else if (before === "yes" || before === "no") now.forget.push(id);
      }
      if (!now.yes.length && !now.no.length && !now.forget.length) continue;
      try {
        await ask("v1/judgements", { method: "PUT", json: { category: this.category, ...now } });
      } catch (error) {
        for (const [id, before] of part) {
          if (before === null) this.given.delete(id);
          else this.given.set(id, before);
        }
        this.steps = [];
        this.hears.changed();
        this.hears.failed(error);
      }
    }
  }
}

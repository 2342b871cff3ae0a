// What a job finds in all of the catalog: the last result there is, and looking again.

import { fill, h, when } from "../dom.js";
import { ask, isAborted } from "../api.js";
import { begin, ended, note, watchJobs } from "../jobs.js";
import { problemPanel, waiting } from "./notices.js";
import { isActive, progressBar } from "./progress.js";

/**
 * @typedef {Object} FindingOptions
 * @property {string} kind of job
 * @property {() => Record<string, unknown>} asked what a new job is asked for
 * @property {() => Promise<any>} [plainly] asks for the same at once, where no job may be begun
 * @property {(result: any, found: {job: any|null, at: string}) => void|Promise<void>} show shows a result
 * @property {() => void} nothing shows that nobody has looked yet
 * @property {AbortSignal} signal
 */

/** A job's results, and a line that says how far it is. */
export class Finding {
  /** @param {FindingOptions} options */
  constructor(options) {
    this.options = options;
    this.element = h("div.finding", {});
    this.own = new AbortController();
  }

  /** Show the last result; follow the job that runs. */
  async last() {
    const { kind, signal, nothing } = this.options;
    const { jobs } = await ask("v1/jobs", { signal });
    const own = jobs.filter((job) => job.kind === kind);
    const running = own.find(isActive);
    const done = own.find((job) => job.state === "done");
    if (done) await this.#show(await ask(`v1/jobs/${done.id}`, { signal }));
    else if (!running) nothing();
    if (running) this.#follow(running);
  }

  /** Look again. */
  async again() {
    const { kind, asked, plainly, show } = this.options;
    fill(this.element, waiting("Starting"));
    try {
      this.#follow(await begin("v1/jobs", { kind, ...asked() }));
    } catch (error) {
      if (isAborted(error)) return;
      if (error.status !== 403 || !plainly) return void fill(this.element, problemPanel(error));
      // A service for reading has no jobs, but answers.
      fill(this.element, waiting("Looking"));
      try {
        await show(await plainly(), { job: null, at: new Date().toISOString() });
        fill(this.element);
      } catch (failure) {
        if (!isAborted(failure)) fill(this.element, problemPanel(failure));
      }
    }
  }

  async #follow(job) {
    this.own.abort();
    const own = this.own = new AbortController();
    this.options.signal.addEventListener("abort", () => own.abort(), { once: true });
    const bar = progressBar(job);
    const stop = h("button.small", { type: "button", on: { click: () => this.#stop(job) } }, "Cancel");
    fill(this.element, h("div.finding-bar", {}, bar, stop));
    note(job);
    watchJobs((_, changed) => changed?.id === job.id && bar.show(changed), own.signal);
    try {
      const over = await ended(job.id, own.signal);
      fill(this.element, over.problem && problemPanel(over.problem), over.state === "cancelled" && h("p.soft", {}, "Cancelled."));
      if (over.state === "done") await this.#show(over);
    } catch (error) {
      if (!isAborted(error)) fill(this.element, problemPanel(error));
    }
  }

  async #stop(job) {
    try {
      await ask(`v1/jobs/${job.id}`, { method: "DELETE" });
    } catch (error) {
      if (!isAborted(error)) fill(this.element, problemPanel(error));
    }
  }

  async #show(job) {
    if (job.result === null || job.result === undefined) return this.options.nothing();
    await this.options.show(job.result, { job, at: job.ended_at });
  }
}

/** Return when a result was found, in words. @param {string} at */
export function foundAt(at) {
  return h("span.soft.small", {}, `found ${when(at)}`);
}

// How far a job is.

import { fill, h, visible } from "../dom.js";

/** Whether a job will change still. @param {import("../api.js").Job} job */
export function isActive(job) {
  return job.state === "waiting" || job.state === "running";
}

/** Return how far a job is, in words. @param {import("../api.js").Job} job */
export function progressText(job) {
  const { progress } = job;
  if (!progress) return job.state === "waiting" ? "Waits for others" : "Has begun";
  const of = progress.total ? ` of ${progress.total.toLocaleString("en")}` : "";
  return `${visible(progress.task)}: ${progress.done.toLocaleString("en")}${of} ${visible(progress.unit || "")}`.trim();
}

/**
 * Return a bar that shows how far a job is; call it again as `bar.show(job)` when that changes.
 *
 * @param {import("../api.js").Job} job
 */
export function progressBar(job) {
  const bar = h("progress", { "aria-label": visible(job.title), max: 1 });
  const text = h("span.soft", {});
  const element = h("div.progress", {}, bar, text);
  const show = (next) => {
    const { progress } = next;
    if (progress && progress.total) bar.value = Math.min(1, progress.done / progress.total);
    else bar.removeAttribute("value");
    fill(text, progressText(next));
  };
  show(job);
  return Object.assign(element, { show });
}

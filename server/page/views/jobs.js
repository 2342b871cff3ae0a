// What the service is doing, and has done.

import { counted, fill, h, name, when } from "../dom.js";
import { ask, isAborted, pictures } from "../api.js";
import { confirmed } from "../components/dialog.js";
import { MOST } from "../components/drop.js";
import { empty, problemPanel } from "../components/notices.js";
import { isActive, progressBar } from "../components/progress.js";
import { failed, toast } from "../components/toast.js";
import { begin, drop, note, refresh, watchJobs } from "../jobs.js";
import { address } from "../router.js";

export const title = "Jobs";

/** Where the result of a job is looked at. */
const SEEN_IN = {
  index: ["search", "See the pictures"],
  train: ["heads", "See the heads"],
  duplicates: ["duplicates", "See the duplicates"],
  suspects: ["suspects", "See the suspects"],
  map: ["map", "See the map"],
};
const STATES = {
  waiting: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  interrupted: "Interrupted",
};

/** @param {HTMLElement} root @param {URLSearchParams} _ @param {AbortSignal} signal */
export async function render(root, _, signal) {
  const list = h("ol.jobs", {});
  const nothing = h("div", {});
  fill(root, h("div.view-head", {}, h("h1", {}, title)), indexForm(), nothing, list);
  /** @type {Map<string, {element: HTMLElement, show: (job: any) => void}>} */
  const shown = new Map();
  const show = (jobs) => {
    fill(
      nothing,
      !jobs.length &&
        empty(
          "No jobs yet",
          "What takes longer, such as to index a folder or to train a head, is a job. Jobs go on when this page is closed.",
        ),
    );
    const there = new Set(jobs.map((job) => job.id));
    for (const [id, each] of shown) {
      if (there.has(id)) continue;
      each.element.remove();
      shown.delete(id);
    }
    jobs.forEach((job, index) => {
      const known = shown.get(job.id) || entry(job, signal);
      shown.set(job.id, known);
      known.show(job);
      if (list.children[index] !== known.element)
        list.insertBefore(known.element, list.children[index] || null);
    });
  };
  await refresh();
  watchJobs(show, signal);
}

function entry(job, signal) {
  const head = h("div.job-head", {});
  const body = h("div.job-body", {});
  const element = h("li.panel", {}, head, body);
  let state = "";
  let bar = null;
  const show = (next) => {
    job = next;
    if (bar && isActive(job) && state === job.state) return bar.show(job);
    if (state === job.state) return;
    state = job.state;
    bar = isActive(job) ? progressBar(job) : null;
    fill(
      head,
      h("h2", {}, name(job.title)),
      h("span", { class: `state ${job.state}` }, STATES[job.state] || job.state),
      h("span.soft.small", {}, times(job)),
      h(
        "span.job-buttons",
        {},
        isActive(job)
          ? h("button.small", { type: "button", on: { click: () => cancel(job) } }, "Cancel")
          : h("button.small.quiet", { type: "button", on: { click: () => forget(job) } }, "Forget"),
      ),
    );
    fill(
      body,
      bar,
      job.problem &&
        h(
          "p.bad-text",
          {},
          name(`${job.problem.thing}: ${job.problem.reason}. ${job.problem.remedy}`),
        ),
      job.state === "interrupted" &&
        h(
          "p.soft",
          {},
          "The service ended while it ran. What was committed is kept; start it again for the rest.",
        ),
    );
    if (job.state === "done") result(job, body, signal);
  };
  return { element, show };
}

function times(job) {
  if (!job.ended_at || !job.started_at) return when(job.created_at);
  const seconds = (new Date(job.ended_at).getTime() - new Date(job.started_at).getTime()) / 1000;
  const took =
    seconds < 90 ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : `${Math.round(seconds / 60)} min`;
  return `${when(job.ended_at)}, took ${took}`;
}

async function result(job, body, signal) {
  try {
    const whole = await ask(`v1/jobs/${encodeURIComponent(job.id)}`, { signal });
    const figures = summary(whole);
    const [view, text] = SEEN_IN[job.kind] || [];
    const there = view && document.querySelector(`#views a[data-view="${view}"]`);
    fill(
      body,
      figures && h("p", {}, name(figures)),
      skipped(whole.result?.skipped),
      there && h("p", {}, h("a", { href: address(view) }, text)),
    );
  } catch (error) {
    if (!isAborted(error)) fill(body, h("p.soft", {}, name(`${error.thing}: ${error.reason}`)));
  }
}

/** Return what a job has come to, in a line. */
function summary({ kind, result }) {
  if (!result) return "";
  if (kind === "index") {
    const parts = ["added", "updated", "moved", "removed"]
      .filter((key) => result[key])
      .map((key) => `${result[key]} ${key}`);
    return `${parts.join(", ") || "Nothing has changed"}; ${counted(result.images, "picture")} in the catalog`;
  }
  if (kind === "train") {
    const accuracy =
      typeof result.validation_accuracy === "number"
        ? `, ${(result.validation_accuracy * 100).toFixed(1)} % right on pictures it had not seen`
        : "";
    return `${result.head}: ${counted(result.categories.length, "category", "categories")} from ${counted(result.images, "picture")}${accuracy}`;
  }
  if (kind === "duplicates" && Array.isArray(result))
    return `${counted(result.length, "group")} of duplicates`;
  if (kind === "suspects") return `${result.doubted} of ${counted(result.images, "label")} doubted`;
  return "";
}

function skipped(list) {
  if (!list?.length) return null;
  return h(
    "details",
    {},
    h("summary", {}, `${counted(list.length, "file")} skipped`),
    h(
      "ul.skipped",
      {},
      list
        .slice(0, 100)
        .map((each) =>
          h(
            "li",
            {},
            name(each.path),
            h("span.soft", {}, " ", name(`${each.reason}. ${each.hint}`)),
          ),
        ),
    ),
  );
}

async function cancel(job) {
  const sure = await confirmed(
    "Cancel this job?",
    [h("p", {}, name(job.title)), h("p.soft", {}, "What it has committed so far is kept.")],
    "Cancel the job",
  );
  if (!sure) return;
  try {
    const answer = await ask(`v1/jobs/${encodeURIComponent(job.id)}`, { method: "DELETE" });
    if (answer?.id) note(answer);
  } catch (error) {
    failed(error);
  }
}

async function forget(job) {
  try {
    await ask(`v1/jobs/${encodeURIComponent(job.id)}`, { method: "DELETE" });
    drop(job.id);
  } catch (error) {
    failed(error);
  }
}

function indexForm() {
  const paths = h("textarea", {
    rows: 2,
    "aria-describedby": "paths-note",
    spellcheck: "false",
    placeholder: "all folders that are indexed",
  });
  const label = h("input", { type: "checkbox" });
  const files = h("input", { type: "file", multiple: true, accept: "image/*", required: true });
  const more = h(
    "details.index-more",
    {},
    h("summary.button", {}, "Index pictures"),
    h(
      "div.panel.index-forms",
      {},
      form(
        "Folders of the service's machine",
        "Index",
        () => {
          const given = paths.value
            .split("\n")
            .map((line) => line.trim())
            .filter(Boolean);
          return begin("v1/index", {
            ...(given.length ? { paths: given } : {}),
            label: label.checked ? "parent" : null,
          });
        },
        h("label.field", {}, h("span", {}, "Folders, one a line"), paths),
        h(
          "p.soft.small",
          { id: "paths-note" },
          "They lie at or below a folder that is indexed, or the one that the service was given with --folder.",
        ),
        h("label.check", {}, label, "Label each picture by the folder that it lies in"),
      ),
      form(
        "Pictures of yours",
        "Send",
        () => send([...files.files]),
        h("label.field", {}, h("span", {}, "Pictures"), files),
        h(
          "p.soft.small",
          {},
          "They are kept in the folder that the service was given with --folder.",
        ),
      ),
    ),
  );
  return more;

  function form(title, button, start, ...content) {
    const error = h("div", {});
    const submit = h("button.primary", {}, button);
    return h(
      "form.stack",
      {
        on: {
          submit: async (event) => {
            event.preventDefault();
            submit.disabled = true;
            fill(error);
            try {
              await start();
              event.target.reset();
              more.open = false;
              toast("Indexing has begun.");
            } catch (problem) {
              fill(error, problemPanel(problem));
            }
            submit.disabled = false;
          },
        },
      },
      h("h2", {}, title),
      ...content,
      error,
      h("div.row", {}, submit),
    );
  }
}

/** Send pictures, as many at a time as the service takes. */
async function send(files) {
  for (let start = 0; start < files.length; start += MOST) {
    note(await ask("v1/images", { method: "POST", ...pictures(files.slice(start, start + MOST)) }));
  }
}

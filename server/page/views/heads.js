// What was learned, how good it is, and learning more.

import { counted, fill, h, name, percent, when } from "../dom.js";
import { ask, isAborted } from "../api.js";
import { confirmed } from "../components/dialog.js";
import { command, empty, problemPanel, waiting } from "../components/notices.js";
import { progressBar } from "../components/progress.js";
import { failed, toast } from "../components/toast.js";
import { begin, ended, watchJobs } from "../jobs.js";
import { address, go } from "../router.js";
import { report } from "./head_report.js";

export const title = "Heads";

/** @param {HTMLElement} root @param {URLSearchParams} params @param {AbortSignal} signal */
export async function render(root, params, signal) {
  const list = h("ul.heads", { "aria-label": "Heads" });
  const shown = h("div.head-report", {});
  const train = trainForm(signal, async (head) => {
    await load();
    go("heads", { name: head });
  });
  fill(
    root,
    h(
      "div.view-head",
      {},
      h("h1", {}, title),
      h("p.soft", {}, "A head adds categories to the thousand that are built in."),
    ),
    h("div.heads-body", {}, h("div.heads-side", {}, list, train), shown),
  );
  let heads = [];
  let chosen = params.get("name");
  let own = new AbortController();

  async function load() {
    heads = await ask("v1/heads", { signal });
    fill(
      list,
      heads.map((head) =>
        h(
          "li",
          {},
          h(
            "a.head-link",
            {
              href: address("heads", { name: head.name }),
              "aria-current": head.name === chosen ? "true" : null,
            },
            h("strong", {}, name(head.name)),
            h(
              "span.soft",
              {},
              `${counted(head.categories.length, "category", "categories")} from ${counted(head.images, "picture")}`,
            ),
            h("span.head-accuracy", {}, percent(head.validation_accuracy, 1)),
          ),
        ),
      ),
    );
  }

  async function show() {
    own.abort();
    own = new AbortController();
    signal.addEventListener("abort", () => own.abort(), { once: true });
    for (const link of list.querySelectorAll("a")) link.toggleAttribute("aria-current", false);
    if (!heads.length) {
      fill(
        shown,
        empty(
          "Nothing was learned yet",
          "Label some pictures of the catalog, then train a head from their labels. Or train one from folders of pictures:",
          command("engine train ./photos --head furniture"),
        ),
      );
      return;
    }
    const head = heads.find((each) => each.name === chosen) || (chosen ? null : heads[0]);
    if (!head) {
      fill(
        shown,
        empty("There is no such head", h("p", {}, name(chosen)), "It may have been deleted."),
      );
      return;
    }
    list.querySelectorAll("a")[heads.indexOf(head)]?.setAttribute("aria-current", "true");
    fill(shown, waiting("Loading"));
    try {
      const told = await ask(`v1/heads/${encodeURIComponent(head.name)}/report`, {
        signal: own.signal,
      });
      fill(
        shown,
        h(
          "div.view-head",
          {},
          h(
            "div",
            {},
            h("h2", {}, name(head.name)),
            h("p.soft.small", {}, `${when(head.created_at)}, with ${head.backbone}`),
          ),
          h("button.danger.small", { type: "button", on: { click: () => remove(head) } }, "Delete"),
        ),
        head.changed_labels > 0 &&
          h(
            "p.hint",
            {},
            `${counted(head.changed_labels, "picture")} that it learned from ${head.changed_labels === 1 ? "has" : "have"} another label now: train it again.`,
          ),
        report(told),
      );
    } catch (error) {
      if (!isAborted(error)) fill(shown, problemPanel(error, { retry: show }));
    }
  }

  async function remove(head) {
    const sure = await confirmed(
      "Delete this head?",
      [
        h(
          "p",
          {},
          h("strong", {}, name(head.name)),
          ` and its ${counted(head.categories.length, "category", "categories")} are forgotten, and the catalog is classified without it. Labels and pictures stay.`,
        ),
        h("p", {}, "This cannot be undone. To have it again, train it anew, or export it first:"),
        command(`engine heads export ${/^[\w.-]+$/.test(head.name) ? head.name : "NAME"}`),
      ],
      "Delete the head",
    );
    if (!sure) return;
    try {
      await ask(`v1/heads/${encodeURIComponent(head.name)}`, { method: "DELETE" });
      toast(`Deleted ${head.name}.`);
      await load();
      if (chosen) go("heads", {}, { replace: true });
      else await show();
    } catch (error) {
      failed(error);
    }
  }

  await load();
  await show();
  return async (next) => {
    chosen = next.get("name");
    await show();
  };
}

function trainForm(signal, trained) {
  const head = h("input", {
    type: "text",
    required: true,
    maxlength: 200,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "furniture",
  });
  const fast = h("input", { type: "checkbox" });
  const state = h("div", { "aria-live": "polite" });
  const button = h("button.primary", {}, "Train");
  return h(
    "form.panel.stack",
    {
      on: {
        submit: async (event) => {
          event.preventDefault();
          button.disabled = true;
          try {
            const job = await begin("v1/heads", {
              name: head.value.trim(),
              from: "labels",
              fast: fast.checked,
            });
            const bar = progressBar(job);
            fill(state, bar);
            const own = new AbortController();
            watchJobs((_, changed) => changed?.id === job.id && bar.show(changed), own.signal);
            const done = await ended(job.id, signal).finally(() => own.abort());
            fill(state, done.problem && problemPanel(done.problem));
            if (done.state === "done") {
              toast(`Trained ${head.value.trim()}.`);
              await trained(head.value.trim());
            }
          } catch (error) {
            if (!isAborted(error)) fill(state, problemPanel(error));
          }
          button.disabled = false;
        },
      },
    },
    h("h2", {}, "Train from labels"),
    h(
      "p.soft.small",
      {},
      "Learns the labels that pictures of the catalog have. A head of the same name is replaced.",
    ),
    h("label.field", {}, h("span", {}, "Name"), head),
    h("label.check", {}, fast, "One quick training, and no search for the best one"),
    h("div.row", {}, button),
    state,
  );
}

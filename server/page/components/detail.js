// One picture and all that is known of it.

import { bytes, counted, fileName, fill, h, name, percent, when } from "../dom.js";
import { ask, image, isAborted, original, relabel } from "../api.js";
import { problemPanel, waiting } from "./notices.js";
import { calledBy, copyOf, scoreText } from "./tile.js";
import { failed, toast } from "./toast.js";

const SIMILAR = 6;

/**
 * @typedef {{id: number, label: string|null}} Labelled
 * @typedef {Object} DetailOptions
 * @property {() => void} close
 * @property {(id: number) => void} open shows another picture
 * @property {(ids: number[]) => void} like searches for what looks like these
 * @property {(id: number) => void} [add] adds it to what is searched for
 * @property {(by: number) => void} [step] goes to the next one, or back
 * @property {(info: import("../api.js").ImageInfo) => void} changed hears of a new label
 * @property {string[]} names what labels may be
 */

/**
 * Set the label of images, and tell how to take that back.
 *
 * @param {Labelled[]} items with the labels that they have
 * @param {string|null} label
 * @param {(info: any) => void} changed
 */
export async function setLabel(items, label, changed) {
  const before = items.map(({ id, label: old }) => ({ id, label: old }));
  try {
    for (const { id } of items) changed(await relabel(id, label));
  } catch (error) {
    failed(error);
    return;
  }
  const what = items.length === 1 ? "" : ` ${counted(items.length, "picture")}`;
  toast(
    label === null ? `Took the label of${what || " it"} away.` : `Labelled${what} “${label}”.`,
    {
      undo: async () => {
        for (const each of before) changed(await relabel(each.id, each.label));
      },
      undone: "The labels are as they were.",
    },
  );
}

/**
 * Return the details of an image.
 *
 * @param {number} id
 * @param {DetailOptions} options
 * @param {AbortSignal} signal
 */
export function detail(id, options, signal) {
  const heading = h("h2", { tabindex: -1 }, `Picture ${id}`);
  const body = h("div.detail-body", {}, waiting("Loading"));
  const element = h(
    "aside.detail",
    {
      "aria-label": "Details",
      on: {
        keydown: (event) => {
          if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) {
            if (event.key !== "Escape") return;
          }
          if (event.key === "Escape") options.close();
          else if (event.key === "j") options.step?.(1);
          else if (event.key === "k") options.step?.(-1);
          else if (event.key === "m") options.like([id]);
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
      },
    },
    h(
      "header",
      {},
      heading,
      options.step &&
        h(
          "button.quiet.round.small",
          {
            type: "button",
            "aria-label": "Previous picture",
            title: "k",
            on: { click: () => options.step(-1) },
          },
          "‹",
        ),
      options.step &&
        h(
          "button.quiet.round.small",
          {
            type: "button",
            "aria-label": "Next picture",
            title: "j",
            on: { click: () => options.step(1) },
          },
          "›",
        ),
      h(
        "button.quiet.round.small",
        {
          type: "button",
          "aria-label": "Close details",
          title: "Esc",
          on: { click: options.close },
        },
        "×",
      ),
    ),
    body,
  );

  async function load() {
    try {
      const info = await image(id, { signal });
      fill(heading, name(fileName(info.path)));
      fill(body, content(info));
      similar(body.querySelector(".similar"));
    } catch (error) {
      if (!isAborted(error)) fill(body, problemPanel(error, { retry: load }));
    }
  }

  function content(info) {
    return [
      h(
        "div.detail-picture",
        { style: { "--ratio": info.width / info.height } },
        copyOf(id, {
          size: 512,
          whole: info,
          eager: true,
          alt: `${calledBy(info)}, ${fileName(info.path)}`,
        }),
      ),
      h(
        "div.row",
        {},
        h(
          "button.primary",
          { type: "button", on: { click: () => options.like([id]) } },
          "More like this",
        ),
        options.add &&
          h("button", { type: "button", on: { click: () => options.add(id) } }, "Add to search"),
        h("a.button", { href: original(id), download: "" }, "Download"),
      ),
      labelForm(info),
      h(
        "dl.facts",
        {},
        [
          [
            "Category",
            info.category
              ? [name(info.category), " ", h("span.soft", {}, percent(info.probability))]
              : "none: nothing is convincing",
          ],
          ["Size", `${info.width} × ${info.height}, ${info.format}`],
          info.bytes && ["File", bytes(info.bytes)],
          ["Indexed", when(info.indexed_at)],
          [
            "Path",
            [
              name(info.path),
              info.missing && h("strong.bad-text", {}, " The file is not there any more."),
            ],
          ],
          ["Number", String(info.id)],
        ]
          .filter(Boolean)
          .map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
      ),
      h("section", {}, h("h3", {}, "Similar"), h("div.similar", {})),
    ];
  }

  function labelForm(info) {
    const input = h("input", {
      type: "text",
      value: info.label || "",
      maxlength: 1000,
      autocomplete: "off",
      list: "detail-names",
      placeholder: "none",
    });
    const save = async (label) => {
      if (label === info.label) return;
      await setLabel([info], label, (next) => {
        info = next;
        input.value = next.label || "";
        options.changed(next);
      });
    };
    return h(
      "form.label-form",
      {
        on: {
          submit: (event) => {
            event.preventDefault();
            save(input.value.trim() || null);
          },
        },
      },
      h("label.field", {}, h("span", {}, "Label"), input),
      h("button", {}, "Save"),
      h(
        "datalist",
        { id: "detail-names" },
        options.names.map((each) => h("option", { value: each })),
      ),
    );
  }

  async function similar(box) {
    try {
      const found = await ask("v1/search", {
        method: "POST",
        json: { ids: [id] },
        query: { k: SIMILAR + 1 },
        signal,
      });
      fill(
        box,
        found.results
          .filter((hit) => hit.id !== id)
          .slice(0, SIMILAR)
          .map((hit) =>
            h(
              "button",
              {
                type: "button",
                title: `${scoreText(hit.score)}`,
                "aria-label": `${calledBy(hit)}, ${scoreText(hit.score)} alike`,
                on: { click: () => options.open(hit.id) },
              },
              copyOf(hit.id, { size: 128 }),
            ),
          ),
      );
    } catch (error) {
      if (!isAborted(error)) fill(box, h("p.soft", {}, `${error.thing}: ${error.reason}`));
    }
  }

  load();
  return element;
}

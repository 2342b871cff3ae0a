// What is searched for: pictures that were brought, or images of the catalog, or a part of one.

import { fill, h, name, percent } from "../dom.js";
import { ask, image, isAborted, original, pictures, thumbnail } from "../api.js";
import { cropText, cropper } from "./crop.js";
import { waiting } from "./notices.js";
import { copyOf } from "./tile.js";

/**
 * @typedef {{ids: number[], files: Blob[], crop: [number, number, number, number]|null,
 *   text: string[], not: string[]}} Query `not` are words that are subtracted
 */

/**
 * Return the body of a request that asks about a query.
 *
 * Of an image of the catalog only the whole is known: for a part of it its file is sent.
 *
 * @param {Query} query
 * @param {AbortSignal} signal
 */
export async function bodyOf(query, signal) {
  if (query.ids.length && !query.crop) return { json: { ids: query.ids } };
  return pictures(query.ids.length ? await filesOf(query.ids, signal) : query.files);
}

/**
 * Return the body of a search: what `bodyOf` returns, and words.
 *
 * @param {Query} query
 * @param {AbortSignal} signal
 */
export async function termsOf(query, signal) {
  const { ids, files, crop, text, not } = query;
  const words = { ...(text.length && { text }), ...(not.length && { not }) };
  if (!Object.keys(words).length) return bodyOf(query, signal);
  if (!files.length && !(ids.length && crop))
    return { json: { ...(ids.length && { ids }), ...words } };
  const form = new FormData();
  for (const file of ids.length ? await filesOf(ids, signal) : files)
    form.append("pictures", file, String(form.getAll("pictures").length));
  for (const [name, several] of Object.entries(words))
    for (const each of several) form.append(name, each);
  return { body: form };
}

/** Return the files of images of the catalog. @param {number[]} ids @returns {Promise<Blob[]>} */
export async function filesOf(ids, signal) {
  const found = [];
  for (const id of ids) found.push(await ask(original(id), { as: "blob", signal }));
  return found;
}

/**
 * Return what a query can be changed by, whatever it is made of.
 *
 * @param {{pick: () => void, clear: () => void}} options
 */
export function queryButtons({ pick, clear }) {
  return h(
    "div.row",
    {},
    h("button.small", { type: "button", on: { click: pick } }, "Add pictures"),
    h("button.small", { type: "button", on: { click: clear } }, "New search"),
  );
}

/**
 * Show what is searched for, and what it shows.
 *
 * @param {HTMLElement} root
 * @param {Query} query
 * @param {{crop: (part: any) => void, remove: (index: number) => void, clear: () => void, pick: () => void}} options
 * @param {AbortSignal} signal
 * @returns {Promise<{crop: (query: Query) => void}>} `crop` shows that another part is asked about
 */
export async function showQuery(root, query, options, signal) {
  const several = query.ids.length + query.files.length > 1;
  const shows = h("div.shows", { "aria-live": "polite" });
  let part = null;
  const picture = several ? strip(query, options, signal) : await single();
  fill(
    root,
    h("div.query-picture", {}, picture),
    h(
      "div.query-side",
      {},
      shows,
      queryButtons(options),
    ),
  );

  async function single() {
    const found = query.ids.length
      ? await ofCatalog(query.ids[0], signal)
      : await brought(query.files[0], signal);
    if (!found.size)
      return h(
        "div.unseeable",
        {},
        h("p", {}, "Your browser cannot show this format. It is searched for all the same."),
        found.label,
      );
    part = cropper(found.img, found.size, query.crop, options.crop);
    return part;
  }

  let asked = new AbortController();
  async function classify(next) {
    asked.abort();
    asked = new AbortController();
    signal.addEventListener("abort", () => asked.abort(), { once: true });
    if (several)
      return fill(
        shows,
        h("h2", {}, "All of these together"),
        h("p.soft", {}, "Pictures are found that look like the mean of them."),
      );
    fill(shows, h("h2", {}, "What it shows"), waiting("Looking"));
    try {
      if (next.ids.length && !next.crop) {
        const info = await image(next.ids[0], { signal: asked.signal });
        showPredictions(
          info.category ? [{ category: info.category, probability: info.probability }] : [],
          !info.category,
        );
      } else {
        const body = await bodyOf(next, asked.signal);
        const [first] = await ask("v1/classify", {
          method: "POST",
          ...body,
          query: { k: 4, crop: cropText(next.crop) },
          signal: asked.signal,
        });
        showPredictions(first.predictions, first.unknown);
      }
    } catch (error) {
      // The search says the same beside it.
      if (!isAborted(error))
        fill(
          shows,
          h("h2", {}, "What it shows"),
          h("p.soft", {}, name(`${error.reason}. ${error.remedy}`)),
        );
    }
  }

  function showPredictions(predictions, unknown) {
    fill(
      shows,
      h("h2", {}, "What it shows"),
      unknown &&
        h(
          "p.soft",
          {},
          predictions.length ? "Nothing is convincing. The likeliest:" : "Nothing is convincing.",
        ),
      h(
        "ol.predictions",
        {},
        predictions.map((each) =>
          h(
            "li",
            {},
            h("span.prediction-name", {}, name(each.category)),
            h("span.soft", {}, percent(each.probability)),
            h("span.meter", {
              "aria-hidden": "true",
              style: { "--share": `${Math.max(1, each.probability * 100)}%` },
            }),
          ),
        ),
      ),
    );
  }

  classify(query);
  return {
    crop(next) {
      part?.show(next.crop);
      classify(next);
    },
  };
}

async function ofCatalog(id, signal) {
  const info = await image(id, { signal });
  const img = h("img", {
    src: thumbnail(id, 512),
    width: info.width,
    height: info.height,
    alt: `Picture ${id}, which is searched for`,
    draggable: "false",
  });
  return { img, size: info };
}

async function brought(file, signal) {
  const address = URL.createObjectURL(file);
  signal.addEventListener("abort", () => URL.revokeObjectURL(address), { once: true });
  const label = file.name ? h("p.soft", {}, name(file.name)) : null;
  const img = h("img", {
    src: address,
    alt: "The picture that is searched for",
    draggable: "false",
  });
  try {
    await img.decode();
  } catch {
    return { img, size: null, label };
  }
  img.width = img.naturalWidth;
  img.height = img.naturalHeight;
  return { img, size: { width: img.naturalWidth, height: img.naturalHeight }, label };
}

function strip(query, options, signal) {
  const item = (picture, index) =>
    h(
      "li",
      {},
      picture,
      h(
        "button.quiet.round.small",
        {
          type: "button",
          "aria-label": `Leave out picture ${index + 1}`,
          on: { click: () => options.remove(index) },
        },
        "×",
      ),
    );
  const copies = query.ids.map((id) => copyOf(id, { size: 128, alt: `Picture ${id}` }));
  const brought = query.files.map((file) => {
    const address = URL.createObjectURL(file);
    signal.addEventListener("abort", () => URL.revokeObjectURL(address), { once: true });
    return h("img.copy.square", {
      src: address,
      width: 128,
      height: 128,
      alt: file.name || "picture",
      draggable: "false",
    });
  });
  return h("ul.strip", {}, [...copies, ...brought].map(item));
}

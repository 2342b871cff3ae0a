// How good a head is, in figures, tables and a drawing.

import { counted, h, name, percent, svg } from "../dom.js";

const SIDE = 220;
const EDGE = 34;
// Of a table of confusions; more are read category by category.
const MOST = 40;

/** Return the report of a head. @param {any} told as `GET /v1/heads/{name}/report` answers */
export function report(told) {
  return [
    h(
      "dl.figures",
      {},
      [
        [
          "Accuracy",
          percent(told.accuracy, 1),
          `on ${counted(told.test_images, "picture")} it had not seen`,
        ],
        ["Balanced", percent(told.balanced_accuracy, 1), "mean over categories"],
        ["By guessing", percent(told.majority_baseline, 1), "the most frequent category"],
        [
          "Unknown",
          percent(told.test_images ? told.unknown / told.test_images : null, 1),
          "taken for none of its own",
        ],
      ].map(([term, figure, note]) =>
        h(
          "div",
          {},
          h("dt", {}, term),
          h("dd", {}, h("strong", {}, figure), h("span.soft", {}, note)),
        ),
      ),
    ),
    !told.honest &&
      h(
        "p.hint",
        {},
        "This head is of an older release: its figures are of pictures that had also served to train it.",
      ),
    told.missing.map((each) => h("p.hint", {}, name(each))),
    h("div.report-parts", {}, categories(told), calibration(told)),
    confusion(told),
    mistakes(told),
  ];
}

function categories(told) {
  const rows = Object.entries(told.per_category);
  if (!rows.length) return null;
  return h(
    "section",
    {},
    h("h3", {}, "By category"),
    h(
      "div.scroll",
      { tabindex: 0, role: "region", "aria-label": "Figures by category" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Category", "Learned", "Tested", "Precision", "Recall"].map((each) =>
              h("th", { scope: "col" }, each),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map(([category, score]) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, name(category)),
              h("td", {}, (told.learned[category] ?? "–").toLocaleString("en")),
              h("td", {}, score.images.toLocaleString("en")),
              share(score.precision),
              share(score.recall),
            ),
          ),
        ),
      ),
    ),
  );
}

function share(value) {
  return h("td.share", { style: { "--share": `${(value || 0) * 100}%` } }, percent(value));
}

function confusion(told) {
  const names = told.categories;
  if (!told.confusion.length || names.length > MOST) return null;
  const most = Math.max(1, ...told.confusion.flat());
  const last = told.confusion.some((row) => row[names.length]);
  const columns = last ? [...names, "not known"] : names;
  return h(
    "section",
    {},
    h("h3", {}, "What is taken for what"),
    h("p.soft.small", {}, "A row is what pictures show, a column what they are taken for."),
    h(
      "div.scroll",
      { tabindex: 0, role: "region", "aria-label": "Table of confusions" },
      h(
        "table.confusion",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            columns.map((each) => h("th", { scope: "col" }, name(each))),
          ),
        ),
        h(
          "tbody",
          {},
          told.confusion.map((row, index) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, name(names[index])),
              columns.map((_, column) => {
                const count = row[column] || 0;
                return h(
                  "td",
                  {
                    class: count ? (column === index ? "right" : "wrong") : "none",
                    style: { "--weight": `${count ? 10 + 34 * (count / most) : 0}%` },
                  },
                  count || "·",
                );
              }),
            ),
          ),
        ),
      ),
    ),
  );
}

function calibration(told) {
  const after = told.calibration_after.filter((bin) => bin.images);
  if (!after.length) return null;
  const at = (confidence, accuracy) => [EDGE + confidence * SIDE, SIDE - accuracy * SIDE + 8];
  const most = Math.max(...after.map((bin) => bin.images));
  const ticks = [0, 0.5, 1];
  const text = after.map(
    (bin) =>
      `Of ${counted(bin.images, "answer")} that were ${percent(bin.confidence)} sure, ${percent(bin.accuracy)} were right.`,
  );
  return h(
    "section",
    {},
    h("h3", {}, "How sure, how right"),
    svg(
      "svg.calibration",
      {
        viewBox: `0 0 ${SIDE + EDGE + 12} ${SIDE + EDGE + 10}`,
        width: SIDE + EDGE + 12,
        height: SIDE + EDGE + 10,
        role: "img",
        "aria-label": text.join(" "),
      },
      ticks.map((each) => [
        svg("line.guide", { x1: EDGE, x2: EDGE + SIDE, y1: at(0, each)[1], y2: at(0, each)[1] }),
        svg("text", { x: EDGE - 6, y: at(0, each)[1] + 4, "text-anchor": "end" }, percent(each)),
        svg(
          "text",
          {
            x: at(each, 0)[0],
            y: SIDE + 24,
            "text-anchor": each === 1 ? "end" : each ? "middle" : "start",
          },
          percent(each),
        ),
      ]),
      svg("line.ideal", { x1: EDGE, y1: SIDE + 8, x2: EDGE + SIDE, y2: 8 }),
      svg("polyline.measured", {
        points: after.map((bin) => at(bin.confidence, bin.accuracy).join(",")).join(" "),
      }),
      after.map((bin) => {
        const [cx, cy] = at(bin.confidence, bin.accuracy);
        return svg("circle", { cx, cy, r: 3 + 5 * Math.sqrt(bin.images / most) });
      }),
      svg(
        "text.axis",
        { x: EDGE + SIDE / 2, y: SIDE + 40, "text-anchor": "middle" },
        "how sure it was",
      ),
    ),
    h(
      "p.soft.small",
      {},
      "A point is many answers, as high as they were often right. On the line, it is as right as it is sure.",
    ),
  );
}

function mistakes(told) {
  if (!told.mistakes.length) return null;
  return h(
    "section",
    {},
    h("h3", {}, "Mistakes"),
    h("p.soft.small", {}, "The surest first. Some may be wrong labels."),
    h(
      "ul.mistakes",
      {},
      told.mistakes
        .slice(0, 20)
        .map((each) =>
          h(
            "li",
            {},
            name(each.path),
            h(
              "span",
              {},
              h("span.soft", {}, "is ", name(each.label), ", taken for "),
              name(each.predictions[0]?.category || "nothing"),
              h("span.soft", {}, ` ${percent(each.predictions[0]?.probability)}`),
            ),
          ),
        ),
    ),
  );
}

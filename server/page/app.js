// The shell: which views there are, and which one is shown.

import { isAborted } from "./api.js";
import { fill, h, isTyping } from "./dom.js";
import { showKeys } from "./components/dialog.js";
import { empty, problemPanel } from "./components/notices.js";
import { isActive, progressText } from "./components/progress.js";
import { takeFiles } from "./components/drop.js";
import { watchJobs } from "./jobs.js";
import { address, go, here } from "./router.js";

/**
 * A view is a module: `title`, and `render(root, params, signal)`, which shows it until the signal
 * is aborted. It may return a function that hears of other parameters instead of being shown anew.
 * `keys` are those that it has of its own, with what they do.
 *
 * @typedef {{title: string, keys?: string[][],
 *   render: (root: HTMLElement, params: URLSearchParams, signal: AbortSignal) =>
 *     void|((params: URLSearchParams) => void)|Promise<void|((params: URLSearchParams) => void)>}} View
 */

/**
 * In the order of the navigation: name in the address, title, key after `g`, module.
 *
 * @type {[string, string, string, () => Promise<View>][]}
 */
const VIEWS = [
  ["search", "Search", "s", () => import("./views/search.js")],
  ["teach", "Teach", "t", () => import("./views/teach.js")],
  ["duplicates", "Duplicates", "d", () => import("./views/duplicates.js")],
  ["suspects", "Suspects", "u", () => import("./views/suspects.js")],
  ["map", "Map", "m", () => import("./views/map.js")],
  ["heads", "Heads", "h", () => import("./views/heads.js")],
  ["jobs", "Jobs", "j", () => import("./views/jobs.js")],
];

/** Keys that every view has; `g` and a letter goes to a view. */
const KEYS = [
  ["?", "Show these keys"],
  ["/", "Search by a picture"],
  ...VIEWS.map(([, title, key]) => [`g ${key}`, `Go to ${title}`]),
  ["Ctrl Z", "Take the last change back"],
];
const GRID_KEYS = [
  ["← ↑ ↓ →", "Move; with Shift, select"],
  ["j k", "Next, previous"],
  ["Home End", "First, last"],
  ["Enter", "Show details"],
  ["Space", "Select or not"],
  ["m", "More like this, or like all that are selected"],
  ["Ctrl A", "Select all that are shown"],
  ["Esc", "Select none; close details"],
];

const root = document.getElementById("main");
/**
 * @type {{name: string, view: View|null, abort: AbortController,
 *   update: ((params: URLSearchParams) => void)|null}}
 */
let shown = { name: "", view: null, update: null, abort: new AbortController() };

async function show() {
  const { view: asked, params } = here();
  const entry = VIEWS.find(([name]) => name === asked);
  if (!asked) return go("search", params, { replace: true });
  if (entry && shown.name === asked && shown.update) return shown.update(params);
  shown.abort.abort();
  const abort = new AbortController();
  const first = shown.name === "";
  shown = { name: asked, view: null, update: null, abort };
  for (const link of document.getElementById("views").querySelectorAll("a")) {
    if (link.dataset.view === asked) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("#views [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  root.dataset.view = asked;
  scrollTo(0, 0);
  if (!entry) {
    fill(root, empty("There is no such view", h("p", {}, h("a", { href: address("search") }, "Go to Search"))));
    return;
  }
  const [, title, , load] = entry;
  document.title = `${title} · Engine`;
  fill(root);
  if (!first) root.focus({ preventScroll: true });
  try {
    const view = await load();
    if (abort.signal.aborted) return;
    shown.view = view;
    const update = await view.render(root, params, abort.signal);
    if (!abort.signal.aborted) shown.update = update || null;
  } catch (error) {
    if (abort.signal.aborted || isAborted(error)) return;
    fill(root, h("h1", {}, title), problemPanel(error, { retry: again }));
  }
}

/** Show the view anew. */
function again() {
  shown.update = null;
  shown.name = "again";
  show();
}

function navigation() {
  fill(document.getElementById("views"), VIEWS.map(([name, title]) =>
    h("a", { href: address(name), data: { view: name } }, title)));
}

function showJob(all) {
  const link = document.getElementById("job");
  const active = all.filter(isActive);
  link.hidden = !active.length;
  if (!active.length) return;
  const job = active.find((each) => each.state === "running") || active[0];
  const more = active.length > 1 ? ` +${active.length - 1}` : "";
  fill(link, h("span.spinner", { "aria-hidden": "true" }), h("span.job-text", {}, `${progressText(job)}${more}`));
  link.setAttribute("aria-label", `Jobs: ${progressText(job)}${more}`);
}

function locked() {
  shown.abort.abort();
  shown = { name: "locked", view: null, update: null, abort: new AbortController() };
  const input = h("input", { type: "password", name: "token", required: true, autocomplete: "off", spellcheck: "false" });
  root.dataset.view = "locked";
  const wrong = new URLSearchParams(location.search).has("token");
  fill(root, h("section.notice", {},
    h("h1", {}, wrong ? "That was not the token" : "This service asks for a token"),
    h("p", {}, "Open the link that engine serve printed when it started, or give the token here."),
    // The answer to it sets a cookie that holds no token, and leads back here.
    h("form.row", { method: "get", action: "./" },
      h("label.field", {}, h("span", {}, "Token"), input),
      h("button.primary", {}, "Enter"))));
}

// When `g` was pressed.
let prefix = -Infinity;
function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    event.preventDefault();
    help();
  } else if (event.key === "/") {
    event.preventDefault();
    if (here().view === "search") document.dispatchEvent(new CustomEvent("pick"));
    else go("search");
  } else if (event.timeStamp - prefix < 1500) {
    prefix = -Infinity;
    const entry = VIEWS.find(([, , key]) => key === event.key);
    if (entry) {
      event.preventDefault();
      event.stopPropagation();
      go(entry[0]);
    }
  } else if (event.key === "g") {
    prefix = event.timeStamp;
  }
}

function help() {
  const own = shown.view?.keys || [];
  /** @type {[string, string[][]][]} */
  const groups = [["Everywhere", KEYS], ["Among pictures", GRID_KEYS]];
  if (own.length) groups.splice(1, 0, [shown.view.title, own]);
  showKeys(groups);
}

navigation();
document.getElementById("help").addEventListener("click", help);
// Before a grid: what follows `g` is not meant for it.
document.addEventListener("keydown", pressed, { capture: true });
document.addEventListener("locked", locked);
addEventListener("hashchange", show);
show();
takeFiles();
watchJobs(showJob);

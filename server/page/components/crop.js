// A rectangle on a picture: drawn, moved and resized by pointer, by keys, or by its numbers.

import { h } from "../dom.js";

const LEAST = 0.03;
const STEP = 0.02;
const SIDES = ["left", "top", "width", "height"];

/** @typedef {[number, number, number, number]} Rectangle left, top, width, height; 0 to 1 */

/** Return a rectangle as the address has it: four fractions. @param {Rectangle|null} part */
export function cropText(part) {
  return part ? part.map((each) => Number(each.toFixed(4))).join(",") : "";
}

/** Return what an address says, null for the whole picture. @returns {Rectangle|null} */
export function cropOf(text) {
  const [left, top, width, height, ...more] = (text || "").split(",").map(Number);
  const sane = [left, top, width, height].every((each) => each >= 0 && each <= 1);
  return sane && !more.length && width && height ? bounded([left, top, width, height]) : null;
}

/** @param {Rectangle} part @returns {Rectangle} */
function bounded([left, top, width, height]) {
  const w = Math.min(1, Math.max(LEAST, width));
  const h = Math.min(1, Math.max(LEAST, height));
  return [Math.min(1 - w, Math.max(0, left)), Math.min(1 - h, Math.max(0, top)), w, h];
}

/**
 * A picture of which a part can be chosen.
 *
 * @param {HTMLImageElement} img
 * @param {{width: number, height: number}} size of the picture
 * @param {Rectangle|null} start
 * @param {(part: Rectangle|null) => void} chosen hears of a part that stays for a moment
 */
export function cropper(img, size, start, chosen) {
  let part = start;
  // Of a part that is not told yet; and the part that was told last.
  let timer = 0;
  let told = start;
  const rectangle = h(
    "div.crop-part",
    {
      tabindex: 0,
      role: "group",
      "aria-roledescription": "part of the picture",
      "aria-describedby": "crop-keys",
    },
    ["nw", "ne", "sw", "se"].map((corner) => h("span.crop-corner", { data: { corner } })),
  );
  const stage = h("div.crop-stage", {}, img, rectangle);
  const numbers = SIDES.map((side) =>
    h("input", {
      type: "number",
      min: 0,
      max: 100,
      step: 1,
      inputmode: "numeric",
      "aria-label": `${side}, in per cent`,
    }),
  );
  const figures = h(
    "div.crop-numbers",
    { role: "group", "aria-label": "Part of the picture, in per cent" },
    SIDES.map((side, index) =>
      h("label", {}, h("span", { "aria-hidden": "true" }, side), numbers[index]),
    ),
  );
  const whole = h("button.small.quiet", { type: "button", "aria-label": "Whole picture" }, "Whole");
  const begin = h("button.small", { type: "button" }, "Crop");
  const hint = h(
    "p.unseen",
    { id: "crop-keys" },
    "Arrow keys move it, with Shift they resize it, Escape takes it away.",
  );
  const tools = h("div.crop-tools", {}, begin, figures, whole);
  const element = h(
    "div.crop",
    { style: { "--ratio": size.width / size.height } },
    stage,
    tools,
    hint,
  );

  function show() {
    const [left, top, width, height] = part || [0, 0, 1, 1];
    rectangle.hidden = !part;
    figures.hidden = whole.hidden = !part;
    begin.hidden = Boolean(part);
    stage.classList.toggle("cropped", Boolean(part));
    [left, top, width, height].forEach((value, index) => {
      rectangle.style.setProperty(`--${SIDES[index]}`, `${value * 100}%`);
      const input = numbers[index];
      if (input !== document.activeElement) input.value = String(Math.round(value * 100));
    });
    rectangle.setAttribute(
      "aria-label",
      `Left ${Math.round(left * 100)}, top ${Math.round(top * 100)}, width ${Math.round(width * 100)}, height ${Math.round(height * 100)} per cent`,
    );
  }

  /** @param {Rectangle|null} next */
  function set(next, pauseFor = 0) {
    part = next && bounded(next);
    show();
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      told = part;
      chosen(part);
    }, pauseFor);
  }

  /** The pointer's position in the picture, 0 to 1. */
  function at(event) {
    const box = stage.getBoundingClientRect();
    return [
      Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)),
      Math.min(1, Math.max(0, (event.clientY - box.top) / box.height)),
    ];
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    const from = at(event);
    const before = part;
    const corner = event.target.dataset?.corner;
    const moving = !corner && before && event.target === rectangle;
    let anchor = from;
    if (corner) {
      const [left, top, width, height] = before;
      anchor = [
        corner.includes("w") ? left + width : left,
        corner.includes("n") ? top + height : top,
      ];
    }
    let moved = false;
    const move = (next) => {
      const to = at(next);
      if (
        !moved &&
        Math.hypot((to[0] - from[0]) * stage.clientWidth, (to[1] - from[1]) * stage.clientHeight) <
          4
      )
        return;
      moved = true;
      part = moving
        ? bounded([before[0] + to[0] - from[0], before[1] + to[1] - from[1], before[2], before[3]])
        : bounded([
            Math.min(anchor[0], to[0]),
            Math.min(anchor[1], to[1]),
            Math.abs(to[0] - anchor[0]),
            Math.abs(to[1] - anchor[1]),
          ]);
      show();
    };
    const end = () => {
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", end);
      stage.removeEventListener("pointercancel", end);
      if (moved) set(part);
      if (part) rectangle.focus({ preventScroll: true });
    };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
  });

  rectangle.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !part) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (steps) {
      const [across, down] = steps.map((each) => each * STEP);
      const [left, top, width, height] = part;
      // What is resized keeps its upper left corner.
      set(
        event.shiftKey
          ? [left, top, Math.min(1 - left, width + across), Math.min(1 - top, height + down)]
          : [left + across, top + down, width, height],
        350,
      );
    } else if (event.key === "Escape" || event.key === "Delete") {
      set(null);
      begin.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  numbers.forEach((input) =>
    input.addEventListener("input", () => {
      if (numbers.some((each) => each.value === "")) return;
      const [left, top, width, height] = numbers.map((each) => Number(each.value) / 100);
      set([left, top, width, height], 350);
    }),
  );
  begin.addEventListener("click", () => {
    set([0.2, 0.2, 0.6, 0.6]);
    rectangle.focus({ preventScroll: true });
  });
  whole.addEventListener("click", () => {
    set(null);
    begin.focus();
  });
  show();
  return Object.assign(element, {
    /** Show another part, without telling anybody. @param {Rectangle|null} next */
    show(next) {
      // The address says what was told; what was chosen meanwhile is told in a moment.
      if (timer && cropText(next) === cropText(told)) return;
      clearTimeout(timer);
      timer = 0;
      part = told = next;
      show();
    },
  });
}

// Points in a plane on a canvas: drawn, moved, made larger, and told which one is pointed at.

// How far the wheel, a key and a button go; and how large a point may be seen.
const WHEEL = 1.0015;
const STEP = 1.4;
const MOST_ZOOM = 400;
// Around the points, as a share of the canvas; and how close a pointer has to come, in pixels.
const MARGIN = 0.04;
const CLOSE = 14;
// Fewer points are drawn as what they are, more as squares: that is faster.
const ROUND = 20_000;

/**
 * @typedef {{ids: number[], x: number[], y: number[], category: number[]}} Points
 * @typedef {Object} PlaneOptions
 * @property {(index: number|null, at: {x: number, y: number}) => void} hover hears what is pointed at
 * @property {(index: number) => void} pick hears what was clicked
 * @property {() => void} moved hears that other points are in sight
 */

/** What is drawn of points. */
export class Plane {
  /** @param {HTMLCanvasElement} canvas @param {PlaneOptions} options @param {AbortSignal} signal */
  constructor(canvas, options, signal) {
    this.canvas = canvas;
    this.options = options;
    this.context = canvas.getContext("2d");
    /** @type {Points} */
    this.points = { ids: [], x: [], y: [], category: [] };
    /** @type {(category: number) => string|null} colour, null for what is left out */
    this.colour = () => null;
    this.marked = null;
    this.zoom = 1;
    this.centre = { x: 0.5, y: 0.5 };
    this.pointers = new Map();
    const on = (event, listener, more = {}) => canvas.addEventListener(event, listener, { signal, ...more });
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.pointers.delete(event.pointerId));
    on("pointerleave", () => this.options.hover(null, { x: 0, y: 0 }));
    on("keydown", (event) => this.#pressed(event));
    const size = new ResizeObserver(() => this.draw());
    size.observe(canvas);
    signal.addEventListener("abort", () => size.disconnect(), { once: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
  }

  /** Show other points. @param {Points} points @param {(category: number) => string|null} colour */
  show(points, colour) {
    this.points = points;
    this.colour = colour;
    this.draw();
  }

  /** See all of it again. */
  reset() {
    this.zoom = 1;
    this.centre = { x: 0.5, y: 0.5 };
    this.#changed();
  }

  /** Make it larger or smaller. @param {number} factor @param {{x: number, y: number}} [at] what stays where it is, in pixels */
  scale(factor, at = this.#aim()) {
    const before = this.#plane(at);
    this.zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
    const after = this.#plane(at);
    this.#shift(before.x - after.x, before.y - after.y);
  }

  /** Mark a point, and bring it into sight. @param {number|null} index */
  mark(index) {
    this.marked = index;
    if (index !== null && !this.#isSeen(index)) {
      this.centre = { x: this.points.x[index], y: this.points.y[index] };
      this.#shift(0, 0);
    } else {
      this.draw();
    }
  }

  /** Return the points in sight, those in the middle first. @param {number} most */
  seen(most) {
    const { x, y, category } = this.points;
    const found = [];
    for (let index = 0; index < x.length; index++) {
      if (this.colour(category[index]) === null || !this.#isSeen(index)) continue;
      found.push([(x[index] - this.centre.x) ** 2 + (y[index] - this.centre.y) ** 2, index]);
    }
    found.sort((a, b) => a[0] - b[0]);
    return { count: found.length, first: found.slice(0, most).map(([, index]) => index) };
  }

  /** Draw it when the browser draws next. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.#draw(); });
  }

  get #side() {
    return Math.min(this.canvas.clientWidth, this.canvas.clientHeight) * (1 - 2 * MARGIN) * this.zoom;
  }

  /** What is made larger without a pointer: what is marked, else what lies closest to the middle. */
  #aim() {
    const marked = this.marked !== null && this.#isSeen(this.marked) ? this.marked : this.seen(1).first[0];
    return marked === undefined ? this.#middle() : this.#pixels(marked);
  }

  #middle() {
    return { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 };
  }

  /** Return where a point is, in pixels. */
  #pixels(index) {
    const side = this.#side;
    const middle = this.#middle();
    return {
      x: middle.x + (this.points.x[index] - this.centre.x) * side,
      y: middle.y - (this.points.y[index] - this.centre.y) * side,
    };
  }

  #plane(at) {
    const side = this.#side || 1;
    const middle = this.#middle();
    return { x: this.centre.x + (at.x - middle.x) / side, y: this.centre.y - (at.y - middle.y) / side };
  }

  #isSeen(index) {
    const at = this.#pixels(index);
    return at.x >= 0 && at.y >= 0 && at.x <= this.canvas.clientWidth && at.y <= this.canvas.clientHeight;
  }

  #shift(x, y) {
    this.centre = { x: Math.max(0, Math.min(1, this.centre.x + x)), y: Math.max(0, Math.min(1, this.centre.y + y)) };
    this.#changed();
  }

  #changed() {
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.options.moved(), 150);
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** Return the point that is closest to a pointer, null where none is close. */
  #hit(at) {
    let best = CLOSE ** 2;
    let found = null;
    for (let index = 0; index < this.points.x.length; index++) {
      if (this.colour(this.points.category[index]) === null) continue;
      const pixels = this.#pixels(index);
      const distance = (pixels.x - at.x) ** 2 + (pixels.y - at.y) ** 2;
      if (distance < best) {
        best = distance;
        found = index;
      }
    }
    return found;
  }

  #wheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    this.scale(WHEEL ** -pixels, this.#at(event));
  }

  #down(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.#at(event));
    this.travelled = 0;
  }

  #move(event) {
    const at = this.#at(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return void this.options.hover(this.#hit(at), at);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, each]) => each);
    this.pointers.set(event.pointerId, at);
    this.travelled += Math.hypot(at.x - before.x, at.y - before.y);
    if (others.length) {
      const [other] = others;
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      if (was > 1) this.scale(Math.hypot(at.x - other.x, at.y - other.y) / was, { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    } else {
      const side = this.#side || 1;
      this.#shift((before.x - at.x) / side, (at.y - before.y) / side);
    }
    this.options.hover(null, at);
  }

  #up(event) {
    const was = this.pointers.delete(event.pointerId);
    if (!was || this.travelled > 4 || this.pointers.size) return;
    const found = this.#hit(this.#at(event));
    if (found !== null) this.options.pick(found);
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.15 / this.zoom;
    const acts = {
      ArrowLeft: () => this.#shift(-step, 0), ArrowRight: () => this.#shift(step, 0),
      ArrowUp: () => this.#shift(0, step), ArrowDown: () => this.#shift(0, -step),
      "+": () => this.scale(STEP), "=": () => this.scale(STEP), "-": () => this.scale(1 / STEP), 0: () => this.reset(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  #draw() {
    const { canvas, context, points } = this;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const size = Math.max(2, Math.min(7, 150 / Math.sqrt(points.x.length + 1))) * Math.min(2.5, this.zoom ** 0.35);
    const round = points.x.length < ROUND;
    const colours = new Map();
    for (let index = 0; index < points.x.length; index++) {
      const number = points.category[index];
      if (!colours.has(number)) colours.set(number, this.colour(number));
      const colour = colours.get(number);
      if (colour === null) continue;
      const at = this.#pixels(index);
      if (at.x < -size || at.y < -size || at.x > canvas.clientWidth + size || at.y > canvas.clientHeight + size) continue;
      context.fillStyle = colour;
      if (round) {
        context.beginPath();
        context.arc(at.x, at.y, size / 2, 0, 2 * Math.PI);
        context.fill();
      } else {
        context.fillRect(at.x - size / 2, at.y - size / 2, size, size);
      }
    }
    if (this.marked !== null && this.marked < points.x.length) {
      const at = this.#pixels(this.marked);
      context.strokeStyle = getComputedStyle(canvas).color;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(at.x, at.y, size / 2 + 6, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

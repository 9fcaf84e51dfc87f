/** Draw with finger, mouse, pen or keys; the model sees the pad as a gray image. */

import type { Input } from "edgezoo/input";
import type { Pixels } from "edgezoo/model/types";
import type { Bundle } from "../catalog";
import { h } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import type { Host, Maker, Panel } from "../panel";
import { t } from "../settings";

/** How far a gray is from the ground if it is ink. */
const INK = 64;

type Point = readonly [number, number];

/** The pad's shorter side in pixels. */
const SHORT = 280;
/** The pen's width as a share of the shorter side, to which the model's pixels add: coarse ones hold no thin strokes. */
const PEN = 0.06;
/** One press of an arrow key, as a share of the shorter side. */
const STEP = 0.04;

/** What a pad holds: an example, or strokes. */
interface Drawing {
  readonly strokes: Point[][];
  readonly example?: ImageBitmap | undefined;
  /** How many drawings were begun. */
  readonly count: number;
}

export function draw(host: Host): Panel {
  return new Pad(host, { strokes: [], count: 0 });
}

class Pad implements Panel {
  readonly element: HTMLElement;
  readonly actions: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly hint: HTMLElement;
  private readonly cursor = h("span", { class: "cursor", attrs: { hidden: true } });
  private strokes: Point[][];
  private picture: ImageBitmap | undefined;
  private drawing = false;
  private at: Point;
  private penDown = false;
  private count: number;
  private readonly ground: number;
  private readonly pen: number;
  private readonly alone: boolean;
  private extent: Promise<number> | undefined;

  constructor(
    private readonly host: Host,
    held: Drawing,
  ) {
    this.strokes = held.strokes;
    this.picture = held.example;
    this.count = held.count;
    const { wide, high, ground, what, alone } = about(host.bundle);
    const scale = SHORT / Math.min(wide, high);
    this.pen = (PEN + 0.9 / Math.min(wide, high)) * SHORT;
    this.alone = alone;
    const [width, height] = [Math.round(wide * scale), Math.round(high * scale)];
    this.ground = ground;
    this.at = [width / 2, height / 2];
    this.canvas = h("canvas", { class: "pad-canvas", attrs: { width, height, tabindex: 0, role: "img", "aria-label": t.draw.label(what) } });
    this.context = this.canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    this.hint = h("span", { class: "pad-hint", attrs: { "aria-hidden": "true" } }, t.draw.hint);
    const pad = h("div", { class: `pad ${ground < 128 ? "dark-ground" : "light-ground"}` }, this.canvas, this.hint, this.cursor);
    pad.style.setProperty("--ratio", `${width} / ${height}`);
    const clear = h("button", { on: { click: () => this.clear() } }, icon("clear"), t.draw.clear);
    const undo = h("button", { on: { click: () => this.undo() } }, icon("undo"), t.draw.undo);
    this.actions = h("div", { class: "row spread" }, clear, undo);
    this.element = h("div", { class: "drawing" }, pad, h("p", { class: "muted fine keys" }, t.draw.keys), this.actions);
    this.listen();
    this.paint();
  }

  again(): Maker {
    const held = { strokes: this.strokes, example: this.picture, count: this.count };
    return (host) => new Pad(host, held);
  }

  example(input: Input): void {
    void createImageBitmap(input as Blob).then((bitmap) => {
      this.strokes = [];
      this.picture = bitmap;
      this.count++;
      this.paint();
      void this.host.ask(input, { key: `draw-${this.count}`, picture: thumbnail(bitmap, bitmap.width, bitmap.height) });
    });
  }

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.drawing = true;
      this.stroke(this.point(event));
      this.paint();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.drawing) return;
      const points = event.getCoalescedEvents?.() ?? [];
      this.strokes.at(-1)?.push(...(points.length ? points : [event]).map((each) => this.point(each)));
      this.paint();
    });
    for (const end of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(end, () => {
        if (!this.drawing) return;
        this.drawing = false;
        this.ask();
      });
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.lift());
  }

  private point({ clientX, clientY }: MouseEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * this.canvas.width, ((clientY - box.top) / box.height) * this.canvas.height];
  }

  private key(event: KeyboardEvent): void {
    const by = STEP * SHORT;
    const moves: Record<string, Point> = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    const move = moves[event.key];
    if (move) {
      const limit = (value: number, most: number): number => Math.max(0, Math.min(most, value));
      this.at = [limit(this.at[0] + move[0], this.canvas.width), limit(this.at[1] + move[1], this.canvas.height)];
      if (this.penDown) this.strokes.at(-1)?.push(this.at);
    } else if (event.key === " ") {
      if (this.penDown) this.lift();
      else {
        this.penDown = true;
        this.stroke(this.at);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    this.paint();
    this.showCursor(true);
  }

  /** Begin a stroke; an example makes way for it. */
  private stroke(from: Point): void {
    this.picture = undefined;
    this.strokes.push([from]);
  }

  private lift(): void {
    this.showCursor(false);
    if (!this.penDown) return;
    this.penDown = false;
    this.ask();
  }

  private showCursor(shown: boolean): void {
    this.cursor.hidden = !shown;
    this.cursor.classList.toggle("down", this.penDown);
    this.cursor.style.left = `${(100 * this.at[0]) / this.canvas.width}%`;
    this.cursor.style.top = `${(100 * this.at[1]) / this.canvas.height}%`;
  }

  private paint(): void {
    this.render(this.context, (point) => point);
    this.hint.hidden = this.strokes.length > 0 || Boolean(this.picture);
    if (!this.picture) return;
    const [{ width, height }, { width: wide, height: high }] = [this.canvas, this.picture];
    const scale = Math.min(width / wide, height / high);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.picture, (width - wide * scale) / 2, (height - high * scale) / 2, wide * scale, high * scale);
  }

  private render(context: CanvasRenderingContext2D, transform: (point: Point) => Point): void {
    const { canvas, strokes, ground } = this;
    context.fillStyle = `rgb(${ground} ${ground} ${ground})`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const ink = ground < 128 ? 255 : 0;
    context.strokeStyle = `rgb(${ink} ${ink} ${ink})`;
    context.lineWidth = this.pen;
    context.lineCap = "round";
    context.lineJoin = "round";
    for (const stroke of strokes) {
      const [first, ...rest] = stroke.map(transform) as [Point, ...Point[]];
      context.beginPath();
      context.moveTo(...first);
      for (const point of rest.length ? rest : [first]) context.lineTo(...point);
      context.stroke();
    }
  }

  private clear(): void {
    this.strokes = [];
    this.picture = undefined;
    this.penDown = false;
    this.count++;
    this.paint();
    this.host.clear();
  }

  private undo(): void {
    this.strokes.pop();
    this.picture = undefined;
    this.paint();
    if (this.strokes.length) this.ask();
    else this.host.clear();
  }

  private ask(): void {
    const { width, height } = this.canvas;
    const picture = thumbnail(this.canvas, width, height);
    const key = `draw-${this.count}`;
    void this.pixels().then((pixels) => this.host.ask(pixels, { key, picture }));
  }

  /**
   * Return the drawing as the model's training had such: people draw anywhere and at any size, but a model knows single
   * characters of one size in the middle.
   */
  private async pixels(): Promise<Pixels> {
    const { width, height } = this.canvas;
    const extent = this.alone ? await (this.extent ??= extentOf(this.host, width / height, this.ground)) : 0;
    const frame = h("canvas", { attrs: { width, height } }).getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    this.render(frame, extent ? this.framed(extent) : (point) => point);
    const { data: colors } = frame.getImageData(0, 0, width, height);
    const data = new Uint8Array(width * height);
    for (let i = 0; i < data.length; i++) data[i] = colors[4 * i] as number;
    return { width, height, channels: 1, data };
  }

  /** Move and scale all strokes, so that with the pen's width they fill a share of the pad. */
  private framed(extent: number): (point: Point) => Point {
    const { width, height } = this.canvas;
    const points = this.strokes.flat();
    const [left, right] = bounds(points.map(([x]) => x));
    const [top, bottom] = bounds(points.map(([, y]) => y));
    const room = (side: number): number => Math.max(0, extent * side - this.pen);
    // what is nearly a dot or a line stays one
    const scale = Math.min(room(width) / Math.max(right - left, this.pen), room(height) / Math.max(bottom - top, this.pen));
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return (point) => [(point[0] - x) * scale + width / 2, (point[1] - y) * scale + height / 2];
  }
}

function bounds(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** How much of the frame the ink of the golden pack's drawings takes, from edge to edge: the middle of them, or 0. */
async function extentOf(host: Host, ratio: number, ground: number): Promise<number> {
  const examples = await host.session().examples().catch(() => []);
  const extents: number[] = [];
  for (const example of examples) {
    if (!(example instanceof Blob)) continue;
    const bitmap = await createImageBitmap(example);
    const [width, height] = [bitmap.width, bitmap.height];
    const context = h("canvas", { attrs: { width, height } }).getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const inked = Array.from({ length: width * height }, (_, i) => i).filter((i) => Math.abs((data[4 * i] as number) - ground) > INK);
    if (!inked.length || Math.abs(width / height - ratio) > 0.1) continue;
    const [left, right] = bounds(inked.map((i) => i % width));
    const [top, bottom] = bounds(inked.map((i) => Math.floor(i / width)));
    extents.push(Math.max((right - left + 1) / width, (bottom - top + 1) / height));
  }
  return extents.sort((one, other) => one - other)[extents.length >> 1] ?? 0;
}

/** The pad's shape and ground follow the model's input, so that what is drawn needs no bending. */
function about({ manifest: { model } }: Bundle): { wide: number; high: number; ground: number; what: string; alone: boolean } {
  const steps = "preprocess" in model.input ? model.input.preprocess : [];
  const resize = steps.find((step) => step.step === "resize");
  const flatten = steps.find((step) => step.step === "flatten");
  const [red, green, blue] = flatten?.ground ?? [0, 0, 0];
  const labels = "labels" in model.output ? model.output.labels : [];
  const digits = labels.length === 10 && labels.every((label) => /^\d$/.test(label));
  return {
    wide: resize?.width ?? 1,
    high: resize?.height ?? 1,
    ground: 0.299 * red! + 0.587 * green! + 0.114 * blue! < 128 ? 0 : 255,
    alone: model.output.task !== "ctc",
    what: model.output.task === "ctc" ? t.draw.line : digits ? t.draw.digit : t.draw.something,
  };
}

/** Draw with finger, mouse, pen or keys; the model sees the pad as a grey image. */

import type { Source } from "../../api";
import type { Bundle } from "../catalog";
import { h } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import { t } from "../settings";
import type { Host, Panel } from "../workbench";

type Point = readonly [number, number];

/** The pad's shorter side in pixels; the pen is a share of it. */
const SHORT = 280;
const PEN = 0.075;
/** One press of an arrow key, as a share of the shorter side. */
const STEP = 0.04;

export function draw(host: Host): Panel {
  return new Pad(host);
}

class Pad implements Panel {
  readonly element: HTMLElement;
  readonly actions: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly hint: HTMLElement;
  private readonly cursor = h("span", { class: "cursor", attrs: { hidden: true } });
  private strokes: Point[][] = [];
  private drawing = false;
  private at: Point;
  private penDown = false;
  private count = 0;
  private readonly ground: number;

  constructor(private readonly host: Host) {
    const { wide, high, ground, what } = about(host.bundle);
    const scale = SHORT / Math.min(wide, high);
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

  example(source: Source): void {
    if (source.kind !== "file") return;
    void createImageBitmap(source.file).then((bitmap) => {
      this.strokes = [];
      this.count++;
      this.paint();
      this.hint.hidden = true;
      const { width, height } = this.canvas;
      const scale = Math.min(width / bitmap.width, height / bitmap.height);
      this.context.imageSmoothingEnabled = false;
      this.context.drawImage(bitmap, (width - bitmap.width * scale) / 2, (height - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
      void this.host.ask(source, { key: `draw-${this.count}`, picture: thumbnail(bitmap, bitmap.width, bitmap.height) });
    });
  }

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.drawing = true;
      this.strokes.push([this.place(event)]);
      this.paint();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.drawing) return;
      const points = event.getCoalescedEvents?.() ?? [];
      this.strokes.at(-1)?.push(...(points.length ? points : [event]).map((each) => this.place(each)));
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

  private place({ clientX, clientY }: MouseEvent): Point {
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
        this.strokes.push([this.at]);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
    this.paint();
    this.showCursor(true);
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
    const { context, canvas, strokes, ground } = this;
    context.fillStyle = `rgb(${ground} ${ground} ${ground})`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    const ink = ground < 128 ? 255 : 0;
    context.strokeStyle = `rgb(${ink} ${ink} ${ink})`;
    context.lineWidth = PEN * SHORT;
    context.lineCap = "round";
    context.lineJoin = "round";
    for (const stroke of strokes) {
      const [first, ...rest] = stroke as [Point, ...Point[]];
      context.beginPath();
      context.moveTo(...first);
      for (const point of rest.length ? rest : [first]) context.lineTo(...point);
      context.stroke();
    }
    this.hint.hidden = strokes.length > 0;
  }

  private clear(): void {
    this.strokes = [];
    this.penDown = false;
    this.count++;
    this.paint();
    this.host.clear();
  }

  private undo(): void {
    this.strokes.pop();
    this.paint();
    if (this.strokes.length) this.ask();
    else this.host.clear();
  }

  private ask(): void {
    const { width, height } = this.canvas;
    const { data: colours } = this.context.getImageData(0, 0, width, height);
    const data = new Uint8Array(width * height);
    for (let i = 0; i < data.length; i++) data[i] = colours[4 * i] as number;
    void this.host.ask(
      { kind: "pixels", pixels: { width, height, channels: 1, data } },
      { key: `draw-${this.count}`, picture: thumbnail(this.canvas, width, height) },
    );
  }
}

/** The pad's shape and ground follow the model's input, so that what is drawn needs no bending. */
function about({ manifest: { model } }: Bundle): { wide: number; high: number; ground: number; what: string } {
  const steps = model.input.kind === "table" ? [] : model.input.preprocess;
  const resize = steps.find((step) => step.step === "resize");
  const flatten = steps.find((step) => step.step === "flatten");
  const [red, green, blue] = flatten?.ground ?? [0, 0, 0];
  const labels = "labels" in model.output ? model.output.labels : [];
  const digits = labels.length === 10 && labels.every((label) => /^\d$/.test(label));
  return {
    wide: resize?.width ?? 1,
    high: resize?.height ?? 1,
    ground: 0.299 * red! + 0.587 * green! + 0.114 * blue! < 128 ? 0 : 255,
    what: model.output.task === "ctc" ? t.draw.line : digits ? t.draw.digit : t.draw.something,
  };
}

/** Boxes, drawn over the picture that they were found in. */

import type { Box, Prediction } from "edgezoo/model/types";
import { h } from "./dom";
import { t } from "./settings";

/** Hues that are multiples of it apart lie far from one another, however many there are. */
const GOLDEN_RATIO = 0.6180339887;
const FONT = "600 13px system-ui, sans-serif";
const HEIGHT = 20;
const LINE = 3;
/** How much wider a line's dark edge is, which shows it on a ground of its own color. */
const EDGE = 2;

type Boxes = Extract<Prediction, { kind: "boxes" }>;

/** A canvas that covers an element which shows the picture whole, in its middle (`object-fit: contain`). */
export class Overlay {
  readonly element = h("canvas", { class: "overlay", attrs: { "aria-hidden": "true", hidden: true } });
  private boxes: Boxes | undefined;
  private mirrored = false;
  private readonly watcher = new ResizeObserver(() => this.draw());

  constructor() {
    this.watcher.observe(this.element);
  }

  /** Draw the boxes of an answer, on a picture that is shown mirrored or not; other answers draw nothing. */
  show(prediction: Prediction | undefined, mirrored = false): void {
    this.boxes = prediction?.kind === "boxes" ? prediction : undefined;
    this.mirrored = mirrored;
    this.element.hidden = !this.boxes;
    this.draw();
  }

  close(): void {
    this.watcher.disconnect();
  }

  private draw(): void {
    const { element, boxes } = this;
    const { clientWidth: wide, clientHeight: high } = element;
    if (!boxes || !wide || !high) return;
    const density = window.devicePixelRatio || 1;
    element.width = Math.round(wide * density);
    element.height = Math.round(high * density);
    const context = element.getContext("2d");
    if (!context) return;
    const scale = Math.min(wide / boxes.width, high / boxes.height);
    const [left, top] = [(wide - boxes.width * scale) / 2, (high - boxes.height * scale) / 2];
    context.scale(density, density);
    const tags: Tag[] = [];
    const drawn = boxes.boxes.map((box): DrawnBox => {
      const [start, end] = this.mirrored ? [boxes.width - box.right, boxes.width - box.left] : [box.left, box.right];
      return { box, x: left + start * scale, y: top + box.top * scale, width: (end - start) * scale, height: (box.bottom - box.top) * scale };
    });
    for (const each of [...drawn].reverse()) outline(context, each); // the surest on top
    for (const each of drawn) tags.push(tagBeside(context, each, wide, high, tags));
    for (const tag of tags.reverse()) drawTag(context, tag);
  }
}

interface DrawnBox {
  readonly box: Box;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A label with its score, on a ground of the label's color. */
interface Tag {
  readonly box: Box;
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

function outline(context: CanvasRenderingContext2D, { box, x, y, width, height }: DrawnBox): void {
  context.lineJoin = "round";
  for (const [style, line] of [["rgb(0 0 0 / 65%)", LINE + EDGE], [css(labelColor(box.index)), LINE]] as const) {
    context.strokeStyle = style;
    context.lineWidth = line;
    context.strokeRect(x, y, width, height);
  }
}

/** Return a box's tag: above it, where no other tag is in the way, or else inside or below. */
function tagBeside(context: CanvasRenderingContext2D, { box, x, y, height }: DrawnBox, wide: number, high: number, others: readonly Tag[]): Tag {
  const text = `${box.label} ${t.percent(box.score)}`;
  context.font = FONT;
  const width = Math.min(context.measureText(text).width + 10, wide);
  const start = Math.max(0, Math.min(x - LINE / 2, wide - width));
  const tops = [y - HEIGHT, y, y + height, y + height - HEIGHT].filter((each) => each >= 0 && each <= high - HEIGHT);
  const tags = (tops.length ? tops : [y]).map((each): Tag => ({ box, text, x: start, y: each, width }));
  return tags.find((tag) => !others.some((other) => overlap(tag, other))) ?? tags[0]!;
}

function overlap(one: Tag, other: Tag): boolean {
  return one.x < other.x + other.width && other.x < one.x + one.width && Math.abs(one.y - other.y) < HEIGHT;
}

function drawTag(context: CanvasRenderingContext2D, { box, text, x, y, width }: Tag): void {
  const color = labelColor(box.index);
  context.fillStyle = css(color);
  context.fillRect(x, y, width, HEIGHT);
  context.fillStyle = isBright(color) ? "#000000" : "#ffffff";
  context.textBaseline = "middle";
  context.fillText(text, x + 5, y + HEIGHT / 2 + 1, width - 10);
}

type Color = readonly [number, number, number];

/** Return the color of a label: red, green and blue, as Python's `runtime/images/draw_boxes.py` draws it. */
export function labelColor(index: number): Color {
  const [saturation, value] = [0.85, 0.95];
  const sector = (((0.33 + index * GOLDEN_RATIO) % 1) * 6) % 6;
  const channel = (offset: number): number => {
    const distance = (offset + sector) % 6;
    return Math.round(255 * value * (1 - saturation * Math.max(0, Math.min(distance, 4 - distance, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

export function css([red, green, blue]: Color): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** Tell whether black is read more easily on a color than white (ITU-R BT.601's luma). */
function isBright([red, green, blue]: Color): boolean {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

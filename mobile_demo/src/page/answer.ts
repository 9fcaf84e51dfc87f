/** An answer, said plainly, with what speaks for it. */

import type { Answer } from "../api";
import { described } from "edgezoo/model/tensors";
import type { Box, Prediction, Sample, Score, Values } from "edgezoo/model/types";
import { series } from "./chart";
import { h } from "./dom";
import { icon, type Icon } from "./icons";
import { css, labelColor } from "./overlay";
import { figure, t } from "./settings";

const SURE = 0.9;
const FAIRLY = 0.7;
/** Of a unit that is said after each number, in characters. */
const LONGEST_UNIT = 8;
/** How often a live answer is read out at most, in milliseconds. */
const PATIENCE = 2000;

/** How many labels a headline names, how many boxes are listed, and how many of a tensor's values. */
const LABELS = 4;
const BOXES = 100;
const VALUES = 8;

/** How long a button says what came of it, in milliseconds. */
const OUTCOME = 2500;

/** What an answer card holds: an answer, or the sentence of a fault. */
export type Said = Answer | string;

export class AnswerCard {
  private readonly head = h("div", { class: "said" });
  private readonly body = h("div", { class: "answer-body" });
  private readonly voice = h("p", { class: "hidden", attrs: { role: "status", "aria-live": "polite" } });
  private readonly actions = h("div", { class: "row actions" });
  private current: Answer | undefined;
  private spoken = "";
  private spokenAt = 0;
  readonly element: HTMLElement;
  /** The answer in a line, to stand in view while the card is below the screen's edge: the page moves under no hand. */
  readonly peek = h("button", { class: "peek", attrs: { hidden: true }, on: { click: () => this.element.scrollIntoView({ block: "center" }) } });
  private below = false;
  private readonly watcher = new IntersectionObserver(
    ([entry]) => {
      this.below = !entry!.isIntersecting && entry!.boundingClientRect.top > 0;
      this.peek.hidden = !this.below || !this.current;
    },
    { rootMargin: "0px 0px -72px" }, // the tabs of small screens
  );

  /**
   * @param origin names the model and the engine that answer.
   * @param features are the names of a sequence's columns.
   */
  constructor(
    private readonly origin: () => string,
    private readonly features: readonly string[],
  ) {
    this.actions.append(this.action("copy", t.answer.copy, () => this.copy()), ...("share" in navigator ? [this.action("share", t.answer.share, () => this.share())] : []));
    this.element = h("section", { class: "answer card", attrs: { "aria-label": t.answer.title } }, this.head, this.body, this.actions, this.voice);
    this.watcher.observe(this.head);
  }

  show(said: Said | undefined, live = false): void {
    this.current = typeof said === "object" ? said : undefined;
    this.actions.hidden = live || !this.current;
    if (this.current) this.answer(this.current, live);
    else if (said === undefined) this.fill(h("p", { class: "muted placeholder" }, t.answer.waiting));
    else this.fill(h("p", { class: "fault", attrs: { role: "alert" } }, icon("info"), h("span", {}, said as string)));
    this.peek.hidden = !this.below || !this.current;
  }

  close(): void {
    this.watcher.disconnect();
  }

  private fill(head: HTMLElement): void {
    this.head.replaceChildren(head);
    this.body.replaceChildren();
  }

  private answer(answer: Answer, live: boolean): void {
    const { prediction, times, seen } = answer;
    const name = headline(prediction);
    const words = verdict(prediction);
    const pill = (): HTMLElement | "" => (words ? h("span", { class: `verdict ${words.tone}` }, words.text) : "");
    this.head.replaceChildren(h("p", { class: `headline${name.length > 24 ? " long" : ""}` }, name), pill());
    this.peek.replaceChildren(h("span", { class: "peek-name" }, name), pill());
    this.body.replaceChildren(
      ...details(prediction, seen, this.features),
      live ? "" : h("p", { class: "muted fine" }, [t.answer.took(times.run, times.total), answer.decoded && t.answer.decoded].filter(Boolean).join(" · ")),
      live ? "" : (picture(seen) ?? ""),
    );
    this.say([name, words?.text].filter(Boolean).join(". "), live);
  }

  /** Screen readers hear a live answer when it changes, but not every moment. */
  private say(words: string, live: boolean): void {
    const now = performance.now();
    if (live && (words === this.spoken || now - this.spokenAt < PATIENCE)) return;
    this.spoken = words;
    this.spokenAt = now;
    this.voice.textContent = words;
  }

  private words(): string {
    if (!this.current) return "";
    const { prediction } = this.current;
    const scores = "top" in prediction ? prediction.top.map(({ label, score }) => `${label} ${t.percent(score)}`) : [];
    const boxes = prediction.kind === "boxes" ? prediction.boxes.map((box) => `${box.label} ${t.percent(box.score)} ${sides(box)}`) : [];
    return [headline(prediction), verdict(prediction)?.text, ...scores, ...boxes, this.origin()].filter(Boolean).join("\n");
  }

  /** A button that says for a moment what came of it, if that isn't seen elsewhere. */
  private action(name: Icon, label: string, run: () => Promise<string>): HTMLElement {
    const text = h("span", {}, label);
    const press = async (): Promise<void> => {
      this.voice.textContent = await run();
      text.textContent = this.voice.textContent || label;
      setTimeout(() => (text.textContent = label), OUTCOME);
    };
    return h("button", { class: "small", on: { click: () => void press() } }, icon(name), text);
  }

  private async copy(): Promise<string> {
    const done = await navigator.clipboard?.writeText(this.words()).then(() => true, () => false);
    return done ? t.answer.copied : t.answer.copyFailed;
  }

  private async share(): Promise<string> {
    await navigator.share({ title: t.name, text: this.words() }).catch(() => undefined); // changed their mind
    return "";
  }
}

/** The answer in a few words. */
export function headline(prediction: Prediction): string {
  switch (prediction.kind) {
    case "class":
      return prediction.label;
    case "labels":
      return prediction.labels.join(", ") || t.answer.noLabel;
    case "values":
      return `${[...new Set([prediction.values[0]!, prediction.values.at(-1)!])].map(figure).join(" → ")} ${prediction.unit}`.trim();
    case "text":
      return prediction.text || t.answer.nothingRead;
    case "anomaly":
      return prediction.anomalous ? t.answer.anomaly : t.answer.normal;
    case "boxes":
      return counted(prediction.boxes) || t.answer.nothingFound;
    case "tensors":
      return t.answer.tensors(prediction.tensors.length);
  }
}

interface Verdict {
  readonly text: string;
  readonly tone: "good" | "fair" | "poor" | "plain";
}

function verdict(prediction: Prediction): Verdict | undefined {
  switch (prediction.kind) {
    case "class":
      return sureness(prediction.score, prediction.top);
    case "text":
      return prediction.text ? sureness(prediction.score, []) : undefined;
    case "values":
      return { text: prediction.target, tone: "plain" };
    case "anomaly":
      return { text: t.answer.score(prediction.score, prediction.threshold), tone: prediction.anomalous ? "poor" : "good" };
    default:
      return undefined;
  }
}

/** Say how many boxes of each label there are, in the labels' own order, which stays while a camera's scores change. */
function counted(boxes: readonly Box[]): string {
  const counts = new Map<string, number>();
  for (const { label } of [...boxes].sort((one, other) => one.index - other.index)) counts.set(label, (counts.get(label) ?? 0) + 1);
  const named = [...counts].slice(0, LABELS).map(([label, count]) => t.answer.count(label, count));
  return [...named, counts.size > LABELS && t.tasks.more(counts.size - LABELS)].filter(Boolean).join(", ");
}

function sureness(score: number, [first, second]: readonly Score[]): Verdict {
  if (score >= SURE) return { text: `${t.answer.sure} · ${t.percent(score)}`, tone: "good" };
  if (score >= FAIRLY) return { text: `${t.answer.fairly} · ${t.percent(score)}`, tone: "fair" };
  return { text: first && second ? t.answer.unsure(first.label, second.label) : `${t.answer.unsureOne} · ${t.percent(score)}`, tone: "poor" };
}

function details(prediction: Prediction, [seen]: Sample, features: readonly string[]): HTMLElement[] {
  switch (prediction.kind) {
    case "class":
      return [bars(prediction.top, 0)];
    case "labels":
      return [bars(prediction.top, prediction.threshold)];
    case "values":
      return forecast(prediction, historyOf(prediction.target, seen!, features));
    case "boxes":
      return prediction.boxes.length ? [boxList(prediction)] : [];
    case "tensors":
      return [h("ul", { class: "tensors" }, ...prediction.tensors.map(summary))];
    default:
      return [];
  }
}

/** List boxes with where they are, in words and in pixels of the picture. */
function boxList({ boxes, width, height }: Extract<Prediction, { kind: "boxes" }>): HTMLElement {
  const rows = boxes.slice(0, BOXES).map((box) => {
    const swatch = h("span", { class: "swatch", attrs: { "aria-hidden": "true" } });
    swatch.style.background = css(labelColor(box.index));
    const third = (start: number, end: number, whole: number): number => Math.min(2, Math.floor((1.5 * (start + end)) / whole));
    const region = t.answer.places[third(box.top, box.bottom, height)]![third(box.left, box.right, width)]!;
    return h("li", {}, swatch, h("span", { class: "bar-label" }, box.label), h("span", { class: "bar-share" }, t.percent(box.score)), h("span", { class: "muted fine" }, `${region} · ${sides(box)}`));
  });
  const rest = boxes.length - rows.length;
  const list = h("ol", { class: "found", attrs: { "aria-label": t.answer.boxes(boxes.length), tabindex: 0 } }, ...rows);
  return rest ? h("div", {}, list, h("p", { class: "muted fine" }, t.tasks.more(rest))) : list;
}

function sides({ left, top, right, bottom }: Box): string {
  const [x, y, end, low] = [left, top, right, bottom].map((side) => t.number(side)) as [string, string, string, string];
  return t.answer.sides(`${x}–${end}`, `${y}–${low}`);
}

/** Say what a tensor is, the range of its values, and the first of them. */
function summary({ name, dtype, shape, data }: Values & { readonly name: string; readonly dtype: string }): HTMLElement {
  const [low, high] = rangeOf(data);
  const first = [...data.subarray(0, VALUES)].map(digits).join("  ") + (data.length > VALUES ? " …" : "");
  const facts = [described({ dtype, shape }), data.length > 1 && t.tensors.range(digits(low), digits(high))].filter(Boolean).join(" · ");
  return h("li", {}, h("strong", {}, name), h("span", { class: "muted fine" }, facts), h("code", {}, first));
}

/** A number in four digits, however small: a tensor's values have no unit that says which matter. */
function digits(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function rangeOf(data: Values["data"]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

function bars(top: readonly Score[], threshold: number): HTMLElement {
  const rows = top.map(({ label, score }, i) => {
    const held = threshold ? score >= threshold : i === 0;
    const bar = h("span", { class: "bar", attrs: { "aria-hidden": "true" } }, h("span", { class: "fill" }));
    bar.style.setProperty("--share", String(score));
    return h("li", { class: held ? "held" : "" }, h("span", { class: "bar-label" }, label), h("span", { class: "bar-share" }, t.percent(score)), bar);
  });
  return h("ol", { class: "bars", attrs: { "aria-label": t.answer.top } }, ...rows);
}

/** Draw what comes next, after what went before if that is known, and list it; one value alone is the headline already. */
function forecast({ values, target, unit }: Extract<Prediction, { kind: "values" }>, history: readonly number[]): HTMLElement[] {
  if (values.length === 1 && !history.length) return [];
  const chart = series({ name: [target, unit && `(${unit})`].filter(Boolean).join(" "), values: history, next: values });
  const short = unit.length <= LONGEST_UNIT ? unit : ""; // the chart's title has it
  const steps = values.map((value, i) => h("li", {}, h("span", { class: "muted" }, t.answer.step(i + 1)), ` ${figure(value)} ${short}`.trimEnd()));
  return [chart, ...(values.length > 1 ? [h("ol", { class: "steps" }, ...steps)] : [])];
}

/** The steps of a sequence's column that a model foretells; empty where it is none of them. */
function historyOf(target: string, { shape, data }: Values, features: readonly string[]): number[] {
  const [column, width] = [features.indexOf(target), shape[1]];
  return column < 0 || width !== features.length ? [] : [...data].filter((_, i) => i % width === column);
}

/** Show small images as the model got them. */
function picture([{ shape, data } = { shape: [], data: new Float32Array() }]: Sample): HTMLElement | undefined {
  const [height, width, channels = 1] = shape;
  if (!(data instanceof Uint8Array) || !height || !width || shape.length < 3) return undefined;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[i * channels + (channels === 3 ? c : 0)]!;
    image.data[4 * i + 3] = 255;
  }
  const canvas = h("canvas", { class: `seen${width < 100 ? " coarse" : ""}`, attrs: { width, height, role: "img", "aria-label": t.answer.saw } });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return h("figure", { class: "seen-figure" }, canvas, h("figcaption", { class: "muted fine" }, t.answer.saw, h("br"), `${width} × ${height}`));
}

/** An answer, said plainly, with what speaks for it. */

import type { Answer } from "../api";
import type { Prediction, Sample, Score } from "../model/types";
import { lines } from "./chart";
import { h } from "./dom";
import { icon } from "./icons";
import { t } from "./settings";
import { toast } from "./toast";

const SURE = 0.9;
const FAIRLY = 0.7;
/** How often a live answer is read out at most, in milliseconds. */
const PATIENCE = 2000;

export class AnswerCard {
  private readonly body = h("div", { class: "answer-body" });
  private readonly voice = h("p", { class: "hidden", attrs: { role: "status", "aria-live": "polite" } });
  private readonly actions = h("div", { class: "row actions", attrs: { hidden: true } });
  private said = "";
  private saidAt = 0;
  readonly element: HTMLElement;

  constructor(private readonly origin: () => string) {
    const copy = h("button", { class: "small", on: { click: () => void this.copy() } }, icon("copy"), t.answer.copy);
    const share = h("button", { class: "small", on: { click: () => void this.share() } }, icon("share"), t.answer.share);
    this.actions.append(copy, ...("share" in navigator ? [share] : []));
    this.element = h("section", { class: "answer card", attrs: { "aria-label": t.answer.title } }, this.body, this.actions, this.voice);
    this.clear();
  }

  private current: Answer | undefined;

  clear(): void {
    this.current = undefined;
    this.actions.hidden = true;
    this.body.replaceChildren(h("p", { class: "muted placeholder" }, t.answer.waiting));
  }

  fail(message: string): void {
    this.current = undefined;
    this.actions.hidden = true;
    this.body.replaceChildren(h("p", { class: "fault", attrs: { role: "alert" } }, icon("info"), h("span", {}, message)));
  }

  show(answer: Answer, live = false): void {
    this.current = answer;
    this.actions.hidden = live;
    const { prediction, times } = answer;
    const words = verdict(prediction);
    this.body.replaceChildren(
      h(
        "div",
        { class: "said" },
        h("p", { class: `headline${headline(prediction).length > 24 ? " long" : ""}` }, headline(prediction)),
        words && h("p", { class: `verdict ${words.tone}` }, words.text),
      ),
      ...details(prediction),
      live ? "" : h("p", { class: "muted fine" }, [t.answer.took(times.run, times.total), answer.decoded && t.answer.decoded].filter(Boolean).join(" · ")),
      live ? "" : (seen(answer.seen) ?? ""),
    );
    this.say([headline(prediction), words?.text].filter(Boolean).join(". "), live);
  }

  /** Screen readers hear a live answer when it changes, but not every moment. */
  private say(words: string, live: boolean): void {
    const now = performance.now();
    if (live && (words === this.said || now - this.saidAt < PATIENCE)) return;
    this.said = words;
    this.saidAt = now;
    this.voice.textContent = words;
  }

  private words(): string {
    if (!this.current) return "";
    const { prediction } = this.current;
    const scores = "top" in prediction ? prediction.top.map(({ label, score }) => `${label} ${t.percent(score)}`) : [];
    return [headline(prediction), verdict(prediction)?.text, ...scores, this.origin()].filter(Boolean).join("\n");
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.words());
      toast(t.answer.copied);
    } catch {
      toast(t.answer.copyFailed);
    }
  }

  private async share(): Promise<void> {
    await navigator.share({ title: t.name, text: this.words() }).catch(() => undefined); // changed their mind
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
      return prediction.values.length === 1
        ? `${t.number(prediction.values[0]!, digits(prediction.values[0]!))} ${prediction.unit}`.trim()
        : `${t.number(prediction.values[0]!, digits(prediction.values[0]!))} → ${t.number(prediction.values.at(-1)!, digits(prediction.values.at(-1)!))} ${prediction.unit}`.trim();
    case "text":
      return prediction.text || t.answer.nothingRead;
    case "anomaly":
      return prediction.anomalous ? t.answer.anomaly : t.answer.normal;
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
    case "labels":
      return undefined;
  }
}

function sureness(score: number, [first, second]: readonly Score[]): Verdict {
  if (score >= SURE) return { text: `${t.answer.sure} · ${t.percent(score)}`, tone: "good" };
  if (score >= FAIRLY) return { text: `${t.answer.fairly} · ${t.percent(score)}`, tone: "fair" };
  return { text: first && second ? t.answer.unsure(first.label, second.label) : `${t.answer.unsureOne} · ${t.percent(score)}`, tone: "poor" };
}

function details(prediction: Prediction): HTMLElement[] {
  switch (prediction.kind) {
    case "class":
      return [bars(prediction.top, 0)];
    case "labels":
      return [bars(prediction.top, prediction.threshold)];
    case "values":
      return prediction.values.length > 1 ? [forecast(prediction.values, prediction.unit)] : [];
    default:
      return [];
  }
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

function forecast(values: readonly number[], unit: string): HTMLElement {
  const steps = values.map((value, i) => h("li", {}, h("span", { class: "muted" }, t.answer.step(i + 1)), ` ${t.number(value, digits(value))} ${unit}`.trimEnd()));
  return h("div", {}, lines([values], t.sequence.chart), h("ol", { class: "steps" }, ...steps));
}

/** Show small images as the model got them. */
function seen({ shape, data }: Sample): HTMLElement | undefined {
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

function digits(value: number): number {
  return Math.max(0, Math.min(6, 4 - Math.ceil(Math.log10(Math.abs(value) + 1e-12))));
}

/** The proof: the golden pack replayed here, the speed here, and where the model comes from. */

import type { Timings } from "../api";
import type { Input } from "edgezoo/input";
import type { Report } from "edgezoo/model/selftest";
import { keep, kept } from "../store";
import { BASE, type Bundle, filesOf, goldenOf } from "./catalog";
import { histogram, quantile } from "./chart";
import { h, sentence } from "./dom";
import { takesImages } from "./glyph";
import { icon } from "./icons";
import type { Host, Panel } from "./panel";
import { t } from "./settings";

const RUNS = 100;

interface Measured {
  readonly example: Input;
  readonly timings: Timings;
}

/** What was begun, which goes on while the page changes its language. */
interface Job<T> {
  outcome?: Promise<T>;
}

export function proof(host: Host, test: Job<Report> = {}, bench: Job<Measured> = {}): Panel {
  return {
    element: h("div", { class: "proof" }, testCard(host, test), benchCard(host, bench), aboutCard(host.bundle)),
    again: () => (next) => proof(next, test, bench),
  };
}

interface Words {
  readonly title: string;
  readonly what: string;
  readonly label: string;
}

/** A card with a button that runs something long, and shows how far it is. */
function task<T>({ title, what, label }: Words, job: Job<T>, run: (progress: (share: number) => void) => Promise<T>, show: (value: T) => Node[]): HTMLElement {
  const bar = h("progress", { attrs: { max: 1, hidden: true, "aria-label": title } });
  const result = h("div", { class: "result", attrs: { "aria-live": "polite" } });
  const button = h("button", { class: "primary" }, icon("play"), label);
  const follow = (outcome: Promise<T>): void => {
    button.disabled = true;
    bar.hidden = false;
    result.replaceChildren();
    outcome
      .then((value) => result.replaceChildren(...show(value)))
      .catch((problem: unknown) => result.replaceChildren(h("p", { class: "fault" }, icon("info"), h("span", {}, sentence(problem)))))
      .finally(() => {
        button.disabled = false;
        bar.hidden = true;
      });
  };
  button.addEventListener("click", () => {
    bar.value = 0;
    job.outcome = run((share) => (bar.value = share));
    follow(job.outcome);
  });
  if (job.outcome) follow(job.outcome);
  return h("section", { class: "card" }, h("h2", {}, title), h("p", { class: "muted" }, what), button, bar, result);
}

function testCard(host: Host, job: Job<Report>): HTMLElement {
  if (!goldenOf(host.bundle)) return h("section", { class: "card" }, h("h2", {}, t.proof.test), h("p", { class: "muted" }, t.proof.nothing));
  const words = { title: t.proof.test, what: t.proof.testWhat, label: t.proof.testRun };
  return task(words, job, (progress) => host.session().selfTest(progress), (report) => {
    const { inputs, outputs, decisions } = report;
    const isDetector = host.bundle.manifest.model.output.task === "detection";
    const differences = Object.entries(outputs.tensors).map(([name, value]) => [t.proof.rows.tensor(name), value] as const);
    const rows: [string, string, string, boolean][] = [
      [isDetector ? t.proof.rows.boxes : t.proof.rows.decisions, t.percent(decisions.agreement), t.percent(1), decisions.agreement === 1],
      [isDetector ? t.proof.rows.boxesFiles : t.proof.rows.files, t.percent(decisions.agreementFromFiles), "–", decisions.agreementFromFiles === 1],
      ...(differences.length ? differences : [[t.proof.rows.outputs, outputs.maxDifference] as const]).map(
        ([name, value]): [string, string, string, boolean] => [name, precise(value), precise(outputs.tolerance), value <= outputs.tolerance],
      ),
      [t.proof.rows.mean, precise(outputs.meanDifference), "–", true],
      [t.proof.rows.inputs, precise(inputs.maxDifference), precise(inputs.tolerance), inputs.passed],
    ];
    const headings = [t.proof.head.what, t.proof.head.measured, t.proof.head.allowed].map((name) => h("th", { attrs: { scope: "col" } }, name));
    const body = rows.map(([name, value, limit, fine]) =>
      h("tr", { class: fine ? "" : "odd" }, h("th", { attrs: { scope: "row" } }, name), h("td", {}, value), h("td", {}, limit)),
    );
    const outcome = report.passed ? t.proof.passed : [t.proof.failed, report.note].filter(Boolean).join(": ");
    const nodes: Node[] = [
      h("p", { class: `outcome ${report.passed ? "good" : "poor"}` }, icon(report.passed ? "check" : "cross"), h("span", {}, outcome)),
      h("table", {}, h("thead", {}, h("tr", {}, ...headings)), h("tbody", {}, ...body)),
      h("p", { class: "muted fine" }, t.proof.samples(report.samples, `${report.engine}, ${report.device === "wasm" ? "WASM" : "WebGPU"}`)),
      h("button", { on: { click: () => save(host.bundle, report) } }, icon("download"), t.proof.save),
    ];
    if (!inputs.passed) nodes.push(h("p", { class: "muted fine" }, t.proof.inputsNote));
    return nodes;
  });
}

function benchCard(host: Host, job: Job<Measured>): HTMLElement {
  const words = { title: t.proof.bench, what: t.proof.benchWhat(RUNS), label: t.proof.benchRun(RUNS) };
  const measure = async (progress: (share: number) => void): Promise<Measured> => {
    const [example] = await host.session().examples();
    return { example: example!, timings: await host.session().benchmark(example!, RUNS, progress) };
  };
  return task(words, job, measure, ({ example, timings }) => {
    const decoding = quantile([...timings.decode].sort((one, other) => one - other), 0.5);
    const isImage = example instanceof Blob && takesImages(host.bundle.manifest);
    const note = isImage ? [h("p", { class: "muted fine" }, t.proof.decoding(decoding))] : [];
    return [...(["engine", "whole"] as const).map((part) => figure(t.proof[part], timings[part])), ...note];
  });
}

function figure(name: string, times: Timings["engine"]): HTMLElement {
  const sorted = [...times].sort((one, other) => one - other);
  const [median, p95] = [quantile(sorted, 0.5), quantile(sorted, 0.95)];
  const pair = (label: string, value: number): HTMLElement => h("div", {}, h("dt", { class: "muted" }, label), h("dd", {}, t.proof.ms(value)));
  return h(
    "figure",
    { class: "times" },
    h("figcaption", {}, name),
    h("dl", { class: "pair" }, pair(t.proof.median, median), pair(t.proof.p95, p95)),
    histogram(times, t.proof.histogram(name), [median, p95]),
    h("p", { class: "between muted fine" }, h("span", {}, t.proof.ms(sorted[0]!)), h("span", {}, t.proof.ms(Math.max(quantile(sorted, 0.98), p95)))),
  );
}

function aboutCard(bundle: Bundle): HTMLElement {
  const { card, created, models } = bundle.manifest;
  const facts: [string, string][] = [
    [t.about.data, card.data ? `${card.data.name} (${card.data.source})` : ""],
    [t.about.licence, card.data?.licence ?? ""],
    [t.about.weights, card.weights ? `${card.weights.name} (${card.weights.licence})` : ""],
    [t.about.created, new Date(created).toLocaleString(t.locale, { dateStyle: "medium" })],
    [t.about.precision, [...new Set(Object.values(models).map(({ spec }) => spec.precision))].join(", ")],
  ];
  const list = facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  return h("section", { class: "card" }, h("h2", {}, t.about.title), h("dl", { class: "facts" }, ...list), keeper(bundle));
}

function keeper(bundle: Bundle): HTMLElement {
  const files = filesOf(bundle);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const status = h("p", { class: "muted fine", attrs: { role: "status" } }, t.about.keepHint);
  const button = h("button", {}, icon("download"), `${t.about.keep} (${t.size(total)})`);
  const done = (): void => {
    status.textContent = t.about.isKept;
    button.hidden = true;
  };
  void kept(BASE, files).then((here) => here && done());
  button.addEventListener("click", () => {
    button.disabled = true;
    keep(BASE, files, (share) => (status.textContent = t.about.keeping(share)))
      .then(done)
      .catch((problem: unknown) => (status.textContent = sentence(problem)))
      .finally(() => (button.disabled = false));
  });
  return h("div", {}, button, status);
}

function save(bundle: Bundle, report: Report): void {
  const content = { bundle: bundle.manifest.model.name, browser: navigator.userAgent, at: new Date().toISOString(), ...report };
  const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  h("a", { attrs: { href: url, download: `${bundle.name}-${report.file}-self-test.json` } }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function precise(value: number): string {
  return value === 0 ? "0" : value < 0.001 ? value.toExponential(1) : t.number(value, 4);
}

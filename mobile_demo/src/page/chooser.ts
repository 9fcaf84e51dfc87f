/** The first view: a card for each model. */

import { type accuracyOf, type Broken, type Bundle, BASE, fileOf } from "./catalog";
import type { Manifest } from "edgezoo/model/manifest";
import { h } from "./dom";
import { icon } from "./icons";
import { t } from "./settings";
import { kept } from "../store";
import { purpose } from "./describe";
import { glyph } from "./glyph";

export function chooser(all: readonly (Bundle | Broken)[], figure: typeof accuracyOf): HTMLElement {
  if (!all.length) {
    return h("div", { class: "empty card" }, h("h1", {}, t.none), h("p", {}, t.noneHow), h("pre", {}, h("code", {}, "zoo demo bundles/cnn-digits")));
  }
  const cards = all.map((each) => h("li", {}, "manifest" in each ? card(each, figure) : broken(each)));
  return h(
    "div",
    { class: "chooser" },
    h("div", { class: "intro" }, h("h1", {}, t.tagline), h("p", { class: "muted" }, t.privacy)),
    h("h2", {}, t.choose),
    h("ul", { class: "cards" }, ...cards),
  );
}

function card(bundle: Bundle, figure: typeof accuracyOf): HTMLElement {
  const { manifest, name, playable } = bundle;
  const accuracy = figure(manifest);
  const smallest = Math.min(...playable.map(({ size }) => size));
  const offline = h("span", { class: "chip good", attrs: { hidden: true, title: t.keptHint } }, icon("check"), t.kept);
  void kept(BASE, [fileOf(bundle, defaultFile(bundle))]).then((here) => (offline.hidden = !here));
  return h(
    "a",
    { class: "card model", attrs: { href: `#${encodeURIComponent(name)}` } },
    glyph(manifest),
    h(
      "span",
      { class: "model-text" },
      h("strong", { class: "model-name" }, manifest.model.name),
      h("span", { class: "muted" }, purpose(manifest)),
      h(
        "span",
        { class: "chips" },
        accuracy && h("span", { class: "chip strong" }, metric(accuracy, manifest)),
        h("span", { class: "chip" }, t.from(t.size(smallest))),
        offline,
      ),
    ),
    icon("next"),
  );
}

function metric({ metric, value }: { metric: string; value: number }, { model: { output } }: Manifest): string {
  const name = t.metrics[metric as keyof typeof t.metrics] ?? metric;
  if (["accuracy", "f1", "line_error_rate"].includes(metric)) return `${t.percent(value)} ${name}`;
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value) || 1))); // four that count, as on the command line
  return [t.number(value, digits), metric === "rmse" && "unit" in output && output.unit, name].filter(Boolean).join(" ");
}

/** The float file of the lighter and faster engine where there is one: its answers are PyTorch's. */
export function defaultFile({ playable }: Bundle): string {
  const rank = ({ format, precision }: Bundle["playable"][number]): number => (precision === "fp32" ? 0 : 2) + (format === "tflite" ? 0 : 1);
  return [...playable].sort((one, other) => rank(one) - rank(other))[0]!.file;
}

function broken({ name, fault }: Broken): HTMLElement {
  return h("div", { class: "card model broken" }, icon("info"), h("span", { class: "model-text" }, h("strong", {}, t.broken(name)), h("span", { class: "muted" }, fault)));
}

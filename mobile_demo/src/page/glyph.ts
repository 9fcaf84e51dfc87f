/** A small picture for a model: what goes in, and its name's first letters in a color of its own. */

import type { Manifest } from "edgezoo/model/manifest";
import { h } from "./dom";
import { icon } from "./icons";

export function glyph({ model }: Manifest): HTMLElement {
  const hue = [...model.name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  const picture = icon(isDrawable({ model }) ? "draw" : takesImages({ model }) ? "photo" : model.input.kind === "image" ? "photo" : model.input.kind);
  const element = h("span", { class: "glyph" }, picture);
  element.style.setProperty("--hue", String(hue));
  return element;
}

/** Whether images go in: as they are, or as sequences of rows. */
export function takesImages({ model: { input } }: Pick<Manifest, "model">): boolean {
  return input.kind === "image" || (input.kind === "sequence" && input.preprocess.length > 0);
}

/** Whether what goes in is gray, as a drawing is; boxes are drawn over photos only. */
export function isDrawable(manifest: Pick<Manifest, "model">): boolean {
  const { input, output } = manifest.model;
  const isGray = "preprocess" in input && input.preprocess.some((step) => step.step === "mode" && step.mode === "L");
  return isGray && output.task !== "detection";
}

/** A detector's thresholds, which a person may move. */

import type { DetectionOutput, Thresholds } from "edgezoo/model/tasks/detection";
import { h } from "./dom";
import { t } from "./settings";

const STEP = 0.01;

/** Make the fields; `change` is called with what was chosen, and with nothing for what the manifest says. */
export function thresholdFields(output: DetectionOutput, chosen: Thresholds | undefined, change: (chosen: Thresholds | undefined) => void): HTMLElement {
  const reset = h("button", { class: "quiet small", attrs: { hidden: !chosen } }, t.thresholds.reset);
  const confidence = slider(t.thresholds.confidence, STEP, 1 - STEP);
  const iou = slider(t.thresholds.iou, 0, 1);
  const show = (values: Thresholds): void => {
    confidence.show(values.confidence);
    iou.show(values.iou);
  };
  let values = chosen ?? output;
  const move = (part: Partial<Thresholds>): void => {
    values = { confidence: values.confidence, iou: values.iou, ...part };
    reset.hidden = false;
    show(values);
    change(values);
  };
  confidence.control.addEventListener("input", () => move({ confidence: confidence.control.valueAsNumber }));
  iou.control.addEventListener("input", () => move({ iou: iou.control.valueAsNumber }));
  reset.addEventListener("click", () => {
    values = output;
    reset.hidden = true;
    show(values);
    change(undefined);
    confidence.control.focus();
  });
  show(values);
  return h(
    "section",
    { class: "card thresholds", attrs: { "aria-label": t.thresholds.title } },
    h("div", { class: "between" }, h("h2", {}, t.thresholds.title), reset),
    confidence.element,
    iou.element,
  );
}

function slider(name: string, min: number, max: number) {
  const control = h("input", { attrs: { type: "range", min, max, step: STEP } });
  const value = h("span", { class: "bar-share" });
  return {
    element: h("label", { class: "field" }, h("span", { class: "between" }, h("span", {}, name), value), control),
    control,
    show(share: number): void {
      control.value = String(share);
      value.textContent = t.percent(share);
      control.setAttribute("aria-valuetext", t.percent(share));
    },
  };
}

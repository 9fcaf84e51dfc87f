/** Tensors: what goes into a network and comes out of it, and a file of them to try. */

import type { Input } from "edgezoo/input";
import type { TensorsInput } from "edgezoo/model/inputs/tensors";
import { type TensorSpec, described } from "edgezoo/model/tensors";
import { h } from "../dom";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";
import { figure, t } from "../settings";

export function tensors(host: Host): Panel {
  const { input, output } = host.bundle.manifest.model;
  let count = 0;
  const file = h("input", { class: "over", attrs: { type: "file", accept: ".npz,.npy", "aria-label": t.tensors.load } });
  const ask = (input: Input): void => void host.ask(input, { key: `tensors-${++count}`, picture: "tensors" });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (chosen) ask(chosen);
  });
  const actions = h("div", { class: "row spread" }, h("span", { class: "button loader" }, icon("upload"), t.tensors.load, file));
  return {
    element: h(
      "div",
      { class: "form" },
      h("p", { class: "muted" }, t.tensors.what),
      list(t.tensors.inputs, (input as TensorsInput).tensors),
      "tensors" in output && list(t.tensors.outputs, output.tensors),
      actions,
    ),
    actions,
    example: ask,
  };
}

function list(title: string, specs: readonly TensorSpec[]): HTMLElement {
  const rows = specs.map((spec) => {
    const { name, axes, low, high } = spec;
    const range = low !== null && high !== null ? t.tensors.range(figure(low), figure(high)) : "";
    return h("li", {}, h("strong", {}, name), h("span", { class: "muted fine" }, [described(spec), axes.join(", "), range].filter(Boolean).join(" · ")));
  });
  return h("section", { class: "card" }, h("h2", {}, title), h("ul", { class: "tensors" }, ...rows));
}

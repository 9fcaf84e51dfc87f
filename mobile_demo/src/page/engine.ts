/** The choice of file and device. */

import type { Bundle } from "./catalog";
import { h } from "./dom";
import { type DeviceChoice, hasGpu, type Session } from "./session";
import { t } from "./settings";

const ENGINES: Record<string, string> = { tflite: "LiteRT.js", onnx: "onnxruntime-web" };

export function enginePicker({ playable }: Bundle, chosen: Session, choose: (file: string, device: DeviceChoice) => void): HTMLElement {
  const files = h(
    "select",
    { on: { change: () => picked() } },
    ...playable.map(({ file, format, precision, size }) =>
      h("option", { attrs: { value: file, selected: file === chosen.file } }, `${ENGINES[format] ?? format} · ${precision} · ${t.size(size)}`),
    ),
  );
  const gpu = h("option", { attrs: { value: "webgpu", disabled: true } }, t.engine.noGpu);
  const devices = h(
    "select",
    { on: { change: () => picked() } },
    h("option", { attrs: { value: "auto" } }, t.engine.auto),
    h("option", { attrs: { value: "wasm" } }, t.engine.wasm),
    gpu,
  );
  devices.value = chosen.device;
  if (chosen.device === "webgpu") void lookForGpu(gpu);
  const picked = (): void => choose(files.value, devices.value as DeviceChoice);
  // asked only when somebody looks, for the question alone wakes the graphics driver
  devices.addEventListener("focus", () => void lookForGpu(gpu), { once: true });
  return h(
    "div",
    { class: "engine-choice" },
    h("label", { class: "field" }, h("span", {}, t.engine.file), files),
    h("label", { class: "field" }, h("span", {}, t.engine.device), devices),
  );
}

async function lookForGpu(option: HTMLOptionElement): Promise<void> {
  if (!(await hasGpu())) return;
  option.disabled = false;
  option.textContent = t.engine.webgpu;
}

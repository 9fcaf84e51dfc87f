/** Replay a bundle's golden pack in this browser: is the answer here the one PyTorch gave? The twin of `runtime/verify.py`. */

import { allowedDifference, allowedInputDifference, difference, largest } from "./compare";
import { readSequenceFile } from "./inputs/sequence";
import { readRowJson } from "./inputs/table";
import type { Model } from "./model";
import type { Golden } from "./npz";
import { taskOf } from "./tasks";
import { type Device, type Pixels, type Sample, ZooError } from "./types";

export interface Report {
  readonly file: string;
  /** Library with version. */
  readonly engine: string;
  readonly device: Device;
  /** How many golden samples were replayed. */
  readonly samples: number;
  /** How the files of the pack were read here, in the input's own values (0-255 for images). */
  readonly inputs: { readonly maxDifference: number; readonly tolerance: number; readonly passed: boolean; readonly note: string };
  /** Of the raw outputs for the pack's own inputs, relative to their scale. */
  readonly outputs: { readonly maxDifference: number; readonly meanDifference: number; readonly tolerance: number; readonly passed: boolean };
  /** The share of real samples with the same decision, for the pack's own inputs, and from its files as read here. */
  readonly decisions: { readonly agreement: number; readonly agreementFromFiles: number };
  readonly passed: boolean;
  /** Why it failed; empty otherwise. */
  readonly note: string;
}

/**
 * Replay the golden pack, one sample after the other.
 *
 * `pixelsOf` decodes an image file upright; browsers' decoders are their own, and not all of them decode a JPEG at a
 * reduced scale, so what that does to inputs and decisions is reported and fails nothing. What passes or fails is the
 * engine: on the pack's own inputs its outputs stay within the tolerance and every real decision is the same.
 *
 * @param progress is called with the share that is done, 0 to 1.
 * @throws ZooError if the pack doesn't belong to the manifest or the engine fails.
 */
export async function selfTest(
  model: Model,
  golden: Golden,
  pixelsOf: (file: Uint8Array) => Promise<Pixels>,
  progress: (share: number) => void = () => {},
): Promise<Report> {
  const { output } = model.manifest.model;
  const inputs = samplesOf(golden);
  check(model, golden);
  const total = inputs.length + golden.raw.length;
  const found: Float32Array[] = [];
  for (const sample of inputs) {
    found.push(await model.run(sample));
    progress(found.length / total);
  }
  const reading = await readFiles(model, golden, pixelsOf);
  const fromFiles: Float32Array[] = [];
  for (const sample of reading.samples.slice(0, golden.real)) {
    fromFiles.push(await model.run(sample));
    progress((found.length + fromFiles.length) / total);
  }
  const wanted = rowsOf(Object.hasOwn(golden.answers, model.file) ? golden.answers[model.file]! : golden.outputs.data, inputs.length);
  const real = wanted.slice(0, golden.real);
  const asked = model.part.parity?.tolerance ?? golden.tolerance;
  const tolerance = allowedDifference(asked, model.part.spec.precision);
  // a decision may turn by as much as the input, whose range is 255 where it may differ at all
  const tie = tolerance + Math.min(reading.report.maxDifference, reading.report.tolerance) / 255;
  const outputs = difference(wanted, found, output, tolerance);
  const { agreement } = difference(real, found.slice(0, golden.real), output, tolerance);
  const agreementFromFiles = difference(real, fromFiles, output, tie).agreement;
  const wrong: string[] = [];
  if (!(outputs.maximum <= tolerance)) wrong.push(`difference ${outputs.maximum.toPrecision(2)} is over the tolerance ${tolerance.toPrecision(2)}`);
  if (agreement < 1) wrong.push(`only ${(100 * agreement).toFixed(1)}% of decisions agree`);
  progress(1);
  return {
    file: model.file,
    engine: model.engine.version,
    device: model.engine.device,
    samples: inputs.length,
    inputs: reading.report,
    outputs: { maxDifference: outputs.maximum, meanDifference: outputs.mean, tolerance, passed: outputs.maximum <= tolerance },
    decisions: { agreement, agreementFromFiles },
    passed: wrong.length === 0,
    note: wrong.join("; "),
  };
}

function check(model: Model, { inputs, outputs }: Golden): void {
  const { input, output } = model.manifest.model;
  const taken =
    input.kind === "image" ? input.shape : input.kind === "sequence" ? [null, input.features.length] : [inputs.shape[1]!];
  for (const [what, found, wanted] of [
    ["inputs", inputs.shape, taken],
    ["outputs", outputs.shape, taskOf(output).shape(output)],
  ] as const) {
    const fits = found.length === wanted.length + 1 && wanted.every((size, i) => size === null || size === found[i + 1]);
    if (!fits) throw new ZooError(`golden.npz: its ${what} [${found.join(", ")}] don't fit the manifest's`);
  }
  if (input.kind === "image" ? !(inputs.data instanceof Uint8Array) : !(inputs.data instanceof Float32Array)) {
    throw new ZooError("golden.npz: its inputs are of another type than the manifest's");
  }
}

/** Read the golden files as this browser does; where that can't be compared, the golden inputs stand in and all is missed. */
async function readFiles(
  model: Model,
  golden: Golden,
  pixelsOf: (file: Uint8Array) => Promise<Pixels>,
): Promise<{ samples: Sample[]; report: Report["inputs"] }> {
  const wanted = samplesOf(golden).slice(0, golden.raw.length);
  const tolerance = allowedInputDifference(golden.inputTolerance, model.steps.length > 0);
  try {
    const samples: Sample[] = [];
    for (const raw of golden.raw) samples.push(await readFile(model, raw, pixelsOf));
    const odd = samples.find((sample, i) => sample.shape.join() !== wanted[i]!.shape.join());
    if (odd) throw new ZooError(`a golden file is read as [${odd.shape.join(", ")}], not [${wanted[0]!.shape.join(", ")}]`);
    const maxDifference = largest(samples.map(({ data }, i) => Float64Array.from(data, (value, at) => value - wanted[i]!.data[at]!)));
    const passed = maxDifference <= tolerance;
    return { samples, report: { maxDifference, tolerance, passed, note: passed ? "" : "this browser decodes the golden files differently" } };
  } catch (problem) {
    if (!(problem instanceof ZooError)) throw problem;
    const maxDifference = largest(wanted.map(({ data }) => data));
    return { samples: wanted, report: { maxDifference, tolerance, passed: false, note: problem.message } };
  }
}

async function readFile(model: Model, raw: Uint8Array, pixelsOf: (file: Uint8Array) => Promise<Pixels>): Promise<Sample> {
  const { input } = model.manifest.model;
  if (input.kind === "table") return readRowJson(input, raw);
  if (input.kind === "sequence" && raw[0] === 0x93) return readSequenceFile(input, raw);
  return model.read(await pixelsOf(raw));
}

function samplesOf({ inputs }: Golden): Sample[] {
  const shape = inputs.shape.slice(1);
  return rowsOf(inputs.data, inputs.shape[0]!).map((data) => ({ shape, data }));
}

function rowsOf<T extends Uint8Array | Float32Array>(data: T, count: number): T[] {
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => data.slice(i * size, (i + 1) * size) as T);
}

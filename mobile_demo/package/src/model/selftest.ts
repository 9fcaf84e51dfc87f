/** Replay a bundle's golden pack in this browser: is the answer here the one PyTorch gave? The twin of `runtime/verify.py`. */

import { type Difference, allowedDifference, allowedInputDifference, difference, largest } from "./compare";
import { inputTensors } from "./graph_names";
import type { Model, Source } from "./model";
import type { Batch, Golden } from "./npz";
import { outputTensors } from "./tasks";
import { type TensorSpec, described, fits } from "./tensors";
import { type Device, type Sample, ZooError } from "./types";

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
  readonly outputs: {
    readonly maxDifference: number;
    readonly meanDifference: number;
    /** The largest difference of each of several tensors, by name. */
    readonly tensors: Difference["tensors"];
    readonly tolerance: number;
    readonly passed: boolean;
  };
  /** The share of real samples with the same decision, for the pack's own inputs, and from its files as read here. */
  readonly decisions: { readonly agreement: number; readonly agreementFromFiles: number };
  readonly passed: boolean;
  /** Why it failed; empty otherwise. */
  readonly note: string;
}

/** Reads a golden file, of its number in the pack, as `Model.read` takes it. */
export type SourceOf = (file: Uint8Array, i: number) => Promise<Source>;

/**
 * Replay the golden pack, one sample after the other.
 *
 * `sourceOf` decodes image files upright; browsers' decoders are their own, and not all of them
 * decode a JPEG at a reduced scale, so what that does to inputs and decisions is reported and fails nothing. What passes or
 * fails is the engine: on the pack's own inputs its outputs stay within the tolerance and every real decision is the same.
 *
 * @param progress is called with the share that is done, 0 to 1.
 * @throws ZooError if the pack doesn't belong to the manifest or the engine fails.
 */
export async function selfTest(
  model: Model,
  golden: Golden,
  sourceOf: SourceOf,
  progress: (share: number) => void = () => {},
): Promise<Report> {
  const { input, output } = model.manifest.model;
  const inputs = samplesOf(golden.inputs, inputTensors(input), "inputs");
  const references = samplesOf(golden.outputs, outputTensors(output), "outputs");
  const total = inputs.length + golden.raw.length;
  const replayedOutputs: Sample[] = [];
  for (const sample of inputs) {
    replayedOutputs.push(await model.run(sample));
    progress(replayedOutputs.length / total);
  }
  const reading = await readFiles(model, golden, inputs.slice(0, golden.raw.length), sourceOf);
  const fromFiles: Sample[] = [];
  for (const sample of reading.samples.slice(0, golden.real)) {
    fromFiles.push(await model.run(sample));
    progress((replayedOutputs.length + fromFiles.length) / total);
  }
  const own = golden.answers.get(model.file);
  const wanted = own ? samplesOf(own, outputTensors(output), "outputs") : references;
  const real = wanted.slice(0, golden.real);
  const asked = model.part.parity?.tolerance ?? golden.tolerance;
  const tolerance = allowedDifference(asked, model.part.spec.precision);
  // a decision may turn by as much as the input, whose range is 255 where it may differ at all
  const tie = tolerance + Math.min(reading.report.maxDifference, reading.report.tolerance) / 255;
  const outputs = difference(wanted, replayedOutputs, output, tolerance);
  const { agreement } = difference(real, replayedOutputs.slice(0, golden.real), output, tolerance);
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
    outputs: { maxDifference: outputs.maximum, meanDifference: outputs.mean, tensors: outputs.tensors, tolerance, passed: outputs.maximum <= tolerance },
    decisions: { agreement, agreementFromFiles },
    passed: wrong.length === 0,
    note: wrong.join("; "),
  };
}

/** Read the golden files as this browser does; where that can't be compared, the golden inputs stand in and all is missed. */
async function readFiles(
  model: Model,
  golden: Golden,
  wanted: readonly Sample[],
  sourceOf: SourceOf,
): Promise<{ samples: readonly Sample[]; report: Report["inputs"] }> {
  const tolerance = allowedInputDifference(golden.inputTolerance, model.manifest.model.input);
  try {
    const samples: Sample[] = [];
    for (const [i, raw] of golden.raw.entries()) samples.push(model.read(await sourceOf(raw, i)));
    const pairs = samples.flatMap((sample, i) => sample.map((values, t) => [values, wanted[i]![t]!] as const));
    for (const [{ shape }, { shape: axes }] of pairs) {
      if (shape.join() !== axes.join()) throw new ZooError(`a golden file is read as [${shape.join(", ")}], not [${axes.join(", ")}]`);
    }
    const maxDifference = largest(pairs.map(([{ data }, { data: golden }]) => Float64Array.from(data, (value, i) => value - golden[i]!)));
    const passed = maxDifference <= tolerance;
    return { samples, report: { maxDifference, tolerance, passed, note: passed ? "" : "this browser decodes the golden files differently" } };
  } catch (problem) {
    if (!(problem instanceof ZooError)) throw problem;
    const maxDifference = largest(wanted.flatMap((sample) => sample.map(({ data }) => data)));
    return { samples: wanted, report: { maxDifference, tolerance, passed: false, note: problem.message } };
  }
}

/** Return the samples of a batch, their tensors in the manifest's order. */
function samplesOf(batch: Batch, tensors: readonly TensorSpec[], what: string): Sample[] {
  const arrays = tensors.map((tensor) => batch.get(tensor.name) ?? (tensors.length === 1 ? batch.get("") : undefined));
  const sound = tensors.every((tensor, t) => arrays[t]?.dtype === tensor.dtype && fits(arrays[t]!.shape.slice(1), tensor));
  if (!sound || batch.size !== tensors.length) {
    const said = [...batch].map(([name, array]) => `${name} ${described(array)}`.trim()).join(", ");
    throw new ZooError(`golden.npz: its ${what}, ${said}, don't fit the manifest's`);
  }
  return Array.from({ length: arrays[0]!.shape[0]! }, (_, i) =>
    arrays.map((array) => {
      const [count, ...shape] = array!.shape as [number, ...number[]];
      const size = array!.data.length / count;
      return { shape, data: array!.data.slice(i * size, (i + 1) * size) };
    }),
  );
}

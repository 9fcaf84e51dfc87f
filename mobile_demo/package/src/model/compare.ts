/**
 * How far an engine's outputs are from the reference: the definition of Python's `runtime/compare.py`.
 *
 * Differences are relative to the scale of the output, the largest absolute value of the reference; values have a zero
 * that means nothing, so their scale is the largest distance from the training targets' mean.
 */

import type { Input } from "./manifest";
import { type Output, outputTensors, taskOf } from "./tasks";
import type { Numbers, Sample } from "./types";

const FP32_TOLERANCE = 1e-5;
/** The largest difference that a replay may show, relative to the output's scale; a bundle may ask for less. */
const REPLAY: Readonly<Record<string, number>> = { fp32: FP32_TOLERANCE, fp16: 0.005 };
const REPLAY_OF_INTEGERS = 0.05;
/** Decoders of images differ by a few levels of 255, resampled audio in its last bits; cells and values are read alike everywhere. */
const PIXEL_TOLERANCE = 3;
const AUDIO_TOLERANCE = 1e-6;
const FLOAT32_EPSILON = 2 ** -23;
const FLOAT32_TINY = 2 ** -126;
/** How far two results of one computation may be at least, relative to their own size, whatever they are a value of. */
const ROUNDING = 4 * FLOAT32_EPSILON;

export interface Difference {
  /** The largest and the mean difference, relative to the reference's scale. */
  readonly maximum: number;
  readonly mean: number;
  /** The share of samples with the same decision; where the reference itself has a tie, either winner counts. */
  readonly agreement: number;
  /** The largest difference of each of several tensors, by name; the other figures are those of the tensor that has the worst. */
  readonly tensors: Readonly<Record<string, number>>;
}

const FAR: Difference = { maximum: Infinity, mean: Infinity, agreement: 0, tensors: {} };

/** Return how far a replay may be from the golden answers, whatever a manifest asks for. */
export function allowedDifference(asked: number, precision: string): number {
  const limit = Object.hasOwn(REPLAY, precision) ? REPLAY[precision]! : REPLAY_OF_INTEGERS;
  return asked <= limit ? asked : limit;
}

/** Return how far an input may be from a golden one, whatever the pack asks for. */
export function allowedInputDifference(asked: number, input: Input): number {
  const limit = input.kind === "audio" ? AUDIO_TOLERANCE : "preprocess" in input && input.preprocess.length ? PIXEL_TOLERANCE : 0;
  return asked <= limit ? asked : limit;
}

/**
 * Compare the raw outputs of several samples; one of another length, or with a value that is not finite, is infinitely far.
 *
 * Several tensors are compared each by itself, so that a tensor of small values isn't hidden behind one of large ones.
 */
export function difference(reference: readonly Sample[], outputs: readonly Sample[], output: Output, tie: number): Difference {
  const names = outputTensors(output).map(({ name }) => name);
  const figures = names.map((_, t) => figuresOf(reference.map((sample) => sample[t]!.data), outputs.map((sample) => sample[t]!.data), output));
  if (!figures.every((each) => each !== undefined)) return FAR;
  const slack = figures.map(({ scale }) => tie * scale);
  const agreeing = reference.filter((sample, i) => taskOf(output).agrees(output, sample, outputs[i]!, slack));
  return {
    maximum: Math.max(...figures.map(({ maximum }) => maximum)),
    mean: Math.max(...figures.map(({ mean }) => mean)),
    agreement: agreeing.length / reference.length,
    tensors: names.length > 1 ? Object.fromEntries(figures.map(({ maximum }, t) => [names[t]!, maximum])) : {},
  };
}

/** Compare one tensor of several samples; nothing if it can't be compared. */
function figuresOf(reference: readonly Numbers[], outputs: readonly Numbers[], output: Output) {
  const pairs = reference.map((wanted, i) => [wanted, outputs[i]!] as const);
  const sound = pairs.every(([wanted, got]) => wanted.length === got.length && [wanted, got].every((each) => each.every(Number.isFinite)));
  if (!sound || !pairs.length) return undefined;
  const scale = scaleOf(reference, output);
  const gaps = pairs.map(([wanted, got]) => Float64Array.from(got, (value, i) => Math.abs(value - wanted[i]!) / scale));
  const count = gaps.reduce((sum, gap) => sum + gap.length, 0);
  return { scale, maximum: largest(gaps), mean: gaps.reduce((sum, gap) => gap.reduce((total, value) => total + value, sum), 0) / count };
}

function scaleOf(reference: readonly Numbers[], output: Output): number {
  const size = largest(reference);
  if (output.task !== "regression" && output.task !== "forecasting") return Math.max(size, FLOAT32_TINY);
  const distances = reference.map((wanted) => Float64Array.from(wanted, (value) => value - output.mean));
  return Math.max(largest(distances), output.std, (size * ROUNDING) / FP32_TOLERANCE);
}

/** Return the largest absolute value. */
export function largest(arrays: readonly ArrayLike<number>[]): number {
  let most = 0;
  for (const array of arrays) for (let i = 0; i < array.length; i++) most = Math.max(most, Math.abs(array[i]!));
  return most;
}

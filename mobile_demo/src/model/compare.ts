/**
 * How far an engine's outputs are from the reference: the definition of Python's `runtime/compare.py`.
 *
 * Differences are relative to the scale of the output, the largest absolute value of the reference; values have a zero
 * that means nothing, so their scale is the largest distance from the training targets' mean.
 */

import { type Output, taskOf } from "./tasks";

const FP32_TOLERANCE = 1e-5;
/** The largest difference that a replay may show, relative to the output's scale; a bundle may ask for less. */
const REPLAY: Readonly<Record<string, number>> = { fp32: FP32_TOLERANCE, fp16: 0.005 };
const REPLAY_OF_INTEGERS = 0.05;
/** Decoders of images differ by a few levels of 255; cells and values are read alike everywhere. */
const PIXEL_TOLERANCE = 3;
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
}

const FAR: Difference = { maximum: Infinity, mean: Infinity, agreement: 0 };

/** Return how far a replay may be from the golden answers, whatever a manifest asks for. */
export function allowedDifference(asked: number, precision: string): number {
  const limit = Object.hasOwn(REPLAY, precision) ? REPLAY[precision]! : REPLAY_OF_INTEGERS;
  return asked <= limit ? asked : limit;
}

/** Return how far an input may be from a golden one, whatever the pack asks for. */
export function allowedInputDifference(asked: number, hasPixels: boolean): number {
  const limit = hasPixels ? PIXEL_TOLERANCE : 0;
  return asked <= limit ? asked : limit;
}

/** Compare the raw outputs of several samples; one of another length, or with a value that is not finite, is infinitely far. */
export function difference(
  reference: readonly Float32Array[],
  found: readonly Float32Array[],
  output: Output,
  tie: number,
): Difference {
  const pairs = reference.map((wanted, i) => [wanted, found[i]!] as const);
  const sound = pairs.every(([wanted, got]) => wanted.length === got.length && [wanted, got].every((each) => each.every(Number.isFinite)));
  if (!sound || !pairs.length) return FAR;
  const scale = scaleOf(reference, output);
  const gaps = pairs.map(([wanted, got]) => Float64Array.from(got, (value, i) => Math.abs(value - wanted[i]!) / scale));
  const count = gaps.reduce((sum, gap) => sum + gap.length, 0);
  const agreeing = pairs.filter(([wanted, got]) => taskOf(output).agrees(output, wanted, got, tie * scale));
  return {
    maximum: largest(gaps),
    mean: gaps.reduce((sum, gap) => gap.reduce((total, value) => total + value, sum), 0) / count,
    agreement: agreeing.length / pairs.length,
  };
}

function scaleOf(reference: readonly Float32Array[], output: Output): number {
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

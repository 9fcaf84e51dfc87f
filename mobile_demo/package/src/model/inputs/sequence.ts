/** Sequences: steps of features, such as samples of sensors, or the rows of an image. */

import { readNpy } from "../npy";
import { preprocess } from "../preprocess";
import { type Of, list, literal, optional, real, record, text, where, whole } from "../schema";
import { faultOfSteps, steps } from "../steps";
import { type Pixels, type Values, ZooError } from "../types";

export const sequenceInput = where(
  record({
    kind: literal("sequence"),
    name: text,
    length: whole,
    features: list(text),
    mean: list(real),
    std: list(real),
    preprocess: optional(steps, []),
  }),
  ({ length, features, mean, std, preprocess }) => {
    const count = features.length;
    if (length < 1 || count === 0 || mean.length !== count || std.length !== count) {
      return "a sequence needs length above 0, and one mean and std for each feature";
    }
    if (new Set(features).size !== count || !std.every((value) => value > 0)) {
      return "a sequence's features need different names, and std above 0";
    }
    return preprocess.length ? faultOfSteps(preprocess, [length, count, 1]) : undefined;
  },
);

export type SequenceInput = Of<typeof sequenceInput>;

/**
 * Return the rows of an image as a sequence, `float32 [time, features]`.
 *
 * @throws ZooError if the model's sequences are no images.
 */
export function readRows(input: SequenceInput, pixels: Pixels): Values {
  if (!input.preprocess.length) throw new ZooError(`expected an array [time, ${input.features.length}], got an image`);
  return { shape: [input.length, input.features.length], data: Float32Array.from(preprocess(pixels, input.preprocess)) };
}

/**
 * Return numbers `[time][features]` as `float32 [time, features]`.
 *
 * @throws ZooError if a step has another number of features, a value is not finite, or there is no step.
 */
export function readSteps(input: SequenceInput, rows: readonly (readonly number[])[]): Values {
  const count = input.features.length;
  const odd = rows.findIndex((row) => row.length !== count);
  if (odd >= 0) throw new ZooError(`the sequence: step ${odd + 1} has ${rows[odd]!.length} numbers, expected ${count}`);
  return checked(input, Float32Array.from(rows.flat()));
}

/**
 * Read a .npy file as numbers `[time][features]`, as golden packs hold sequences that are no images.
 *
 * @throws ZooError if it is none, or has another number of features.
 */
export function readStepsFile(input: SequenceInput, bytes: Uint8Array): number[][] {
  const { shape, data } = readNpy(bytes, "the sequence");
  const width = shape.length === 1 ? 1 : shape[1];
  if (shape.length > 2 || width !== input.features.length) {
    throw new ZooError(`the sequence: expected numbers [time, ${input.features.length}], got [${shape.join(", ")}]`);
  }
  return Array.from({ length: data.length / width }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);
}

function checked({ features }: SequenceInput, data: Float32Array): Values {
  if (!data.length) throw new ZooError("the sequence: has no steps");
  if (!data.every(Number.isFinite)) throw new ZooError("the sequence: holds values that are not finite");
  return { shape: [data.length / features.length, features.length], data };
}

/**
 * How a graph made elsewhere is fed: our raw pixels to the tensor it takes, what it gives to our raw outputs.
 *
 * The twin of Python's `runtime/feed.py`; every step rounds to float32 as numpy does there.
 */

import { decoded } from "./graph_tensors";
import { toHalf } from "./half";
import { quantizationParams, toInteger, toValues } from "./quantization";
import { type Of, list, literal, nullable, optional, real, record, text, where } from "./schema";
import type { Tensor, Values } from "./types";

/** Probabilities below are taken for it: a logarithm needs some, and nobody tells a smaller one from it. */
const FLOOR = 1e-9;
const f32 = Math.fround;

export const feed = where(
  record({
    input: text,
    output: text,
    layout: literal("NHWC", "NCHW"),
    dtype: literal("uint8", "int8", "float16", "float32"),
    mean: list(real),
    std: list(real),
    order: optional(literal("RGB", "BGR"), "RGB"),
    input_scale: optional(nullable(quantizationParams), null),
    output_scale: optional(nullable(quantizationParams), null),
    gives: optional(literal("values", "softmax", "sigmoid"), "values"),
  }),
  ({ input, mean, std }) => {
    if (!input) return "a feed needs the names of the graph's input and output";
    const paired = 0 < mean.length && mean.length === std.length && std.every((value) => value > 0);
    return !paired && "mean and std need one value for each channel, std above 0";
  },
);

export type Feed = Of<typeof feed>;

const ARRAYS = { uint8: Uint8Array, int8: Int8Array, float16: Float32Array, float32: Float32Array };
/** Return the graph's input, a batch of one, for raw pixels `uint8 [height, width, channels]`. */
export function take(feed: Feed, pixels: Values): Tensor {
  const [height, width, channels] = pixels.shape as [number, number, number];
  const area = height * width;
  const values = new ARRAYS[feed.dtype](pixels.data.length);
  for (let channel = 0; channel < channels; channel++) {
    // a pixel has but 256 values, so each is computed once
    const table = Array.from({ length: 256 }, (_, value) => scaled(feed, channel, value));
    const from = feed.order === "BGR" ? channels - 1 - channel : channel;
    const [start, stride] = feed.layout === "NCHW" ? [channel * area, 1] : [channel, channels];
    for (let i = 0; i < area; i++) values[start + i * stride] = table[pixels.data[i * channels + from]!]!;
  }
  const shape = feed.layout === "NCHW" ? [1, channels, height, width] : [1, height, width, channels];
  return { dtype: feed.dtype, shape, data: feed.dtype === "float16" ? Uint16Array.from(values, toHalf) : values };
}

function scaled(feed: Feed, channel: number, value: number): number {
  const changed = feed.mean.some((mean) => f32(mean) !== 0) || feed.std.some((std) => f32(std) !== 1) || feed.input_scale;
  const normal = changed ? f32(f32(value - f32(feed.mean[channel]!)) / f32(feed.std[channel]!)) : value;
  return feed.input_scale ? toInteger(feed.input_scale, feed.dtype, normal) : normal;
}

/** Return raw outputs `float32 [values]` for what the graph gave for one image. */
export function give(feed: Feed, tensor: Tensor): Float32Array {
  const numbers = decoded(tensor);
  const values = feed.output_scale ? toValues(feed.output_scale, numbers) : Float32Array.from(numbers);
  if (feed.gives === "values") return values;
  // softmax and sigmoid turn these back into the very probabilities
  const log = (chance: number): number => f32(Math.log(f32(Math.min(1, Math.max(f32(FLOOR), chance)))));
  return values.map((value) => log(value) - (feed.gives === "sigmoid" ? log(f32(1 - value)) : 0));
}

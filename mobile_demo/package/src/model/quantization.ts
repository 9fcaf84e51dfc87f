/** Integers that stand for real values, as the graphs of quantized files take and give them: Python's `runtime/quantization.py`. */

import { roundEven } from "./round";
import { type Of, real, record, where, whole } from "./schema";
import type { Numbers } from "./types";

const f32 = Math.fround;

export const quantizationParams = where(
  record({ scale: real, zero_point: whole }),
  ({ scale, zero_point }) =>
    !(scale > 0 && -(2 ** 15) <= zero_point && zero_point < 2 ** 16) &&
    `a quantized tensor needs a scale above 0 and a 16-bit zero point, got ${scale}, ${zero_point}`,
);

export type QuantizationParams = Of<typeof quantizationParams>;

/** The ranges of the types that integers have in graphs. */
export const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 2 ** 8 - 1],
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Return the integer of a type that stands for a real value, rounded to even and clipped to the type's range. */
export function toInteger({ scale, zero_point }: QuantizationParams, dtype: string, value: number): number {
  const [low, high] = LIMITS[dtype] ?? [-Infinity, Infinity];
  return Math.min(high, Math.max(low, f32(roundEven(f32(value / f32(scale))) + zero_point)));
}

/** Return the real values that integers stand for. */
export function toValues({ scale, zero_point }: QuantizationParams, integers: Numbers): Float32Array {
  return Float32Array.from(integers, (integer) => f32(f32(integer) - f32(zero_point)) * f32(scale));
}

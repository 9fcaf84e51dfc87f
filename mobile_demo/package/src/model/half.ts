/** IEEE 754 binary16 as bits; not every browser has `Float16Array` yet. */

import { roundEven } from "./round";

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** Return the bits of the half-precision number nearest to a float32, ties to even. */
export function toHalf(value: number): number {
  single[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const size = Math.abs(single[0]!);
  if (Number.isNaN(size)) return sign | 0x7e00;
  if (size >= 65520) return sign | 0x7c00; // rounds to above the largest, 65504
  if (size < 2 ** -14) return sign | roundEven(size * 2 ** 24); // subnormal
  const exponent = Math.floor(Math.log2(size));
  return sign | (((exponent + 14) << 10) + roundEven(size * 2 ** (10 - exponent)));
}

export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

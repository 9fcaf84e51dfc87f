/**
 * Resampling in 8-bit fixed point, to the byte what Pillow 13 does; the algorithm is that of its Resample.c, and of
 * Geometry.c for `nearest`.
 *
 * A horizontal and a vertical pass convolve with a filter that widens when an image shrinks. Weights are computed in
 * float64, scaled to whole numbers of `BITS` bits, and every pass rounds to 8 bits.
 */

import { resizeBilinear } from "./opencv";
import { type Image, type Taps, resampled } from "./passes";
import type { Interpolation } from "./steps";

/** Left, top, right, bottom in pixels of the source. */
export type Box = readonly [number, number, number, number];

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

/** Two of 32 bits are spare, for sums of weights above 1 and below 0. */
const BITS = 32 - 8 - 2;

const FILTERS: Readonly<Record<Exclude<Interpolation, "nearest" | "opencv-bilinear">, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic convolution with a = -0.5. */
function bicubic(x: number): number {
  const size = Math.abs(x);
  if (size < 1) return (1.5 * size - 2.5) * size * size + 1;
  if (size < 2) return (((size - 5) * size + 8) * size - 4) * -0.5;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** Return what `box` of the image shows, in `width` x `height` pixels, which may lie in memory that the next call uses. */
export function resample(image: Image, width: number, height: number, interpolation: Interpolation, box: Box): Image {
  // Pillow keeps a box in float32
  const [left, top, right, bottom] = box.map(Math.fround) as [number, number, number, number];
  const [wide, high] = [Math.fround(right - left), Math.fround(bottom - top)];
  if (Number.isInteger(left) && Number.isInteger(top) && wide === width && high === height) {
    return crop(image, left, top, width, height);
  }
  if (interpolation === "opencv-bilinear") return resizeBilinear(image, width, height); // its box is the whole image
  if (interpolation === "nearest") {
    return pick(image, nearestIndices(image.width, left, wide, width), nearestIndices(image.height, top, high, height));
  }
  const columns = keptTaps(image.width, left, wide, width, interpolation);
  const rows = keptTaps(image.height, top, high, height, interpolation);
  const wider = width !== image.width || left !== 0 || right !== width;
  const higher = height !== image.height || top !== 0 || bottom !== height;
  // Pillow 13 turned the order round for heights that shrink a lot: each pass rounds, so the order shows in the bytes
  const shrunk = image.height - height;
  const isDownFirst = shrunk > 0 && shrunk > 2 * (image.width - width);
  return resampled(image, wider ? columns : undefined, higher ? rows : undefined, isDownFirst);
}

function crop(image: Image, left: number, top: number, width: number, height: number): Image {
  if (width === image.width && height === image.height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * channels;
    data.set(image.data.subarray(start, start + width * channels), y * width * channels);
  }
  return { width, height, channels, data };
}

/** Return which pixel of a line of `size` each of `count` takes, -1 for none; positions add up as Pillow's do. */
function nearestIndices(size: number, start: number, length: number, count: number): Int32Array {
  const step = length / count;
  let at = start + step * 0.5;
  return Int32Array.from({ length: count }, () => {
    const index = Math.floor(at);
    at += step;
    return index < size ? index : -1;
  });
}

function pick(image: Image, columns: Int32Array, rows: Int32Array): Image {
  const { channels, data: from } = image;
  const data = new Uint8Array(columns.length * rows.length * channels);
  let o = 0;
  for (const y of rows) {
    for (const x of columns) {
      const start = (y * image.width + x) * channels;
      for (let channel = 0; channel < channels; channel++, o++) if (x >= 0 && y >= 0) data[o] = from[start + channel]!;
    }
  }
  return { width: columns.length, height: rows.length, channels, data };
}

/** The taps of the last images, which often have one size. */
const kept = new Map<string, Taps>();
const KEPT = 8;

function keptTaps(...line: Parameters<typeof tapsOf>): Taps {
  const key = line.join();
  const taps = kept.get(key) ?? tapsOf(...line);
  if (kept.size >= KEPT) kept.clear();
  kept.set(key, taps);
  return taps;
}

/** Return what each of `count` pixels sums of a line of `size`, of which it shows `length` from `start` on. */
function tapsOf(size: number, start: number, length: number, count: number, interpolation: keyof typeof FILTERS): Taps {
  const filter = FILTERS[interpolation];
  const scale = length / count;
  const wide = Math.max(1, scale);
  const support = filter.support * wide;
  const most = Math.ceil(support) * 2 + 1;
  const apart = most + (-most & 3); // four weights are read at a time
  const table = new Int32Array(2 * count);
  const weights = new Int32Array(count * apart);
  const line = new Float64Array(most);
  const shrink = 1 / wide;
  for (let i = 0; i < count; i++) {
    const center = start + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const taps = Math.min(size, Math.trunc(center + support + 0.5)) - first;
    let sum = 0;
    for (let x = 0; x < taps; x++) {
      line[x] = filter.weight((x + first - center + 0.5) * shrink);
      sum += line[x]!;
    }
    for (let x = 0; x < taps; x++) {
      const value = (sum === 0 ? line[x]! : line[x]! / sum) * (1 << BITS);
      weights[i * apart + x] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    table[2 * i] = first;
    table[2 * i + 1] = taps;
  }
  return { table, weights, size: apart };
}

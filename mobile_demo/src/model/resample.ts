/**
 * Resampling in 8-bit fixed point, to the byte what Pillow 13 does; the algorithm is that of its Resample.c, and of
 * Geometry.c for `nearest`.
 *
 * A horizontal and a vertical pass convolve with a filter that widens when an image shrinks. Weights are computed in
 * float64, scaled to whole numbers of `BITS` bits, and every pass rounds to 8 bits.
 */

import type { Interpolation } from "./steps";

export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Left, top, right, bottom in pixels of the source. */
export type Box = readonly [number, number, number, number];

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

/** Two of 32 bits are spare, for sums of weights above 1 and below 0. */
const BITS = 32 - 8 - 2;
const HALF = 1 << (BITS - 1);

const FILTERS: Readonly<Record<Exclude<Interpolation, "nearest">, Filter>> = {
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

/** Return what `box` of the image shows, in `width` x `height` pixels. */
export function resample(image: Image, width: number, height: number, interpolation: Interpolation, box: Box): Image {
  // Pillow keeps a box in float32
  const [left, top, right, bottom] = box.map(Math.fround) as [number, number, number, number];
  const [wide, high] = [Math.fround(right - left), Math.fround(bottom - top)];
  if (Number.isInteger(left) && Number.isInteger(top) && wide === width && high === height) {
    return crop(image, left, top, width, height);
  }
  if (interpolation === "nearest") {
    return pick(image, places(image.width, left, wide, width), places(image.height, top, high, height));
  }
  const filter = FILTERS[interpolation];
  const columns = weights(image.width, left, wide, width, filter);
  const rows = weights(image.height, top, high, height, filter);
  const across = width !== image.width || left !== 0 || right !== width;
  const down = height !== image.height || top !== 0 || bottom !== height;
  // Pillow 13 turned the order round for heights that shrink a lot: each pass rounds, so the order shows in the bytes
  const shrunk = image.height - height;
  if (shrunk > 0 && shrunk > 2 * (image.width - width)) {
    const lowered = down ? vertical(image, rows, height, 0) : image;
    return across ? horizontal(lowered, columns, width, 0, height) : lowered;
  }
  const [first, last] = [rows.starts[0]!, rows.starts[height - 1]! + rows.counts[height - 1]!];
  const narrowed = across ? horizontal(image, columns, width, first, last) : image;
  return down ? vertical(narrowed, rows, height, across ? first : 0) : narrowed;
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
function places(size: number, start: number, length: number, count: number): Int32Array {
  const step = length / count;
  let at = start + step * 0.5;
  return Int32Array.from({ length: count }, () => {
    const place = Math.floor(at);
    at += step;
    return place < size ? place : -1;
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

/** For each output pixel of a line: the first input pixel, their number, and their weights at `size` times its place. */
interface Weights {
  readonly size: number;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly values: Int32Array;
}

function weights(size: number, start: number, length: number, count: number, filter: Filter): Weights {
  const scale = length / count;
  const wide = Math.max(1, scale);
  const support = filter.support * wide;
  const most = Math.ceil(support) * 2 + 1;
  const [starts, counts, values] = [new Int32Array(count), new Int32Array(count), new Int32Array(count * most)];
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
      values[i * most + x] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    starts[i] = first;
    counts[i] = taps;
  }
  return { size: most, starts, counts, values };
}

/** Resample the rows from `first` up to `last`, the only ones that the vertical pass looks at. */
function horizontal(image: Image, { size, starts, counts, values }: Weights, width: number, first: number, last: number): Image {
  const { channels, data: from } = image;
  const data = new Uint8Array(width * (last - first) * channels);
  const stride = image.width * channels;
  let o = 0;
  for (let y = first; y < last; y++) {
    for (let x = 0; x < width; x++) {
      const weight = x * size;
      const taps = counts[x]!;
      let at = y * stride + starts[x]! * channels;
      if (channels === 1) {
        let sum = HALF;
        for (let tap = 0; tap < taps; tap++) sum = (sum + Math.imul(from[at++]!, values[weight + tap]!)) | 0;
        data[o++] = clip(sum);
      } else {
        let red = HALF;
        let green = HALF;
        let blue = HALF;
        for (let tap = 0; tap < taps; tap++, at += 3) {
          const value = values[weight + tap]!;
          red = (red + Math.imul(from[at]!, value)) | 0;
          green = (green + Math.imul(from[at + 1]!, value)) | 0;
          blue = (blue + Math.imul(from[at + 2]!, value)) | 0;
        }
        data[o++] = clip(red);
        data[o++] = clip(green);
        data[o++] = clip(blue);
      }
    }
  }
  return { width, height: last - first, channels, data };
}

/** Resample the columns of an image whose first row is the source's row `offset`. */
function vertical(image: Image, { size, starts, counts, values }: Weights, height: number, offset: number): Image {
  const { width, channels, data: from } = image;
  const stride = width * channels;
  const data = new Uint8Array(stride * height);
  let o = 0;
  for (let y = 0; y < height; y++) {
    const weight = y * size;
    const taps = counts[y]!;
    const start = (starts[y]! - offset) * stride;
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      for (let tap = 0, at = start + x; tap < taps; tap++, at += stride) {
        sum = (sum + Math.imul(from[at]!, values[weight + tap]!)) | 0;
      }
      data[o++] = clip(sum);
    }
  }
  return { width, height, channels, data };
}

function clip(sum: number): number {
  const value = sum >> BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** OpenCV's bilinear resampling, to the byte what Python's `runtime/images/opencv.py` does, which says how. */

import type { Image } from "./passes";
import { roundEven } from "./round";

/** Weights have 11 bits. */
const COEFFICIENT_SCALE = 2048;

/** Which two pixels of a line each output pixel mixes, and their weights. */
interface Taps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly firstWeight: Int32Array;
  readonly secondWeight: Int32Array;
}

/** Return the image in `width` x `height` pixels; one that shrinks isn't averaged. */
export function resizeBilinear(image: Image, width: number, height: number): Image {
  const { channels } = image;
  const columns = tapsOf(image.width, width, true);
  const rows = tapsOf(image.height, height, false);
  const data = new Uint8Array(width * height * channels);
  const size = width * channels;
  let [upper, lower] = [new Int32Array(size), new Int32Array(size)];
  let [upperRow, lowerRow] = [-1, -1]; // of the image, which the two lines hold
  for (let y = 0, o = 0; y < height; y++) {
    const [first, second] = [rows.first[y]!, rows.second[y]!];
    if (first === lowerRow) [upper, lower, upperRow, lowerRow] = [lower, upper, lowerRow, upperRow];
    if (first !== upperRow) across(image, first, columns, upper);
    if (second !== lowerRow) across(image, second, columns, lower);
    [upperRow, lowerRow] = [first, second];
    const [above, below] = [rows.firstWeight[y]!, rows.secondWeight[y]!];
    for (let i = 0; i < size; i++, o++) data[o] = (((upper[i]! * above) >> 16) + ((lower[i]! * below) >> 16) + 2) >> 2;
  }
  return { width, height, channels, data };
}

/** Write a row of the image in the new width, in units of 1/128. */
function across({ width, channels, data }: Image, row: number, taps: Taps, line: Int32Array): void {
  const start = row * width * channels;
  for (let x = 0, o = 0; x < taps.first.length; x++) {
    const [left, right] = [start + taps.first[x]! * channels, start + taps.second[x]! * channels];
    const [before, after] = [taps.firstWeight[x]!, taps.secondWeight[x]!];
    for (let channel = 0; channel < channels; channel++, o++) {
      line[o] = (data[left + channel]! * before + data[right + channel]! * after) >> 4;
    }
  }
}

/** Return the taps of each of `count` pixels of a line of `size`; where it `stops`, a pixel beyond the center of the first or the last one has the whole weight there. */
function tapsOf(size: number, count: number, stops: boolean): Taps {
  const scale = 1 / (count / size); // OpenCV divides twice
  const taps = {
    first: new Int32Array(count),
    second: new Int32Array(count),
    firstWeight: new Int32Array(count),
    secondWeight: new Int32Array(count),
  };
  for (let i = 0; i < count; i++) {
    const center = Math.fround((i + 0.5) * scale - 0.5);
    const first = Math.floor(center);
    const fraction = stops && (first < 0 || first >= size - 1) ? 0 : Math.fround(center - first);
    taps.first[i] = Math.min(Math.max(first, 0), size - 1);
    taps.second[i] = Math.min(Math.max(first + 1, 0), size - 1);
    taps.firstWeight[i] = roundEven(Math.fround(1 - fraction) * COEFFICIENT_SCALE);
    taps.secondWeight[i] = roundEven(fraction * COEFFICIENT_SCALE);
  }
  return taps;
}

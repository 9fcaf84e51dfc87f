/** The work on every pixel, in WebAssembly: `passes.wat` has it, and this is how images get there and back. */

import program from "./passes.wat";
import { ZooError } from "./types";

/** Pixels inside the layer: grey, or colours of four bytes, of which the fourth means nothing. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 4;
  readonly data: Uint8Array;
}

/** For each output pixel of a line: the first input pixel, their number, and weights, `size` of them apart. */
export interface Taps {
  readonly table: Int32Array;
  readonly weights: Int32Array;
  readonly size: number;
}

interface Program {
  readonly memory: WebAssembly.Memory;
  across1(from: number, stride: number, rows: number, to: number, width: number, taps: number, weights: number, size: number): void;
  across4(from: number, stride: number, rows: number, to: number, width: number, taps: number, weights: number, size: number): void;
  down(from: number, stride: number, rows: number, to: number, taps: number, weights: number, size: number): void;
  luma(from: number, to: number, count: number): void;
}

/** How many bytes of an image are worked on at a time, which also bounds the memory that is kept. */
const BLOCK = 2 ** 18;
/** What is read and written 16 bytes at a time may run over its end. */
const SLACK = 64;
const PAGE = 2 ** 16;

let made: Program | undefined;

/** Return the program with at least so many bytes of memory. */
function ready(bytes: number): Program {
  made ??= new WebAssembly.Instance(new WebAssembly.Module(program)).exports as unknown as Program;
  const lacking = Math.ceil((bytes - made.memory.buffer.byteLength) / PAGE);
  try {
    if (lacking > 0) made.memory.grow(lacking);
  } catch {
    throw new ZooError(`too little memory for an image of this size (${Math.ceil(bytes / 2 ** 20)} MB more are needed)`);
  }
  return made;
}

/** Resample the rows from `first` up to `last` to another width. */
export function across(image: Image, taps: Taps, width: number, first: number, last: number): Image {
  const { channels } = image;
  const [stride, wide] = [image.width * channels, width * channels];
  const rows = Math.max(1, Math.floor(BLOCK / Math.max(stride, wide)));
  const weights = taps.table.byteLength;
  const from = weights + taps.weights.byteLength;
  const to = from + rows * stride + SLACK;
  const { memory, across1, across4 } = ready(to + rows * wide + SLACK);
  const heap = new Uint8Array(memory.buffer);
  put(heap, 0, taps.table);
  put(heap, weights, channels === 1 ? taps.weights : halved(taps.weights));
  const work = channels === 1 ? across1 : across4;
  const data = new Uint8Array((last - first) * wide);
  for (let y = first; y < last; y += rows) {
    const count = Math.min(rows, last - y);
    heap.set(image.data.subarray(y * stride, (y + count) * stride), from);
    work(from, stride, count, to, width, 0, weights, 4 * taps.size);
    data.set(heap.subarray(to, to + count * wide), (y - first) * wide);
  }
  return { width, height: last - first, channels, data };
}

/** Resample to another height; the image's first row is the source's row `offset`. */
export function down(image: Image, taps: Taps, height: number, offset: number): Image {
  const { width, channels } = image;
  const stride = width * channels;
  const data = new Uint8Array(stride * height);
  const step = Math.max(1, Math.floor((height * BLOCK) / Math.max(image.data.length, data.length)));
  for (let y = 0; y < height; y += step) {
    const table = taps.table.slice(2 * y, 2 * (y + step));
    const count = table.length / 2;
    const first = table[0]!;
    const last = table.at(-2)! + table.at(-1)!;
    for (let i = 0; i < table.length; i += 2) table[i]! -= first;
    const values = taps.weights.subarray(y * taps.size, (y + count) * taps.size);
    const from = table.byteLength + values.byteLength;
    const to = from + (last - first) * stride + SLACK;
    const { memory, down } = ready(to + count * stride + SLACK);
    const heap = new Uint8Array(memory.buffer);
    put(heap, 0, table);
    put(heap, table.byteLength, values);
    heap.set(image.data.subarray((first - offset) * stride, (last - offset) * stride), from);
    down(from, stride, count, to, 0, table.byteLength, 4 * taps.size);
    data.set(heap.subarray(to, to + count * stride), y * stride);
  }
  return { width, height, channels, data };
}

/** Return the grey of colours: ITU-R 601-2 in 16 bits of fixed point, as Pillow's Convert.c has it. */
export function grey(image: Image): Image {
  const { width, height } = image;
  const data = new Uint8Array(width * height);
  const step = BLOCK / 4;
  const { memory, luma } = ready(Math.min(5 * data.length, 5 * step) + 2 * SLACK);
  const heap = new Uint8Array(memory.buffer);
  for (let at = 0; at < data.length; at += step) {
    const count = Math.min(step, data.length - at);
    const to = 4 * count + SLACK;
    heap.set(image.data.subarray(4 * at, 4 * (at + count)), 0);
    luma(0, to, count);
    data.set(heap.subarray(to, to + count), at);
  }
  return { width, height, channels: 1, data };
}

/** Return the lower 15 bits of each pair of weights, then the rest of both, in 16 bits each. */
function halved(weights: Int32Array): Int32Array {
  const halves = new Int16Array(2 * weights.length);
  for (let i = 0; i < weights.length; i++) {
    const at = 2 * i - (i & 1);
    halves[at] = weights[i]! & 0x7fff;
    halves[at + 2] = weights[i]! >> 15;
  }
  return new Int32Array(halves.buffer);
}

function put(heap: Uint8Array, at: number, numbers: Int32Array): void {
  heap.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), at);
}

/** The work on every pixel, in WebAssembly: `passes.wat` has it, and this is how images get there and back. */

import program from "./passes.wat";
import { ZooError } from "./types";

/** Pixels inside the layer: gray, colors of four bytes, of which the fourth means nothing, or of three once they are resampled. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
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
  swap(from: number, end: number, alpha: number): void;
}

/** How many bytes of an image are brought there at a time. */
const BLOCK = 2 ** 18;
/** What is read and written 16 bytes at a time may run over its end. */
const SLACK = 64;
const PAGE = 2 ** 16;
/** The memory that is kept between calls, in bytes. */
const KEPT = 2 ** 24;

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

/** Pieces of the program's memory, one after the other. */
class Space {
  /** Where the last piece ends. */
  end = 0;

  /** Return where a new piece begins. */
  take(bytes: number): number {
    const at = this.end;
    this.end += SLACK * Math.ceil(bytes / SLACK + 1);
    return at;
  }

  /** Copy data into a new piece, or to `at`; returns where it begins. */
  put(data: Uint8Array | Int32Array, at = this.take(data.byteLength)): number {
    bytesOf(ready(at + data.byteLength + SLACK)).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    return at;
  }
}

function bytesOf({ memory }: Program): Uint8Array {
  return new Uint8Array(memory.buffer);
}

/**
 * Resample an image along its rows by `columns`, along its columns by `rows`, or both.
 *
 * What lies between the passes stays in the program's memory, because fresh memory takes longer than a pass.
 *
 * @returns pixels that lie there until the next call; of colors that were resampled along their rows three bytes are left.
 */
export function resampled(image: Image, columns: Taps | undefined, rows: Taps | undefined, isDownFirst: boolean): Image {
  const channels = columns && image.channels === 4 ? 3 : image.channels;
  const [width, height] = [columns ? columns.table.length / 2 : image.width, rows ? rows.table.length / 2 : image.height];
  const [stride, wide] = [image.width * image.channels, width * channels];
  const space = new Space();
  const across = columns && acrossBy(columns, space, image.channels, stride);
  const down = rows && downBy(rows, space);
  const to = space.take(height * wide);
  const load = (first: number, last: number): number => space.put(image.data.subarray(first * stride, last * stride), space.end);
  if (across && !(down && isDownFirst)) {
    const [first, last] = rows ? span(rows, 0, height) : [0, height];
    const middle = down ? space.take((last - first) * wide) : to;
    const step = Math.max(1, Math.floor(BLOCK / stride));
    for (let y = first; y < last; y += step) {
      const next = Math.min(y + step, last);
      across(load(y, next), next - y, middle + (y - first) * wide);
    }
    down?.(middle - first * wide, wide, 0, height, to);
  } else if (down) {
    const middle = across ? space.take(height * stride) : to;
    const step = Math.max(1, Math.floor((height * BLOCK) / Math.max(image.data.length, height * stride)));
    for (let y = 0; y < height; y += step) {
      const next = Math.min(y + step, height);
      const [first, last] = span(rows!, y, next);
      down(load(first, last) - first * stride, stride, y, next, middle + y * stride);
    }
    across?.(middle, height, to);
  }
  const program = ready(0);
  if (program.memory.buffer.byteLength > KEPT) made = undefined;
  return { width, height, channels, data: bytesOf(program).subarray(to, to + height * wide) };
}

/** Return the first row that the rows from `y` up to `next` are made of, and the one after the last. */
function span({ table }: Taps, y: number, next: number): [number, number] {
  return [table[2 * y]!, table[2 * next - 2]! + table[2 * next - 1]!];
}

/** Return what resamples `count` rows, from one address to another. */
function acrossBy({ table, weights, size }: Taps, space: Space, channels: number, stride: number) {
  const [taps, at] = [space.put(table), space.put(channels === 1 ? weights : halved(weights))];
  return (from: number, count: number, to: number): void =>
    ready(space.end)[channels === 1 ? "across1" : "across4"](from, stride, count, to, table.length / 2, taps, at, 4 * size);
}

/** Return what computes the rows from `y` up to `next`; the source's row 0 would lie at the address `from`. */
function downBy({ table, weights, size }: Taps, space: Space) {
  const [taps, at] = [space.put(table), space.put(weights)];
  return (from: number, stride: number, y: number, next: number, to: number): void =>
    ready(space.end).down(from, stride, next - y, to, taps + 8 * y, at + 4 * size * y, 4 * size);
}

/** Exchange red and blue of pixels of four bytes in place; the fourth byte becomes 255 where they are opaque. */
export function swap(pixels: Uint8Array, isOpaque: boolean): void {
  const program = ready(BLOCK);
  const heap = bytesOf(program);
  for (let at = 0; at < pixels.length; at += BLOCK) {
    const block = pixels.subarray(at, at + BLOCK);
    heap.set(block);
    program.swap(0, block.length, isOpaque ? 0xff << 24 : 0);
    block.set(heap.subarray(0, block.length));
  }
}

/** Return the gray of colors: ITU-R 601-2 in 16 bits of fixed point, as Pillow's Convert.c has it. */
export function gray(image: Image): Image {
  const { width, height } = image;
  const data = new Uint8Array(width * height);
  const step = BLOCK / 4;
  const program = ready(Math.min(5 * data.length, 5 * step) + 2 * SLACK);
  const heap = bytesOf(program);
  for (let at = 0; at < data.length; at += step) {
    const count = Math.min(step, data.length - at);
    const to = 4 * count + SLACK;
    heap.set(image.data.subarray(4 * at, 4 * (at + count)), 0);
    program.luma(0, to, count);
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

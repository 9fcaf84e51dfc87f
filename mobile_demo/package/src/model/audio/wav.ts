/**
 * WAV files: integers of 8 to 32 bits and floats, of any number of channels. The twin of Python's `runtime/audio/wav.py`.
 *
 * The format is that of RIFF (Microsoft and IBM, 1991) with WAVE_FORMAT_EXTENSIBLE.
 */

import { ZooError } from "../types";
import { BLOCK, NAME, type Recording } from "./recording";

const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];
const BITS: Readonly<Record<number, readonly number[]>> = { [PCM]: [8, 16, 24, 32], [FLOAT]: [32, 64] };
/** A size from here on, or of 0, says that the writer could not go back to write it: the data goes to the end. */
const OPEN_END = 0xfffffff0;
const MAX_CHUNKS = 1000;

interface Layout {
  readonly code: number;
  readonly bits: number;
  readonly channels: number;
  readonly rate: number;
  readonly frameBytes: number;
}

export function isWav(bytes: Uint8Array): boolean {
  return textOf(bytes, 0) === "RIFF";
}

/**
 * Open a WAV file.
 *
 * @throws ZooError if it is damaged, or of another encoding; its blocks throw if it ends before its audio does.
 */
export function openWav(bytes: Uint8Array): Recording {
  const { layout, start, size } = described(bytes);
  return { rate: layout.rate, channels: layout.channels, blocks: () => blocks(bytes.subarray(start), layout, size) };
}

/** Find the audio and how it is laid out; a size of undefined stands for all that follows. */
function described(bytes: Uint8Array): { layout: Layout; start: number; size: number | undefined } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (count: number): number => {
    const left = bytes.length - at;
    if (left < count) throw new ZooError(`${NAME}: ${left > 0 ? "truncated" : "empty or truncated"}: not a whole WAV file`);
    at += count;
    return at - count;
  };
  take(12);
  if (!isWav(bytes) || textOf(bytes, 8) !== "WAVE") throw new ZooError(`${NAME}: not a WAV file`);
  let layout: Layout | undefined;
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    const head = take(8);
    const [kind, size] = [textOf(bytes, head), view.getUint32(head + 4, true)];
    if (kind === "data") {
      if (!layout) throw new ZooError(`${NAME}: damaged: its format is not stated before its audio`);
      return { layout, start: at, size: size === 0 || size >= OPEN_END ? undefined : size };
    }
    let rest = size;
    if (kind === "fmt ") {
      const length = Math.min(size, 40);
      layout = layoutOf(new DataView(bytes.buffer, bytes.byteOffset + take(length), length));
      rest -= length;
    }
    rest += size % 2;
    if (bytes.length - at < rest) throw new ZooError(`${NAME}: truncated: it ends before its audio`);
    at += rest;
  }
  throw new ZooError(`${NAME}: damaged: no audio among its first ${MAX_CHUNKS} chunks`);
}

function layoutOf(fields: DataView): Layout {
  if (fields.byteLength < 16) throw new ZooError(`${NAME}: damaged: its format takes ${fields.byteLength} bytes, not 16 or more`);
  const stated = fields.getUint16(0, true);
  const code = stated === EXTENSIBLE && fields.byteLength === 40 ? fields.getUint16(24, true) : stated;
  const [channels, rate, frameBytes, bits] = [fields.getUint16(2, true), fields.getUint32(4, true), fields.getUint16(12, true), fields.getUint16(14, true)];
  if (!BITS[code]?.includes(bits)) {
    const wanted = "wanted PCM of 8, 16, 24 or 32 bits or floats of 32 or 64: convert it";
    throw new ZooError(`${NAME}: a WAV file of encoding ${code} with ${bits} bits; ${wanted}`);
  }
  if (!channels || frameBytes !== (channels * bits) / 8) {
    throw new ZooError(`${NAME}: damaged: a frame of ${channels} channels of ${bits} bits in ${frameBytes} bytes`);
  }
  return { code, bits, channels, rate, frameBytes };
}

function* blocks(bytes: Uint8Array, layout: Layout, size: number | undefined): Generator<Float64Array> {
  const { frameBytes } = layout;
  let left = Math.floor((size ?? bytes.length) / frameBytes) * frameBytes;
  for (let at = 0; left > 0; at += BLOCK * frameBytes) {
    const wanted = Math.min(BLOCK * frameBytes, left);
    const data = bytes.subarray(at, at + wanted);
    if (data.length < wanted) {
      throw new ZooError(`${NAME}: truncated: ${size! - at - data.length} bytes of its audio are missing`);
    }
    yield valuesOf(data, layout);
    left -= wanted;
  }
}

function valuesOf(data: Uint8Array, { code, bits }: Layout): Float64Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const width = bits / 8;
  const read = reader(view, code, bits);
  const values = new Float64Array(data.length / width);
  for (let i = 0; i < values.length; i++) values[i] = read(i * width);
  return values;
}

/** Return what reads the sample at an offset: integers as -1 to 1. */
function reader(view: DataView, code: number, bits: number): (at: number) => number {
  if (code === FLOAT) return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 2 ** 15;
  if (bits === 24) return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23;
  return (at) => view.getInt32(at, true) / 2 ** 31;
}

function textOf(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

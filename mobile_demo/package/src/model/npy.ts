/** One array of numpy's .npy format (numpy/lib/format.py: versions 1 to 3), of the types that bundles use. */

import { fromHalf } from "./half";
import { type Numbers, type Values, ZooError } from "./types";

const TYPES = {
  "|u1": "uint8",
  "|i1": "int8",
  "|b1": "bool",
  "<u2": "uint16",
  "<i2": "int16",
  "<u4": "uint32",
  "<i4": "int32",
  "<i8": "int64",
  "<u8": "uint64",
  "<f2": "float16",
  "<f4": "float32",
  "<f8": "float64",
} as const;

export type NpyType = (typeof TYPES)[keyof typeof TYPES];

export interface NpyArray extends Values {
  /** The type of the elements in the file. */
  readonly dtype: NpyType;
}

/**
 * Decode a .npy file.
 *
 * @throws ZooError if it is none, or is of another type, in Fortran's order or of another length than it says, or holds a
 *   whole number beyond 2 ** 53.
 */
export function readNpy(bytes: Uint8Array, where: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  const wide = bytes[6] !== 1;
  const start = wide ? 12 : 10;
  if (bytes.length < start || magic.some((byte, i) => bytes[i] !== byte)) throw new ZooError(`${where}: not a .npy file`);
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, Math.min(end, start + 10_000)));
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? "";
  const axes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (!Object.hasOwn(TYPES, descr) || axes === undefined || !/'fortran_order':\s*False/.test(header)) {
    throw new ZooError(`${where}: not an array of numbers that is read here (${header.trim().slice(0, 80)})`);
  }
  const dtype = TYPES[descr as keyof typeof TYPES];
  const shape = axes.split(",").filter((axis) => axis.trim()).map(Number);
  const count = shape.reduce((product, axis) => product * axis, 1);
  if (count * Number(descr[2]) !== bytes.length - end) {
    throw new ZooError(`${where}: damaged (${bytes.length - end} bytes for ${dtype} [${shape.join(", ")}])`);
  }
  // a copy: typed arrays must start at multiples of their size
  return { dtype, shape, data: numbers(dtype, bytes.slice(end).buffer, where) };
}

function numbers(dtype: NpyType, buffer: ArrayBuffer, where: string): Numbers {
  switch (dtype) {
    case "uint8":
    case "bool":
      return new Uint8Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "int64":
      return exact(new BigInt64Array(buffer), where);
    case "uint64":
      return exact(new BigUint64Array(buffer), where);
    case "float16":
      return Float32Array.from(new Uint16Array(buffer), fromHalf);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
  }
}

function exact(values: BigInt64Array | BigUint64Array, where: string): Float64Array {
  const exactly = Float64Array.from(values as BigInt64Array, Number);
  if (exactly.every(Number.isSafeInteger)) return exactly;
  throw new ZooError(`${where}: holds a whole number beyond 2 ** 53, which a browser rounds`);
}

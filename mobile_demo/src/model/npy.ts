/** One array of numpy's .npy format (numpy/lib/format.py: versions 1 to 3), of the types that bundles use. */

import { ZooError } from "./types";

const TYPES = {
  "|u1": Uint8Array,
  "|i1": Int8Array,
  "<u2": Uint16Array,
  "<i2": Int16Array,
  "<u4": Uint32Array,
  "<i4": Int32Array,
  "<f4": Float32Array,
  "<f8": Float64Array,
};

type Dtype = keyof typeof TYPES;

export interface NpyArray {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: InstanceType<(typeof TYPES)[Dtype]>;
}

/**
 * Decode a .npy file.
 *
 * @throws ZooError if it is none, or is of another type, in Fortran's order or of another length than it says.
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
  const dtype = descr as Dtype;
  const shape = axes.split(",").filter((axis) => axis.trim()).map(Number);
  const count = shape.reduce((product, axis) => product * axis, 1);
  if (count * TYPES[dtype].BYTES_PER_ELEMENT !== bytes.length - end) {
    throw new ZooError(`${where}: damaged (${bytes.length - end} bytes for ${dtype} [${shape.join(", ")}])`);
  }
  // a copy: typed arrays must start at multiples of their size
  return { dtype, shape, data: new TYPES[dtype](bytes.slice(end).buffer) };
}

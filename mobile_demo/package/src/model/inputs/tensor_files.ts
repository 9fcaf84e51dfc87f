/** Files of tensors, apart from the manifest's part: the page checks manifests and reads no arrays. */

import { type NpyArray, readNpy } from "../npy";
import { readNpz } from "../npz";
import { unknown } from "../schema";
import { type TensorSpec, converted, described, fits, lengthsOf } from "../tensors";
import { type Sample, type Values, ZooError } from "../types";
import type { TensorsInput } from "./tensors";

/**
 * Read a .npz file with the tensors, or where there is one tensor a .npy file of it.
 *
 * @throws ZooError if the file can't be used; names the tensor.
 */
export function readTensorsFile(input: TensorsInput, bytes: Uint8Array): Sample {
  const names = input.tensors.map(({ name }) => name);
  const isNpy = bytes[0] === 0x93;
  if (isNpy && names.length > 1) throw new ZooError(`expected a .npz file with the tensors ${names.join(", ")}`);
  const arrays = isNpy ? new Map([[names[0]!, readNpy(bytes, "the tensor")]]) : readNpz(bytes, "the tensors");
  for (const name of arrays.keys()) if (!names.includes(name)) throw new ZooError(unknown("tensor", name, names));
  const sample = input.tensors.map((tensor) => checked(tensor, arrays.get(tensor.name)));
  lengthsOf(input.tensors, sample.map(({ shape }) => shape));
  return sample;
}

const KINDS = { f: /^(float|u?int)/, i: /^u?int/, u: /^u?int/, b: /^bool/ };

function checked(tensor: TensorSpec, array: NpyArray | undefined): Values {
  if (!array) throw new ZooError(`the tensor "${tensor.name}" is missing`);
  const expected = `tensor "${tensor.name}": expected ${described(tensor)}`;
  if (!KINDS[tensor.dtype[0] as keyof typeof KINDS].test(array.dtype) || !fits(array.shape, tensor)) {
    throw new ZooError(`${expected}, got ${described(array)}`);
  }
  const data = converted(tensor.dtype, array.data);
  if (data) return { shape: array.shape, data };
  throw new ZooError(tensor.dtype === "float32" ? `tensor "${tensor.name}" holds values that are not finite` : `${expected}: its values don't fit`);
}

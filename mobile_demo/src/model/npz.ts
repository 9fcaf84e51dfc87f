/** golden.npz: real inputs as files, what reading made of them, and what PyTorch answered. */

import { unzipSync } from "fflate";

import { type NpyArray, readNpy } from "./npy";
import { ZooError } from "./types";

/** A golden pack; see `runtime/bundle/golden.py` for the meaning of each part. */
export interface Golden {
  /** Encoded real inputs: the bytes of whole files, or of one row. */
  readonly raw: readonly Uint8Array[];
  readonly inputs: { readonly shape: readonly number[]; readonly data: Uint8Array | Float32Array };
  readonly outputs: { readonly shape: readonly number[]; readonly data: Float32Array };
  /** How many of the samples, from the first, are real. */
  readonly real: number;
  readonly tolerance: number;
  readonly inputTolerance: number;
  /** What files of other precisions than fp32 answered to the inputs, by file name. */
  readonly answers: Readonly<Record<string, Float32Array>>;
}

const PLACE = "golden.npz";
const MAX_UNPACKED = 512 * 2 ** 20;
const RAW = "raw_";
const ANSWERS = "answers_";

/**
 * Read golden.npz; that of format 1 calls its inputs `pixels` and its outputs `logits`.
 *
 * @throws ZooError if it is no golden pack, or unpacks to more than 512 MiB.
 */
export function readGolden(bytes: Uint8Array): Golden {
  const arrays = new Map(Object.entries(unpack(bytes)).map(([name, file]) => [name.replace(/\.npy$/, ""), readNpy(file, `${PLACE}: ${name}`)]));
  const names = [...arrays.keys()].sort();
  const raw = names.filter((name) => name.startsWith(RAW)).map((name) => arrays.get(name)!.data);
  const [inputs, outputs] = arrays.has("inputs")
    ? [arrays.get("inputs"), arrays.get("outputs")]
    : [arrays.get("pixels"), arrays.get("logits")];
  const limits = arrays.get("limits");
  const answers = names.filter((name) => name.startsWith(ANSWERS)).map((name) => [name.slice(ANSWERS.length), arrays.get(name)!] as const);
  const fault = new ZooError(`${PLACE}: not a golden pack (its arrays don't belong together)`);
  if (!inputs || !outputs || !limits || !isOf(limits, Float64Array, [3]) || !isOf(outputs, Float32Array, outputs.shape)) throw fault;
  if (!(inputs.data instanceof Uint8Array || inputs.data instanceof Float32Array) || !raw.every((file) => file instanceof Uint8Array)) {
    throw fault;
  }
  const [real, tolerance, inputTolerance] = limits.data as unknown as [number, number, number];
  const count = inputs.shape[0] ?? 0;
  const together = inputs.shape.length > 1 && outputs.shape.length > 1 && outputs.shape[0] === count;
  const counted = Number.isInteger(real) && 0 < real && real <= raw.length && raw.length <= count;
  const finite = [limits, inputs].every(({ data }) => data.every(Number.isFinite));
  if (!together || !counted || !finite || !answers.every(([, each]) => isOf(each, Float32Array, outputs.shape))) throw fault;
  return {
    raw: raw as Uint8Array[],
    inputs: { shape: inputs.shape, data: inputs.data },
    outputs: { shape: outputs.shape, data: outputs.data as Float32Array },
    real,
    tolerance,
    inputTolerance,
    answers: Object.fromEntries(answers.map(([name, { data }]) => [name, data as Float32Array])),
  };
}

function isOf({ data, shape }: NpyArray, type: typeof Float32Array | typeof Float64Array, wanted: readonly number[]): boolean {
  return data instanceof type && shape.length === wanted.length && shape.every((axis, i) => axis === wanted[i]);
}

function unpack(bytes: Uint8Array): Record<string, Uint8Array> {
  let unpacked = 0;
  try {
    return unzipSync(bytes, {
      filter: ({ originalSize }) => {
        unpacked += originalSize;
        if (unpacked > MAX_UNPACKED) throw new ZooError(`${PLACE}: unpacks to more than ${MAX_UNPACKED} bytes`);
        return true;
      },
    });
  } catch (problem) {
    if (problem instanceof ZooError) throw problem;
    throw new ZooError(`${PLACE}: not a golden pack (${problem instanceof Error ? problem.message : String(problem)})`);
  }
}

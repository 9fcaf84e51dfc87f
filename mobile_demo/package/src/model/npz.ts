/** .npz files, and golden.npz among them: real inputs as files, what reading made of them, and what PyTorch answered. */

import { type NpyArray, type NpyType, readNpy } from "./npy";
import { ZooError } from "./types";
import { unzip } from "./zip";

/** A batch: the tensors by name; the empty name stands for the only one of a model that has one. */
export type Batch = ReadonlyMap<string, NpyArray>;

/** A golden pack; see `runtime/bundle/golden.py` for the meaning of each part. */
export interface Golden {
  /** Encoded real inputs: the bytes of whole files, or of one row. */
  readonly raw: readonly Uint8Array[];
  readonly inputs: Batch;
  readonly outputs: Batch;
  /** How many samples there are. */
  readonly samples: number;
  /** How many of the samples, from the first, are real. */
  readonly real: number;
  readonly tolerance: number;
  readonly inputTolerance: number;
  /** What files of other precisions than fp32 answered to the inputs, by file name. */
  readonly answers: ReadonlyMap<string, Batch>;
}

const PLACE = "golden.npz";
const RAW = "raw_";
const ANSWERS = "answers_";
const TYPES: readonly NpyType[] = ["float32", "int32", "int64", "uint8", "int8", "bool"];

/**
 * Read golden.npz; that of format 1 calls its inputs `pixels` and its outputs `logits`.
 *
 * @throws ZooError if it is no golden pack, or unpacks to more than 512 MiB.
 */
export function readGolden(bytes: Uint8Array): Golden {
  const arrays = readNpz(bytes, PLACE);
  const names = [...arrays.keys()].sort();
  const raw = names.filter((name) => name.startsWith(RAW)).map((name) => arrays.get(name)!.data);
  const isNew = names.some((name) => keyOf(name) === "inputs");
  const [inputs, outputs] = (isNew ? ["inputs", "outputs"] : ["pixels", "logits"]).map((key) => batchOf(arrays, key)) as [Batch, Batch];
  const limits = arrays.get("limits");
  const keys = new Set(names.filter((name) => name.startsWith(ANSWERS)).map(keyOf));
  const answers = new Map([...keys].map((key) => [key.slice(ANSWERS.length), batchOf(arrays, key)]));
  const [real, tolerance, inputTolerance] = (limits?.data ?? []) as unknown as [number, number, number];
  const samples = samplesOf(inputs);
  const tensors = [...inputs.values(), ...outputs.values()];
  const sound =
    limits?.dtype === "float64" && limits.shape.join() === "3" &&
    samples === samplesOf(outputs) &&
    (inputs.get("")?.shape.length ?? 2) > 1 &&
    tensors.every(({ dtype }) => TYPES.includes(dtype)) &&
    raw.every((file) => file instanceof Uint8Array) &&
    Number.isInteger(real) && 0 < real && real <= raw.length && raw.length <= samples &&
    [limits, ...inputs.values()].every(({ data }) => data.every(Number.isFinite)) &&
    [...answers.values()].every((batch) => typesOf(batch) === typesOf(outputs));
  if (!sound) throw new ZooError(`${PLACE}: not a golden pack (its arrays don't belong together)`);
  return { raw: raw as Uint8Array[], inputs, outputs, samples, real, tolerance, inputTolerance, answers };
}

/**
 * Read the arrays of a .npz file by name.
 *
 * @throws ZooError if it is none, unpacks to more than 512 MiB, or holds what is no array of numbers.
 */
export function readNpz(bytes: Uint8Array, where: string): Map<string, NpyArray> {
  return new Map(Object.entries(unzip(bytes, where, ".npz")).map(([name, file]) => [name.replace(/\.npy$/, ""), readNpy(file, `${where}: ${name}`)]));
}

function keyOf(name: string): string {
  return name.split("/", 1)[0]!;
}

/** Return the batch that members hold: `inputs`, or `inputs/NAME` of several tensors; empty if none does. */
function batchOf(arrays: ReadonlyMap<string, NpyArray>, key: string): Batch {
  const single = arrays.get(key);
  if (single) return new Map([["", single]]);
  return new Map([...arrays].filter(([name]) => name.startsWith(`${key}/`)).map(([name, array]) => [name.slice(key.length + 1), array]));
}

/** Return the number of samples; -1 if the arrays have different numbers of them. */
function samplesOf(batch: Batch): number {
  const counts = new Set([...batch.values()].map(({ shape }) => shape[0] ?? -1));
  return counts.size === 1 ? [...counts][0]! : -1;
}

function typesOf(batch: Batch): string {
  return JSON.stringify([...batch].map(([name, { dtype, shape }]) => [name, dtype, shape]).sort());
}

import { type TensorSpec, oneTensor as tensorOf } from "../tensors";
import type { Placement } from "../placement";
import type { Prediction, Sample } from "../types";

/** What each task's outputs mean; raw outputs are those of one sample. */
export interface Task<O> {
  /** The graph's outputs. */
  tensors(output: O): readonly TensorSpec[];
  /** Return raw outputs without what the graph leaves undefined, where it leaves anything. */
  defined?(output: O, raw: Sample): Sample;
  /** `k` is how many labels `top` lists; an image's placement tells which pixels of the picture its own are. */
  decode(output: O, raw: Sample, k: number, placement?: Placement): Prediction;
  /** Whether two raw outputs mean the same decision; differences up to the `slack` of each tensor may break ties. */
  agrees(output: O, reference: Sample, outputs: Sample, slack: readonly number[]): boolean;
}

/** A task whose graph gives one tensor `float32`. */
interface OneTensorTask<O> {
  /** Of one sample's raw output; null stands for an axis of any length. */
  shape(output: O): readonly (number | null)[];
  decode(output: O, raw: Float32Array, k: number): Prediction;
  agrees(output: O, reference: Float32Array, outputs: Float32Array, slack: number): boolean;
}

export function oneTensor<O extends { readonly name: string }>({ shape, decode, agrees }: OneTensorTask<O>): Task<O> {
  const only = ([values]: Sample): Float32Array => values!.data as Float32Array;
  return {
    tensors: (output) => [tensorOf(output.name, shape(output))],
    decode: (output, raw, k) => decode(output, only(raw), k),
    agrees: (output, reference, outputs, [slack]) => agrees(output, only(reference), only(outputs), slack!),
  };
}

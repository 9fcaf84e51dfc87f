import type { Prediction } from "../types";

/** What each task's output means; raw outputs are those of one sample. */
export interface Task<O> {
  /** Of one sample's raw output; null stands for an axis of any length. */
  shape(output: O): readonly (number | null)[];
  decode(output: O, raw: Float32Array, k: number): Prediction;
  /** Whether two raw outputs mean the same decision; differences up to `slack` may break ties. */
  agrees(output: O, wanted: Float32Array, found: Float32Array, slack: number): boolean;
}

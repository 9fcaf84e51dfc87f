/**
 * Whether two outputs of a detector mean the same boxes, where differences of rounding may decide a tie otherwise.
 *
 * The twin of Python's `runtime/box_agreement.py`, which compares in float32.
 */

import { type Kept, intersectionOverUnion } from "./boxes";

const { abs, fround, min, max } = Math;
/** The shortest side that a box is taken to have, in pixels. */
const SHORTEST = 1e-6;

/** The candidates of one picture, `float32 [candidates, 4]` and `[candidates, labels]`, and which of them were selected. */
export interface Detections extends Kept {
  readonly corners: Float32Array;
  readonly scores: Float32Array;
}

/** How far corners (in pixels) and scores may be apart, and the thresholds of the selection. */
export interface Tolerances {
  readonly corner: number;
  readonly score: number;
  readonly threshold: number;
  readonly iou: number;
}

/**
 * Tell whether two results have the same boxes in number, label, order and corners.
 *
 * A box without a counterpart counts as the same where rounding decides whether it is selected: its score is at the
 * threshold, or a box of its label that is as good or better overlaps it by the threshold of suppression.
 */
export function sameBoxes(reference: Detections, outputs: Detections, allowed: Tolerances): boolean {
  const isSame = isEqual(reference.cells, outputs.cells) && isEqual(reference.classes, outputs.classes);
  if (isSame && reference.cells.every((cell) => gap(reference.corners, cell, outputs.corners, cell) <= fround(allowed.corner))) return true;
  return isExplained(reference, outputs, allowed) && isExplained(outputs, reference, allowed);
}

function isEqual(one: Int32Array, other: Int32Array): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

/** Tell whether each box of the one result has a counterpart in the other, or is a tie. */
function isExplained(one: Detections, other: Detections, allowed: Tolerances): boolean {
  const free = new Set(other.cells.keys());
  return one.cells.every((cell, i) => {
    const label = one.classes[i]!;
    const counterpart = [...free].find(
      (j) =>
        other.classes[j] === label &&
        gap(other.corners, other.cells[j]!, one.corners, cell) <= fround(allowed.corner) &&
        abs(fround(scoreOf(other, other.cells[j]!, label) - scoreOf(one, cell, label))) <= fround(2 * allowed.score),
    );
    if (counterpart === undefined) return isTie(one, cell, label, allowed);
    return free.delete(counterpart);
  });
}

/** Tell whether rounding may decide that a box is not selected. */
function isTie(detections: Detections, cell: number, label: number, allowed: Tolerances): boolean {
  const { corners } = detections;
  const score = scoreOf(detections, cell, label);
  if (score <= fround(allowed.threshold + 2 * allowed.score)) return true;
  const least = max(fround(score - fround(2 * allowed.score)), fround(allowed.threshold));
  const at = 4 * cell;
  const side = max(min(fround(corners[at + 2]! - corners[at]!), fround(corners[at + 3]! - corners[at + 1]!)), SHORTEST);
  const limit = fround(allowed.iou - (4 * allowed.corner) / side);
  for (let rival = 0; rival < corners.length / 4; rival++) {
    if (rival !== cell && scoreOf(detections, rival, label) >= least && intersectionOverUnion(corners, rival, cell) > limit) return true;
  }
  return false;
}

function scoreOf({ corners, scores }: Detections, cell: number, label: number): number {
  const count = scores.length / (corners.length / 4);
  return scores[cell * count + label]!;
}

/** Return the largest difference of two boxes' corners. */
function gap(one: Float32Array, i: number, other: Float32Array, j: number): number {
  let largest = 0;
  for (let side = 0; side < 4; side++) largest = max(largest, abs(fround(one[4 * i + side]! - other[4 * j + side]!)));
  return largest;
}

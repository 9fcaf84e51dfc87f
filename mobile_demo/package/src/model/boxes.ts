/**
 * A detector's raw tensors to boxes: the operations of Python's `runtime/boxes.py` in the same order, each rounded to
 * float32, so that both give the same boxes to the last bit.
 *
 * Boxes are corners `float32 [boxes, 4]`: left, top, right and bottom in pixels from the left and top edges.
 */

import type { Affine, Size } from "./preprocess";
import { ZooError } from "./types";

const { fround, max, min } = Math;

const MAX_CANDIDATES = 1000;
const MAX_BOXES = 300;

/** The cells of a pyramid: centers `float32 [cells, 2]` as x and y, and strides `float32 [cells]`. */
export interface Cells {
  readonly centers: Float32Array;
  readonly strides: Float32Array;
}

/** Boxes that remain, best first: the indices of their cells and of their classes. */
export interface Kept {
  readonly cells: Int32Array;
  readonly classes: Int32Array;
}

const known = new Map<string, Cells>();

/**
 * Return the cells of a pyramid over an input of the given size, by stride as given, then row by row; callers share them.
 *
 * A stride's grid has `ceil(height / stride)` rows and `ceil(width / stride)` columns.
 */
export function cellCenters({ width, height }: Size, strides: readonly number[]): Cells {
  const key = `${height} ${width} ${strides}`;
  let cells = known.get(key);
  if (cells) return cells;
  const grids = strides.map((stride) => ({ stride, rows: Math.ceil(height / stride), columns: Math.ceil(width / stride) }));
  const count = grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  cells = { centers: new Float32Array(2 * count), strides: new Float32Array(count) };
  let cell = 0;
  for (const { stride, rows, columns } of grids) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, cell++) {
        cells.centers[2 * cell] = (column + 0.5) * stride;
        cells.centers[2 * cell + 1] = (row + 0.5) * stride;
        cells.strides[cell] = stride;
      }
    }
  }
  known.set(key, cells);
  return cells;
}

/** Return the corners of each cell's box from its distances `float32 [cells, 4]`, in units of its stride (FCOS, Tian et al. 2019). */
export function distancesToCorners(distances: Float32Array, { centers, strides }: Cells): Float32Array {
  const corners = new Float32Array(distances.length);
  for (let cell = 0, i = 0; cell < strides.length; cell++, i += 4) {
    const [x, y, stride] = [centers[2 * cell]!, centers[2 * cell + 1]!, strides[cell]!];
    corners[i] = x - fround(distances[i]! * stride);
    corners[i + 1] = y - fround(distances[i + 1]! * stride);
    corners[i + 2] = x + fround(distances[i + 2]! * stride);
    corners[i + 3] = y + fround(distances[i + 3]! * stride);
  }
  return corners;
}

/**
 * Return the logit of a confidence threshold in float64, then as float32: rounding hides how logarithms differ in the last bit.
 *
 * @throws ZooError if the confidence is not above 0 and below 1.
 */
export function logit(confidence: number): number {
  if (!(0 < confidence && confidence < 1)) throw new ZooError(`confidence must be above 0 and below 1, got ${confidence}`);
  return fround(Math.log(confidence / (1 - confidence)));
}

/** Return the probability of each logit, in float64, then as float32: within one unit in the last place of Python's. */
export function sigmoid(logits: Float32Array): Float32Array {
  return logits.map((value) => 1 / (1 + Math.exp(-value)));
}

/** Tell whether box `i` is wider and higher than nothing. */
export function hasArea(corners: Float32Array, i: number): boolean {
  return corners[4 * i + 2]! > corners[4 * i]! && corners[4 * i + 3]! > corners[4 * i + 1]!;
}

/**
 * Return which boxes remain of each class after non-maximum suppression, best first.
 *
 * @param corners `float32 [cells, 4]`
 * @param scores `float32 [cells, classes]`: logits, or probabilities where the graph contains its sigmoid
 * @param threshold The least score: `logit` of the confidence, or the confidence itself.
 * @param iou The intersection over union that two boxes of a class may have, 0 to 1.
 * @throws ZooError if `iou` is out of its range.
 */
export function nonMaxSuppression(corners: Float32Array, scores: Float32Array, threshold: number, iou: number): Kept {
  if (!(0 <= iou && iou <= 1)) throw new ZooError(`iou must be 0 to 1, got ${iou}`);
  const count = scores.length / (corners.length / 4);
  const candidates = best(corners, scores, count, fround(threshold));
  const limit = fround(iou);
  const cells = candidates.map((candidate) => Math.floor(candidate / count));
  const classes = candidates.map((candidate) => candidate % count);
  const areas = Float32Array.from(cells, (cell) => area(corners, 4 * cell));
  const suppressed = new Uint8Array(cells.length);
  const kept: number[] = [];
  for (let i = 0; i < cells.length && kept.length < MAX_BOXES; i++) {
    if (suppressed[i]) continue;
    kept.push(i);
    for (let j = i + 1; j < cells.length; j++) {
      if (suppressed[j] || classes[j] !== classes[i]) continue;
      const intersection = overlap(corners, 4 * cells[i]!, 4 * cells[j]!);
      if (shareOf(intersection, areas[i]!, areas[j]!) > limit) suppressed[j] = 1;
    }
  }
  return { cells: Int32Array.from(kept, (i) => cells[i]!), classes: Int32Array.from(kept, (i) => classes[i]!) };
}

/** Return the intersection over union of two boxes; NaN, which is above no threshold, where a side is beyond float32. */
export function intersectionOverUnion(corners: Float32Array, i: number, j: number): number {
  return shareOf(overlap(corners, 4 * i, 4 * j), fround(area(corners, 4 * i)), fround(area(corners, 4 * j)));
}

/** Return corners in pixels of the picture, clipped to it; a box wholly outside has no area then. */
export function cornersToPicture(corners: Float32Array, affine: Affine, { width, height }: Size): Float32Array {
  const [scaleX, scaleY, offsetX, offsetY] = [affine.scaleX, affine.scaleY, affine.offsetX, affine.offsetY].map(fround) as [
    number, number, number, number,
  ];
  return corners.map((value, i) => {
    const [scale, offset, side] = i % 2 ? [scaleY, offsetY, height] : [scaleX, offsetX, width];
    return min(max(fround(fround(value * scale) + offset), 0), side);
  });
}

/** Return the best candidates in order, each as `cell * count + class`. */
function best(corners: Float32Array, scores: Float32Array, count: number, threshold: number): Int32Array {
  let candidates: number[] = [];
  for (let i = 0; i < scores.length; i++) {
    if (scores[i]! >= threshold && hasArea(corners, Math.floor(i / count))) candidates.push(i);
  }
  if (candidates.length > MAX_CANDIDATES) {
    const least = Float32Array.from(candidates, (i) => scores[i]!).sort().at(-MAX_CANDIDATES)!;
    candidates = candidates.filter((i) => scores[i]! >= least);
  }
  return Int32Array.from(candidates).sort((one, other) => scores[other]! - scores[one]! || one - other).slice(0, MAX_CANDIDATES);
}

function shareOf(intersection: number, area: number, other: number): number {
  return fround(intersection / fround(fround(area + other) - intersection));
}

function area(corners: Float32Array, i: number): number {
  return fround(corners[i + 2]! - corners[i]!) * fround(corners[i + 3]! - corners[i + 1]!);
}

function overlap(corners: Float32Array, i: number, j: number): number {
  const width = max(fround(min(corners[i + 2]!, corners[j + 2]!) - max(corners[i]!, corners[j]!)), 0);
  const height = max(fround(min(corners[i + 3]!, corners[j + 3]!) - max(corners[i + 1]!, corners[j + 1]!)), 0);
  return fround(width * height);
}

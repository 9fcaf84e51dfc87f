/**
 * Layouts of detectors that other projects made, whose graphs give boxes: the twin of Python's
 * `runtime/tasks/foreign_layouts.py`, every step rounded to float32 as numpy does there.
 *
 * Where a candidate has a score for each label, its best label alone counts, as it does for the tools of those projects.
 */

import type { Size } from "../preprocess";
import { roundEven } from "../round";
import { type Of, flag, literal, record } from "../schema";
import { MAX_ELEMENTS, type TensorSpec } from "../tensors";
import { type Numbers, type Values, ZooError } from "../types";
import type { BoxLayout, LayoutFault } from "./box_layout";

const { fround, max, min } = Math;
const FLOAT32_MIN = -(2 - 2 ** -23) * 2 ** 127;

export const centers = record({
  layout: literal("centers"),
  candidates_in: literal("rows", "columns"),
  objectness: flag,
  normalized: flag,
});

export const faultOfCenters: LayoutFault<Of<typeof centers>> = ({ candidates_in, objectness }, tensors, labels) => {
  const numbers = 4 + Number(objectness) + labels;
  const shape = single(tensors);
  const [length, isRows] = [shape[candidates_in === "rows" ? 1 : 0], candidates_in === "rows"];
  if (shape.length === 2 && length === numbers) return undefined;
  return `${labels} labels need one tensor [${isRows ? `candidates, ${numbers}` : `${numbers}, candidates`}], got ${shapes(tensors)}`;
};

/** One tensor with center x and y, width, height and probabilities for each candidate, as YOLOv5, YOLOv8 and YOLO11 have it. */
export const Centers: BoxLayout<Of<typeof centers>> = {
  hasLogits: () => false,
  candidates: ({ candidates_in, objectness, normalized }, [values], labels, size) => {
    const { data } = values!;
    const first = 4 + Number(objectness);
    const [count, width] = [data.length / (first + labels), first + labels];
    const at = candidates_in === "rows" ? (row: number, i: number) => data[row * width + i]! : (row: number, i: number) => data[i * count + row]!;
    const corners = cornersOf(count, at, normalized ? size : undefined);
    const score = objectness
      ? (row: number, label: number) => fround(at(row, first + label) * at(row, 4))
      : (row: number, label: number) => at(row, first + label);
    return { corners, scores: best(count, labels, score, 0) };
  },
  tolerances: ({ normalized }, [both], size) => ({ corner: 1.5 * both! * (normalized ? longest(size) : 1), score: both! }),
};

export const ranked = record({ layout: literal("ranked"), normalized: flag });

export const faultOfRanked: LayoutFault<Of<typeof ranked>> = (_, tensors, labels) => {
  const [count, numbers, ...more] = single(tensors);
  if (numbers !== 6 || more.length) return `ranked boxes need one tensor [candidates, 6], got ${shapes(tensors)}`;
  return faultOfSize(count, labels);
};

/** One tensor `[candidates, 6]` of a graph that suppresses boxes itself: corners, score, and index of the label. */
export const Ranked: BoxLayout<Of<typeof ranked>> = {
  hasLogits: () => false,
  candidates: ({ normalized }, [values], labels, size) => {
    const { data } = values!;
    const count = data.length / 6;
    const sides = Float32Array.from({ length: 4 * count }, (_, i) => data[6 * (i >> 2) + (i & 3)]!);
    const column = (i: number): Float32Array => Float32Array.from({ length: count }, (_, row) => data[6 * row + i]!);
    return { corners: normalized ? pixels(sides, size) : sides, scores: table(column(4), column(5), labels) };
  },
  tolerances: ({ normalized }, [both], size) => ({ corner: both! * (normalized ? longest(size) : 1), score: both! }),
};

export const postProcessed = record({ layout: literal("post_processed") });

export const faultOfPostProcessed: LayoutFault<Of<typeof postProcessed>> = (_, tensors, labels) => {
  const count = tensors[0]!.shape[0] ?? null;
  const wanted = JSON.stringify([[count, 4], [count], [count], []]);
  if (JSON.stringify(tensors.map(({ shape }) => shape)) !== wanted) {
    return `this layout needs tensors [candidates, 4], [candidates], [candidates] and [], got ${shapes(tensors)}`;
  }
  return faultOfSize(count, labels);
};

/** The four tensors of TensorFlow Lite's operator `TFLite_Detection_PostProcess`, which suppresses boxes itself. */
export const PostProcessed: BoxLayout<Of<typeof postProcessed>> = {
  hasLogits: () => false,
  // the operator writes nothing behind the candidates that count
  defined: ([boxes, indices, scores, number]) => {
    const count = number!.data[0]! || 0; // NaN counts none
    const cleared = ({ shape, data }: Values, width: number): Values => ({ shape, data: data.map((value, i) => (Math.floor(i / width) < count ? value : 0)) });
    return [cleared(boxes!, 4), cleared(indices!, 1), cleared(scores!, 1), number!];
  },
  candidates: (_, [boxes, indices, scores, number], labels, size) => {
    const rawCount = number!.data[0]!;
    const count = Number.isFinite(rawCount) ? min(max(0, roundEven(rawCount)), scores!.data.length) : 0;
    // top, left, bottom, right
    const sides = Float32Array.from({ length: 4 * count }, (_, i) => boxes!.data[i ^ 1]!);
    return { corners: pixels(sides, size), scores: table(scores!.data.subarray(0, count), indices!.data, labels) };
  },
  tolerances: (_, [boxes, , scores], size) => ({ corner: boxes! * longest(size), score: scores! }),
};

export const queries = record({ layout: literal("queries"), no_object: flag });

export const faultOfQueries: LayoutFault<Of<typeof queries>> = ({ no_object }, tensors, labels) => {
  const count = tensors[0]!.shape[0] ?? null;
  const width = labels + Number(no_object);
  const isSound = JSON.stringify(tensors.map(({ shape }) => shape)) === JSON.stringify([[count, width], [count, 4]]);
  return isSound ? undefined : `${labels} labels need tensors [queries, ${width}] and [queries, 4], got ${shapes(tensors)}`;
};

/** Two tensors of a network of the DETR family: logits `[queries, labels]`, and boxes `[queries, 4]` as centers and sizes. */
export const Queries: BoxLayout<Of<typeof queries>> = {
  hasLogits: ({ no_object }) => !no_object,
  candidates: ({ no_object }, [logits, boxes], labels, size) => {
    const count = boxes!.data.length / 4;
    const corners = cornersOf(count, (row, i) => boxes!.data[4 * row + i]!, size);
    if (!no_object) return { corners, scores: best(count, labels, (row, label) => logits!.data[row * labels + label]!, FLOAT32_MIN) };
    const shares = Array.from({ length: count }, (_, row) => softmax(logits!.data.subarray(row * (labels + 1), (row + 1) * (labels + 1))));
    return { corners, scores: best(count, labels, (row, label) => shares[row]![label]!, 0) };
  },
  tolerances: (_, [logits, boxes], size) => ({ corner: 1.5 * boxes! * longest(size), score: logits! }),
};

/** Return left, top, right and bottom of center x and y, width and height; in pixels of those in shares of a size. */
function cornersOf(count: number, at: (row: number, i: number) => number, size: Size | undefined): Float32Array {
  const corners = new Float32Array(4 * count);
  for (let row = 0; row < count; row++) {
    for (const i of [0, 1]) {
      const half = fround(at(row, 2 + i) * 0.5);
      corners[4 * row + i] = at(row, i) - half;
      corners[4 * row + 2 + i] = at(row, i) + half;
    }
  }
  return size ? pixels(corners, size) : corners;
}

/** Return corners in pixels of those in shares of the input's sides. */
function pixels(corners: Float32Array, { width, height }: Size): Float32Array {
  return corners.map((share, i) => share * (i % 2 ? height : width));
}

/** Return scores `[candidates, labels]` with `nothing` for all but each candidate's best label, the first of several. */
function best(count: number, labels: number, score: (row: number, label: number) => number, nothing: number): Float32Array {
  const scores = new Float32Array(count * labels).fill(nothing);
  for (let row = 0; row < count; row++) {
    let [most, which] = [score(row, 0), 0];
    for (let label = 1; label < labels; label++) {
      const other = score(row, label);
      if (other > most) [most, which] = [other, label];
    }
    scores[row * labels + which] = most;
  }
  return scores;
}

/** Return scores `[candidates, labels]` of those of one label each; rows without a score may have any index. */
function table(scores: Numbers, indices: Numbers, labels: number): Float32Array {
  const all = new Float32Array(scores.length * labels);
  scores.forEach((score, row) => {
    if (!(score > 0)) return;
    const label = roundEven(indices[row]!);
    if (!(0 <= label && label < labels)) {
      throw new ZooError(`the graph gives a box of label ${label}, and the manifest has ${labels} labels`);
    }
    all[row * labels + label] = score;
  });
  return all;
}

function softmax(logits: Numbers): Float32Array {
  const values = Float64Array.from(logits);
  const most = values.reduce((largest, value) => max(largest, value), -Infinity);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return Float32Array.from(powers, (value) => value / sum);
}

function faultOfSize(candidates: TensorSpec["shape"][number] | null | undefined, labels: number): string | undefined {
  const isLarge = typeof candidates === "number" && candidates * labels > MAX_ELEMENTS;
  return isLarge ? `${candidates} candidates of ${labels} labels are over ${MAX_ELEMENTS} scores` : undefined;
}

function longest({ width, height }: Size): number {
  return max(width, height);
}

/** Return the shape of the only tensor; no shape where there are several. */
function single(tensors: readonly TensorSpec[]): TensorSpec["shape"] {
  return tensors.length === 1 ? tensors[0]!.shape : [];
}

function shapes(tensors: readonly TensorSpec[]): string {
  return tensors.map(({ shape }) => `[${shape.join(", ")}]`).join(" and ");
}

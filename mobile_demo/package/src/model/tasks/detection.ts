/** Object detection: boxes with labels and scores, in pixels of the picture as people see it. */

import { type Detections, sameBoxes } from "../box_agreement";
import { cornersToPicture, hasArea, logit, nonMaxSuppression, sigmoid } from "../boxes";
import { wholePicture } from "../placement";
import { type Of, literal, real, record, where, whole } from "../schema";
import { dynamic, tensorSpecs } from "../tensors";
import type { Box, Sample } from "../types";
import { faultOfLayout, layout, layoutOf } from "./box_layouts";
import { labels } from "./classes";
import type { Task } from "./task";

/** Pixels that a corner may be from PyTorch's and count as the same. */
const CORNER_TOLERANCE = 0.01;
const MAX_SIDE = 4096;

/** The thresholds that a person may choose instead of the manifest's. */
export interface Thresholds {
  /** The score, above 0 and below 1, from which on a box is an answer. */
  readonly confidence: number;
  /** The intersection over union, 0 to 1, above which a box suppresses a less sure one of its label. */
  readonly iou: number;
}

export const detection = where(
  record({
    task: literal("detection"),
    tensors: tensorSpecs,
    labels: labels(1),
    height: whole,
    width: whole,
    layout,
    confidence: real,
    iou: real,
  }),
  (output) => {
    const { height, width, confidence, iou } = output;
    const sized = [height, width].every((side) => 1 <= side && side <= MAX_SIDE);
    if (!sized) return `height and width must be 1 to ${MAX_SIDE}, got ${height} and ${width}`;
    if (!(0 < confidence && confidence < 1 && 0 <= iou && iou <= 1)) {
      return `confidence must be above 0 and below 1, and iou 0 to 1; got ${confidence} and ${iou}`;
    }
    if (output.tensors.some((tensor) => dynamic(tensor).length)) return "the tensors of a detector have axes of fixed length";
    return faultOfLayout(output.layout, output.tensors, output.labels.length, output);
  },
);

export type DetectionOutput = Of<typeof detection>;

export const Detection: Task<DetectionOutput> = {
  tensors: ({ tensors }) => tensors,
  defined: ({ layout }, raw) => layoutOf(layout).defined?.(raw) ?? raw,
  decode: (output, raw, _, placement = wholePicture(output)) => {
    const { affine, width, height } = placement;
    const { corners, scores, cells, classes } = detect(output, raw);
    const count = output.labels.length;
    const kept = Float32Array.from(cells, (cell, i) => scores[cell * count + classes[i]!]!);
    const chances = layoutOf(output.layout).hasLogits(output.layout) ? sigmoid(kept) : kept;
    const sides = cornersToPicture(Float32Array.from(cornersOf(corners, cells)), affine, { width, height });
    const boxes = Array.from(cells, (_, i): Box => {
      const [left, top, right, bottom] = sides.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
      return { label: output.labels[classes[i]!]!, index: classes[i]!, score: chances[i]!, left, top, right, bottom };
    });
    return { kind: "boxes", boxes: boxes.filter((_, i) => hasArea(sides, i)), width, height }; // a box in the padding is none
  },
  agrees: (output, reference, outputs, slack) => {
    const { corner, score } = layoutOf(output.layout).tolerances(output.layout, slack, output);
    const allowed = { corner: Math.max(CORNER_TOLERANCE, corner), score, threshold: thresholdOf(output), iou: output.iou };
    return sameBoxes(detect(output, reference), detect(output, outputs), allowed);
  },
};

/** Return the candidates of one picture, and which of them are answers. */
function detect(output: DetectionOutput, raw: Sample): Detections {
  const { corners, scores } = layoutOf(output.layout).candidates(output.layout, raw, output.labels.length, output);
  return { corners, scores, ...nonMaxSuppression(corners, scores, thresholdOf(output), output.iou) };
}

/** Return the confidence in the unit of the scores. */
function thresholdOf({ layout, confidence }: DetectionOutput): number {
  return layoutOf(layout).hasLogits(layout) ? logit(confidence) : Math.fround(confidence);
}

function cornersOf(corners: Float32Array, cells: Int32Array): number[] {
  return Array.from(cells).flatMap((cell) => [...corners.subarray(4 * cell, 4 * cell + 4)]);
}

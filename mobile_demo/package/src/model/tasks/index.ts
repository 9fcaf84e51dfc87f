/**
 * What a model gives: each task's part of the manifest, how it decodes raw outputs, and when two outputs mean the same
 * decision. The twin of Python's `runtime/tasks`.
 */

import { type Check, tagged } from "../schema";
import type { Placement } from "../placement";
import { type TensorSpec, described, fits } from "../tensors";
import { type Prediction, type Sample, ZooError } from "../types";
import * as anomaly from "./anomaly";
import * as classes from "./classes";
import * as detection from "./detection";
import * as raw from "./raw";
import type { Task } from "./task";
import * as text from "./text";
import * as values from "./values";

export const output = tagged("task", {
  classification: classes.classification,
  binary: classes.binary,
  multilabel: classes.multilabel,
  regression: values.regression,
  forecasting: values.forecasting,
  ctc: text.ctc,
  anomaly: anomaly.anomaly,
  raw: raw.raw,
  detection: detection.detection,
});

export type Output = typeof output extends Check<infer T> ? T : never;

const TASKS: { readonly [T in Output["task"]]: Task<Extract<Output, { task: T }>> } = {
  classification: classes.Classification,
  binary: classes.Binary,
  multilabel: classes.MultiLabel,
  regression: values.Regression,
  forecasting: values.Forecasting,
  ctc: text.CTC,
  anomaly: anomaly.Anomaly,
  raw: raw.Raw,
  detection: detection.Detection,
};

export function taskOf(output: Output): Task<Output> {
  return TASKS[output.task] as Task<Output>;
}

/** Return the graph's outputs. */
export function outputTensors(output: Output): readonly TensorSpec[] {
  return taskOf(output).tensors(output);
}

/**
 * Turn the raw outputs of one sample into an answer.
 *
 * @param k is how many labels `top` lists, where the task has labels.
 * @param placement tells where the model's input lies in the picture; without one boxes are in pixels of the input.
 *
 * @throws ZooError if a value is not finite or a tensor's shape is not the task's.
 */
export function decode(output: Output, raw: Sample, k: number, placement?: Placement): Prediction {
  outputTensors(output).forEach((tensor, t) => {
    const { shape, data } = raw[t]!;
    if (!data.length || !fits(shape, tensor)) throw new ZooError(`the model gave [${shape.join(", ")}] for ${described(tensor)}`);
    if (!data.every(Number.isFinite)) {
      throw new ZooError("the model gave outputs that are not finite; the file is broken or was trained to NaN");
    }
  });
  return taskOf(output).decode(output, raw, k, placement);
}

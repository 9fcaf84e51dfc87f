/**
 * What a model gives: each task's part of the manifest, how it decodes raw outputs, and when two outputs mean the same
 * decision. The twin of Python's `runtime/tasks`.
 */

import { type Check, tagged } from "../schema";
import { type Prediction, ZooError } from "../types";
import * as anomaly from "./anomaly";
import * as classes from "./classes";
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
};

export function taskOf(output: Output): Task<Output> {
  return TASKS[output.task] as Task<Output>;
}

/** The names of what has scores; empty where the task has no labels. */
export function labelsOf(output: Output): readonly string[] {
  return "labels" in output ? output.labels : [];
}

/**
 * Turn the raw output of one sample into an answer; `k` is how many labels `top` lists, where the task has labels.
 *
 * @throws ZooError if a value is not finite or there is another number of them than the task's.
 */
export function decode(output: Output, raw: Float32Array, k: number): Prediction {
  const shape = taskOf(output).shape(output);
  const size = shape.reduce<number>((product, axis) => product * (axis ?? 1), 1);
  if (!raw.length || (shape.includes(null) ? raw.length % size : raw.length !== size)) {
    throw new ZooError(`the model gave ${raw.length} values for [${shape.map((axis) => axis ?? "any").join(", ")}]`);
  }
  if (!raw.every(Number.isFinite)) {
    throw new ZooError("the model gave outputs that are not finite; the file is broken or was trained to NaN");
  }
  return taskOf(output).decode(output, raw, k);
}

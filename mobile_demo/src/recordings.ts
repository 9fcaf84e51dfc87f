/** Recordings and streams, in the worker: fetched when a model takes audio. */

import { StepGraph, stepFile, stepNames } from "edgezoo/model/step_graph";
import type { EngineModule, EngineOptions } from "edgezoo/model/types";
import type { Opening } from "./api";
import { load } from "./store";

export * from "edgezoo/recordings";

/** Open the step graph of a network that streams, beside a file of it; undefined where there is none. */
export async function openSteps({ base, path, manifest, name }: Opening, module: EngineModule, options: Omit<EngineOptions, "inputs" | "outputs">): Promise<StepGraph | undefined> {
  const file = stepFile(manifest, name);
  if (file === undefined) return undefined;
  const bytes = await load(base, { path: path + file, ...manifest.files[file]! });
  return new StepGraph(manifest, file, await module.open(bytes, { ...options, ...stepNames(manifest, file) }));
}

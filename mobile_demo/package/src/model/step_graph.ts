/** A graph that takes one step after the other, with the states before it. The twin of Python's `GraphRunner.step`. */

import { fromGraph, toGraph } from "./graph_tensors";
import { inputTensors } from "./graph_names";
import type { Manifest, ModelFile } from "./manifest";
import { outputTensors } from "./tasks";
import { oneTensor, product } from "./tensors";
import type { Engine, Sample, Tensor, Values } from "./types";

/** Return the file that gives hop by hop what a file gives for clips; undefined where the network doesn't stream. */
export function stepFile({ model: { input }, models }: Manifest, file: string): string | undefined {
  if (input.kind !== "audio" || !input.hop) return undefined;
  const { format, precision } = models[file]!.spec;
  return Object.keys(models).find((name) => {
    const { spec } = models[name]!;
    return spec.state.length > 0 && spec.format === format && spec.precision === precision;
  });
}

/** Return what a step graph calls its inputs and outputs. */
export function stepNames({ model, models }: Manifest, file: string): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
  const states = models[file]!.spec.state.map(({ name }) => name);
  const [inputs, outputs] = [inputTensors(model.input), outputTensors(model.output)].map((tensors) => tensors.map(({ name }) => name));
  return { inputs: [...inputs!, ...states], outputs: [...outputs!, ...states.map((name) => `next_${name}`)] };
}

export class StepGraph {
  readonly #part: ModelFile;
  /** Zeros before the first step. */
  #states: readonly Tensor[];

  constructor(
    readonly manifest: Manifest,
    readonly file: string,
    readonly engine: Engine,
  ) {
    this.#part = manifest.models[file]!;
    this.#states = this.#part.spec.state.map(({ shape }) => ({ dtype: "float32", shape: [1, ...shape], data: new Float32Array(product(shape)) }));
  }

  /** Return one for another stream, on the same engine. */
  anew(): StepGraph {
    return new StepGraph(this.manifest, this.file, this.engine);
  }

  /** Run the next step; return the raw outputs for all steps so far. */
  async step(values: Values): Promise<Sample> {
    const { input, output } = this.manifest.model;
    const [first] = inputTensors(input);
    const { spec } = this.#part;
    const fed = toGraph(oneTensor(first!.name, values.shape), values, spec, this.file);
    const [raw, ...states] = await this.engine.run([fed, ...this.#states]);
    this.#states = states;
    return [fromGraph(outputTensors(output)[0]!, raw, spec, this.file)];
  }
}

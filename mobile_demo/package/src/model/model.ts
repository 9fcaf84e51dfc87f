/** An opened model file: inputs of any kind to answers. */

import { give, take } from "./feed";
import { fromGraph, toGraph } from "./graph_tensors";
import { inputTensors } from "./graph_names";
import { readImage } from "./inputs/image";
import { readRows, readSteps } from "./inputs/sequence";
import { type Cell, type Row, readRow } from "./inputs/table";
import type { Input, Manifest, ModelFile } from "./manifest";
import { placementOf } from "./placement";
import { Scratch } from "./scratch";
import type { Step } from "./steps";
import { decode, outputTensors, taskOf } from "./tasks";
import type { Thresholds } from "./tasks/detection";
import { lengthsOf } from "./tensors";
import { type Engine, type Pixels, type Prediction, type Sample, type Tensor, ZooError } from "./types";

/** What a person gives: an image, the cells of a row, the steps of a sequence, or what was read already: tensors, a clip of audio. */
export type Source = Pixels | Row | readonly Cell[] | readonly (readonly number[])[] | Sample;

/** An answer, what the model saw, and how long each part took, in milliseconds. */
export interface Answer {
  readonly prediction: Prediction;
  readonly seen: Sample;
  readonly times: { readonly read: number; readonly run: number; readonly decode: number };
}

/** How many labels an answer lists. */
export const TOP = 5;

export class Model {
  readonly part: ModelFile;
  /** Holds pixels that are decoded for the model. */
  readonly scratch = new Scratch();

  constructor(
    readonly manifest: Manifest,
    readonly file: string,
    readonly engine: Engine,
  ) {
    const part = Object.hasOwn(manifest.models, file) ? manifest.models[file] : undefined;
    if (!part) throw new ZooError(`the bundle has no model file "${file}"; it has: ${Object.keys(manifest.models).join(", ")}`);
    if (part.spec.state.length) throw new ZooError(`${file} takes one time step after the other: choose a file that takes whole samples`);
    this.part = part;
  }

  /** How images are preprocessed; empty where the model takes none. */
  get steps(): readonly Step[] {
    const { input } = this.manifest.model;
    return "preprocess" in input ? input.preprocess : [];
  }

  /**
   * Return a source as the graph takes it, without the batch axis; `scratch` may hold it.
   *
   * @throws ZooError if it can't be used; says why.
   */
  read(source: Source, scratch?: Scratch): Sample {
    return read(this.manifest.model.input, source, scratch);
  }

  /**
   * Run one sample through the engine.
   *
   * @returns its raw outputs.
   * @throws ZooError if the engine gives what the manifest doesn't promise.
   */
  async run(sample: Sample): Promise<Sample> {
    const { spec } = this.part;
    const { feed } = spec;
    const graphOutputs = await this.engine.run(feed ? [take(feed, sample[0]!)] : this.#fed(sample));
    if (feed?.output) {
      const data = give(feed, graphOutputs[0]!);
      return [{ shape: [data.length], data }];
    }
    const { output } = this.manifest.model;
    const raw = outputTensors(output).map((tensor, t) => fromGraph(tensor, graphOutputs[t], spec, this.file));
    return taskOf(output).defined?.(output, raw) ?? raw;
  }

  /**
   * Read, run and decode.
   *
   * @param thresholds are a detector's, instead of the manifest's.
   * @param scratch may hold what the model saw.
   */
  async predict(source: Source, thresholds?: Thresholds, scratch?: Scratch): Promise<Answer> {
    const start = performance.now();
    const seen = this.read(source, scratch);
    const ready = performance.now();
    const raw = await this.run(seen);
    const ran = performance.now();
    const { output } = this.manifest.model;
    const placement = isPixels(source) ? placementOf(source, this.steps) : undefined;
    const prediction = decode(output.task === "detection" ? { ...output, ...thresholds } : output, raw, TOP, placement);
    return { prediction, seen, times: { read: ready - start, run: ran - ready, decode: performance.now() - ran } };
  }

  /** Return a sample's tensors in the types that the file takes, and see that it runs their lengths. */
  #fed(sample: Sample): Tensor[] {
    const { steps, lengths } = this.part.spec;
    const { input } = this.manifest.model;
    const tensors = inputTensors(input);
    const [first] = sample;
    if (steps !== null && first!.shape[0] !== steps) {
      throw new ZooError(`${this.file} runs exactly ${steps} steps, got ${first!.shape[0]}: cut or fill up the sequence`);
    }
    if (input.kind === "tensors") lengthsOf(tensors, sample.map(({ shape }) => shape), lengths);
    return tensors.map((tensor, t) => toGraph(tensor, sample[t]!, this.part.spec, this.file));
  }
}

function read(input: Input, source: Source, scratch?: Scratch): Sample {
  switch (input.kind) {
    case "image":
      if (isPixels(source)) return [readImage(input, source, scratch)];
      throw new ZooError("this model takes images");
    case "table":
      if (isPixels(source)) throw new ZooError("this model takes the row of a table, not an image");
      return [readRow(input, source as Row | readonly Cell[])];
    case "sequence":
      if (isPixels(source)) return [readRows(input, source)];
      if (Array.isArray(source) && source.every(Array.isArray)) return [readSteps(input, source as number[][])];
      throw new ZooError("this model takes a sequence: a list of steps, each a list of numbers");
    case "tensors":
      if (isSample(source)) return source;
      throw new ZooError(`this model takes the tensors ${input.tensors.map(({ name }) => name).join(", ")}`);
    case "audio":
      if (isSample(source)) return source;
      throw new ZooError("this model takes recordings");
  }
}

export function isPixels(source: Source): source is Pixels {
  return "data" in source && (source as Pixels).data instanceof Uint8Array;
}

function isSample(source: Source): source is Sample {
  return Array.isArray(source) && source.every((each) => typeof each === "object" && each !== null && "shape" in each);
}

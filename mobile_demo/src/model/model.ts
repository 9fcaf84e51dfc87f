/** An opened model file: inputs of any kind to answers. */

import { give, take } from "./feed";
import { readImage } from "./inputs/image";
import { readRows, readSteps } from "./inputs/sequence";
import { type Cell, type Row, readRow } from "./inputs/table";
import type { Input, Manifest, ModelFile } from "./manifest";
import type { Step } from "./steps";
import { decode, taskOf } from "./tasks";
import { type Engine, type Pixels, type Prediction, type Sample, type Tensor, ZooError } from "./types";

/** What a person gives: an image, the cells of a row, or the steps of a sequence. */
export type Source = Pixels | Row | readonly Cell[] | readonly (readonly number[])[];

/** An answer, what the model saw, and how long each part took, in milliseconds. */
export interface Answer {
  readonly prediction: Prediction;
  readonly seen: Sample;
  readonly times: { readonly read: number; readonly run: number; readonly decode: number };
}

export class Model {
  readonly part: ModelFile;

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
   * Return a source as the graph takes it, without the batch axis.
   *
   * @throws ZooError if it can't be used; says why.
   */
  read(source: Source): Sample {
    return read(this.manifest.model.input, source);
  }

  /**
   * Run one sample through the engine.
   *
   * @returns its raw outputs.
   * @throws ZooError if the engine gives what the manifest doesn't promise.
   */
  async run(sample: Sample): Promise<Float32Array> {
    const { steps, feed, input_dtype } = this.part.spec;
    if (steps !== null && sample.shape[0] !== steps) {
      throw new ZooError(`${this.file} runs exactly ${steps} steps, got ${sample.shape[0]}: cut or fill up the sequence`);
    }
    if (feed) return give(feed, await this.engine.run(take(feed, sample)));
    const data = input_dtype === "float32" ? Float32Array.from(sample.data) : sample.data;
    return this.#raw(await this.engine.run({ dtype: input_dtype, shape: [1, ...sample.shape], data }));
  }

  /** Read, run and decode; `k` is how many labels `top` lists, where the task has labels. */
  async predict(source: Source, k = 5): Promise<Answer> {
    const start = performance.now();
    const seen = this.read(source);
    const ready = performance.now();
    const raw = await this.run(seen);
    const ran = performance.now();
    const prediction = decode(this.manifest.model.output, raw, k);
    return { prediction, seen, times: { read: ready - start, run: ran - ready, decode: performance.now() - ran } };
  }

  #raw(found: Tensor): Float32Array {
    const wanted = taskOf(this.manifest.model.output).shape(this.manifest.model.output);
    const [batch, ...shape] = found.shape;
    const fits = batch === 1 && shape.length === wanted.length && shape.every((size, i) => size === (wanted[i] ?? size));
    if (!fits || !(found.data instanceof Float32Array)) {
      const axes = ["1", ...wanted.map((axis) => axis ?? "any")].join(", ");
      throw new ZooError(`${this.file} gave ${found.dtype} [${found.shape.join(", ")}] for float32 [${axes}]`);
    }
    return found.data;
  }
}

function read(input: Input, source: Source): Sample {
  switch (input.kind) {
    case "image":
      if (isPixels(source)) return readImage(input, source);
      throw new ZooError("this model takes images");
    case "table":
      if (isPixels(source)) throw new ZooError("this model takes the row of a table, not an image");
      return readRow(input, source as Row | readonly Cell[]);
    case "sequence":
      if (isPixels(source)) return readRows(input, source);
      if (Array.isArray(source) && source.every(Array.isArray)) return readSteps(input, source as number[][]);
      throw new ZooError("this model takes a sequence: a list of steps, each a list of numbers");
  }
}

export function isPixels(source: Source): source is Pixels {
  return "data" in source && (source as Pixels).data instanceof Uint8Array;
}

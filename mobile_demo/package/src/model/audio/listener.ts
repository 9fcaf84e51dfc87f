/** An opened model listens to a stream: blocks of samples in, labels with their times out. The twin of Python's `runtime/audio/listener.py`. */

import { type Model, TOP } from "../model";
import type { StepGraph } from "../step_graph";
import { decode } from "../tasks";
import { type Prediction, type Sample, type Values, ZooError } from "../types";
import { Decisions, type Heard } from "./decisions";
import { type Waveform, mono, openWaveform } from "./recording";
import { Resampler } from "./resampling";
import { Windows } from "./windows";

/** How many looks a second a model without rules for streams takes. */
const LOOKS = 4;

/** What came of a piece of a stream. */
export interface Hearing {
  readonly heard: readonly Heard[];
  /** What the last look gave; undefined where the piece completed none. */
  readonly look: Look | undefined;
}

export interface Look {
  readonly prediction: Prediction;
  readonly clip: Values;
  /** Milliseconds in the engine. */
  readonly run: number;
}

export class Listener {
  readonly #resampler: Resampler;
  readonly #windows: Windows;
  readonly #decisions: Decisions | undefined;
  readonly #steps: StepGraph | undefined;

  /**
   * @param rate is that of the stream, in Hz.
   * @param steps is the step graph of a network that streams.
   */
  constructor(
    readonly model: Model,
    rate: number,
    steps: StepGraph | undefined,
  ) {
    const { input, output, listening } = model.manifest.model;
    if (input.kind !== "audio") throw new ZooError("this model does not listen");
    this.#steps = steps?.anew();
    this.#resampler = new Resampler(rate, input.rate, input.resampling);
    this.#windows = new Windows(input.samples, listening?.step ?? (steps ? input.hop : Math.ceil(input.rate / LOOKS)));
    if (listening && "labels" in output) this.#decisions = new Decisions(listening, output.labels, input.rate);
  }

  /** Take the next samples of the stream, in blocks of whole frames, channels interleaved. */
  async push(blocks: Iterable<Float64Array>, channels: number): Promise<Hearing> {
    const resampled: Float64Array[] = [];
    for (const block of blocks) resampled.push(this.#resampler.push(mono(block, channels, "the stream")));
    return this.#hear(resampled);
  }

  /** Take the next samples of the stream, of which a microphone gave an array for each channel. */
  hear(waveform: Waveform): Promise<Hearing> {
    return this.push(openWaveform(waveform).blocks(), waveform.channels.length);
  }

  /** Hear the rest of a stream that has ended. */
  async end(): Promise<Hearing> {
    const { delay = 0, smoothing = 0, step = 0 } = this.#decisions?.rules ?? {};
    const silence = new Float64Array(delay + smoothing * step); // so that the last word is heard whole
    const { heard, look } = await this.#hear([this.#resampler.flush(), silence]);
    const last = this.#decisions?.flush();
    return { heard: last ? [...heard, last] : heard, look };
  }

  async #hear(blocks: readonly Float64Array[]): Promise<Hearing> {
    const windows = blocks.flatMap((block) => this.#windows.push(block));
    const heard: Heard[] = [];
    let look: Look | undefined;
    for (const { end, samples } of this.#decisions || this.#steps ? windows : windows.slice(-1)) {
      const clip = { shape: [samples.length], data: samples };
      const started = performance.now();
      const raw = this.#steps ? await this.#steps.step(tail(samples, this.#windows.step)) : await this.model.run([clip]);
      const run = performance.now() - started;
      look = { prediction: decode(this.model.manifest.model.output, raw, TOP), clip, run };
      const word = this.#decisions?.push(end, this.#scores(raw));
      if (word) heard.push(word);
    }
    return { heard, look };
  }

  /** Return the probability of each label. */
  #scores(raw: Sample): number[] {
    const { output } = this.model.manifest.model;
    const { labels } = this.#decisions!;
    const prediction = decode(output, raw, labels.length);
    const scores = new Map("top" in prediction ? prediction.top.map(({ label, score }) => [label, score]) : []);
    return labels.map((label) => scores.get(label)!);
  }
}

/** Return the samples that a window adds to the one before. */
function tail(samples: Float32Array, step: number): Values {
  return { shape: [step], data: samples.slice(-step) };
}

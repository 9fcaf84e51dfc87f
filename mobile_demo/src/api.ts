/** What the page asks of its worker: plain data both ways. */

import type { Wanted } from "./store";
import type { Passage } from "./recordings";
import type { Heard } from "edgezoo/model/audio/decisions";
import type { Waveform } from "edgezoo/model/audio/recording";
import type { Row } from "edgezoo/model/inputs/table";
import type { Manifest } from "edgezoo/model/manifest";
import type { Report } from "edgezoo/model/selftest";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import type { Device, Pixels, Prediction, Sample } from "edgezoo/model/types";

/** What a prediction is made of. */
export type Source =
  | { readonly kind: "file"; readonly file: Blob }
  | { readonly kind: "frame"; readonly frame: VideoFrame | ImageBitmap }
  | { readonly kind: "pixels"; readonly pixels: Pixels }
  | { readonly kind: "row"; readonly row: Row }
  | { readonly kind: "sequence"; readonly values: number[][] }
  | { readonly kind: "tensors"; readonly given: Blob | Sample }
  /** `decoded` tells that the browser's decoder made the samples. */
  | { readonly kind: "waveform"; readonly waveform: Waveform; readonly decoded: boolean };

export interface Opening {
  /** Of the site; ends in a slash. */
  readonly base: string;
  /** Of the bundle in the site; ends in a slash. */
  readonly path: string;
  /** Checked by the page. */
  readonly manifest: Manifest;
  readonly name: string;
  readonly format: string;
  readonly file: Wanted;
  readonly golden: Wanted | undefined;
  readonly device: Device;
  readonly threads: number;
}

export interface Opened {
  readonly version: string;
  readonly device: Device;
  readonly threads: number;
  /** The addresses of the engine's files that were loaded. */
  readonly loaded: readonly string[];
  /** Milliseconds. */
  readonly took: number;
}

export interface Answer {
  readonly prediction: Prediction;
  readonly seen: Sample;
  /** Milliseconds: `decode` the file or frame to pixels, `read` them as the manifest says, `run` the engine. */
  readonly times: { readonly decode: number; readonly read: number; readonly run: number; readonly total: number };
  /** The browser's own decoder made the pixels or samples. */
  readonly decoded: boolean;
  /** Several frames in the file, of which the first was read. */
  readonly frames: number;
}

/** What came of a piece of a stream. */
export interface Hearing {
  readonly heard: readonly Heard[];
  /** What the last window of it gave; undefined where it completed none. */
  readonly answer: Answer | undefined;
}

export interface Timings {
  readonly engine: readonly number[];
  readonly whole: readonly number[];
  /** The part of `whole` that decoded the file to pixels. */
  readonly decode: readonly number[];
}

export interface Methods {
  open(opening: Opening): Promise<Opened>;
  /** `thresholds` are a detector's, instead of the manifest's. */
  predict(source: Source, thresholds?: Thresholds): Promise<Answer>;
  /** The real inputs of the golden pack; one that shows nothing where there is no pack. */
  examples(): Promise<Source[]>;
  /** `examples` are what the page made of the golden files. */
  selfTest(examples: readonly Source[]): Promise<Report>;
  benchmark(source: Source, runs: number): Promise<Timings>;
  /** Begin to listen to a stream of a rate, in Hz. */
  listen(rate: number): Promise<void>;
  /** Take the next samples of the stream. */
  hear(waveform: Waveform): Promise<Hearing>;
  /** Hear the rest of a stream that has ended. */
  endListening(): Promise<Hearing>;
  /** Begin to listen to a recording from its start. */
  listenTo(source: Source): Promise<void>;
  /** Hear its next piece; undefined at its end. */
  hearNext(): Promise<Passage | undefined>;
}

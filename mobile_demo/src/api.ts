/** What the page asks of its worker: plain data both ways. */

import type { Inspection } from "edgezoo/edge_model";
import type { Input } from "edgezoo/input";
import type { Heard } from "edgezoo/model/audio/decisions";
import type { Waveform } from "edgezoo/model/audio/recording";
import type { Manifest } from "edgezoo/model/manifest";
import type { Report } from "edgezoo/model/selftest";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import type { Device } from "edgezoo/model/types";
import type { Passage } from "edgezoo/recordings";

/** Samples that the browser's decoder made. */
export interface DecodedWaveform extends Waveform {
  readonly decoded: true;
}

/** Tell whether an input is a camera's frame: it moves to the worker, and whoever has it closes it. */
export function isFrame(input: Input): input is VideoFrame | ImageBitmap {
  return typeof (input as Partial<ImageBitmap>).close === "function"; // a table may have a column of this name
}

export interface Opening {
  /** Of the site; ends in a slash. */
  readonly base: string;
  /** Of the bundle in the site; ends in a slash. */
  readonly path: string;
  /** Checked by the page. */
  readonly manifest: Manifest;
  /** Of the model. */
  readonly file: string;
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

export interface Answer extends Inspection {
  /** The browser's own decoder made the pixels or samples. */
  readonly decoded: boolean;
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
  predict(input: Input, thresholds?: Thresholds): Promise<Answer>;
  /** The real inputs of the golden pack; one that shows nothing where there is no pack. */
  examples(): Promise<Input[]>;
  /** `inputs` are what the page made of the golden files. */
  selfTest(inputs: readonly Input[]): Promise<Report>;
  benchmark(input: Input, runs: number): Promise<Timings>;
  /** Begin to listen to a stream of a rate, in Hz. */
  listen(rate: number): Promise<void>;
  /** Take the next samples of the stream. */
  hear(waveform: Waveform): Promise<Hearing>;
  /** Hear the rest of a stream that has ended. */
  endListening(): Promise<Hearing>;
  /** Begin to listen to a recording from its start. */
  listenTo(recording: Input): Promise<void>;
  /** Hear its next piece; undefined at its end. */
  hearNext(): Promise<Passage | undefined>;
}

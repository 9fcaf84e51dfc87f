/** What crosses the seams between the page, the model and the engines: plain data, all of it structured-cloneable. */

/** A fault that a person can read and act on; everything else that is thrown is a bug. */
export class ZooError extends Error {
  override name = "ZooError";

  /** Line breaks and control codes, which names from outside may hold, are written out. */
  constructor(message: string) {
    super(message.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (odd) => `\\u{${odd.codePointAt(0)?.toString(16)}}`));
  }
}

/** Decoded pixels, rows from the top, channels interleaved: grey, RGB or RGBA (alpha not premultiplied). */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/** One sample as the manifest's input describes it, without the batch axis. */
export interface Sample {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float32Array;
}

/** What a graph takes and gives: a batch. */
export interface Tensor {
  readonly dtype: "uint8" | "int8" | "float16" | "float32";
  readonly shape: readonly number[];
  readonly data: Uint8Array | Int8Array | Uint16Array | Float32Array;
}

/** A name with a share of 0 to 1. */
export interface Score {
  readonly label: string;
  readonly score: number;
}

/** An answer, by kind: the page knows kinds, not tasks. */
export type Prediction =
  | { readonly kind: "class"; readonly label: string; readonly score: number; readonly top: readonly Score[] }
  | { readonly kind: "labels"; readonly labels: readonly string[]; readonly threshold: number; readonly top: readonly Score[] }
  | { readonly kind: "values"; readonly values: readonly number[]; readonly target: string; readonly unit: string }
  | { readonly kind: "text"; readonly text: string; readonly score: number }
  | { readonly kind: "anomaly"; readonly anomalous: boolean; readonly score: number; readonly threshold: number };

/** Where an engine computes. */
export type Device = "wasm" | "webgpu";

/** An opened model file: it knows tensors, and nothing of labels. */
export interface Engine {
  /** Library with version, such as "onnxruntime-web 1.30.0". */
  readonly version: string;
  /** The device that really runs the graph. */
  readonly device: Device;
  readonly threads: number;
  /** Feed one batch; the tensors inside the engine are freed before it resolves. */
  run(input: Tensor): Promise<Tensor>;
  close(): void;
}

/** What an engine's file exports, besides `open`. */
export interface EngineModule {
  /** "onnx" or "tflite", as the manifest spells it. */
  readonly format: string;
  open(file: Uint8Array, options: EngineOptions): Promise<Engine>;
}

export interface EngineOptions {
  readonly device: Device;
  readonly threads: number;
  /** Where the engine's WASM files lie; ends in a slash. */
  readonly assets: string;
  /** The graph's input and output names. */
  readonly input: string;
  readonly output: string;
}

/** What crosses the seams between the page, the model and the engines: plain data, all of it structured-cloneable. */

/** A fault that a person can read and act on; everything else that is thrown is a bug. */
export class ZooError extends Error {
  override name = "ZooError";

  /** Line breaks and control codes, which names from outside may hold, are written out. */
  constructor(message: string) {
    super(message.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (odd) => `\\u{${odd.codePointAt(0)?.toString(16)}}`));
  }
}

/** Decoded pixels, rows from the top, channels interleaved: gray, RGB or RGBA (alpha not premultiplied). */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
  /** Whether no pixel is transparent, whatever its fourth byte says. */
  readonly isOpaque?: boolean;
  /** The size of the picture, upright, where its decoder may have reduced it. */
  readonly full?: { readonly width: number; readonly height: number };
  /** How many frames the file has, where it has several; these pixels are the first's. */
  readonly frames?: number;
}

/** The elements of an array, as numbers that JavaScript computes with: int64 has those of float64, bool 0 and 1. */
export type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** One tensor of a sample, without the batch axis. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** One sample: the tensors that the manifest's input describes, or its output, in their order there. */
export type Sample = readonly Values[];

/** What a graph takes and gives: a batch. */
export interface Tensor {
  readonly dtype: "uint8" | "int8" | "int16" | "int32" | "int64" | "float16" | "float32" | "float64" | "bool";
  readonly shape: readonly number[];
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Uint16Array | Float32Array | Float64Array;
}

/** A name with a share of 0 to 1. */
export interface Score {
  readonly label: string;
  readonly score: number;
}

/** An object in a picture, in pixels from its left and top edges. */
export interface Box extends Score {
  /** Of its label among all labels. */
  readonly index: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** An answer, by kind: the page knows kinds, not tasks. */
export type Prediction =
  | { readonly kind: "class"; readonly label: string; readonly score: number; readonly top: readonly Score[] }
  | { readonly kind: "labels"; readonly labels: readonly string[]; readonly threshold: number; readonly top: readonly Score[] }
  | { readonly kind: "values"; readonly values: readonly number[]; readonly target: string; readonly unit: string }
  | { readonly kind: "text"; readonly text: string; readonly score: number }
  | { readonly kind: "anomaly"; readonly anomalous: boolean; readonly score: number; readonly threshold: number }
  | { readonly kind: "boxes"; readonly boxes: readonly Box[]; readonly width: number; readonly height: number }
  | { readonly kind: "tensors"; readonly tensors: readonly (Values & { readonly name: string; readonly dtype: string })[] };

/** Where an engine computes: in a browser in WASM or on WebGPU, in Node on the processor. */
export type Device = "wasm" | "webgpu" | "cpu";

/** An opened model file: it knows tensors, and nothing of labels. */
export interface Engine {
  /** Library with version, such as "onnxruntime-web 1.30.0". */
  readonly version: string;
  /** The device that really runs the graph. */
  readonly device: Device;
  readonly threads: number;
  /** Feed one batch, in the order of the names that it was opened with. */
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
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
  /** The names of the graph's inputs and outputs, in the manifest's order. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

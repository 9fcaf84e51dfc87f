/**
 * What callers give to `predict`.
 *
 * Programs for Node are compiled without the types of pages. So the interfaces here have those members of a page's objects that
 * are used, and the objects themselves fit them.
 */

import type { Waveform } from "./model/audio/recording";
import type { Cell, Row } from "./model/inputs/table";
import type { Pixels, Values } from "./model/types";

/** The tensors of a sample by name. */
export type NamedTensors = Readonly<Record<string, Values>>;

export interface ImageDataLike {
  readonly width: number;
  readonly height: number;
  /** RGBA, not premultiplied. */
  readonly data: ArrayBufferView & ArrayLike<number>;
}

export interface VideoFrameLike {
  readonly displayWidth: number;
  readonly displayHeight: number;
  copyTo(destination: Uint8Array<ArrayBuffer>, options?: object): Promise<unknown>;
  close(): void;
}

export interface ImageBitmapLike {
  readonly width: number;
  readonly height: number;
  close(): void;
}

/** An `<img>`. */
export interface ImageLike {
  readonly naturalWidth: number;
  readonly naturalHeight: number;
  decode(): Promise<void>;
}

/** A `<video>`. */
export interface VideoLike {
  readonly videoWidth: number;
  readonly videoHeight: number;
  readonly ended: boolean;
  requestVideoFrameCallback(callback: () => void): number;
  addEventListener(type: "ended", listener: () => void, options?: { once?: boolean }): void;
}

/** A `<canvas>` or an `OffscreenCanvas`. */
export interface CanvasLike {
  readonly width: number;
  readonly height: number;
  getContext(type: "2d"): unknown;
}

export interface AudioBufferLike {
  readonly sampleRate: number;
  readonly numberOfChannels: number;
  getChannelData(channel: number): Float32Array;
}

/** What shows a picture in a page. */
export type Picture = ImageDataLike | VideoFrameLike | ImageBitmapLike | ImageLike | VideoLike | CanvasLike;

/**
 * What a prediction is made of, by kind of model.
 *
 * - images: an encoded file, pixels, or what shows a picture in a page;
 * - tables: a row by column, or its cells in order;
 * - sequences: `[time][features]`, or an image where the model reads its rows;
 * - tensors: arrays by name, such as `{ x: { shape: [49, 10], data } }`, or a .npz file;
 * - audio: a WAV file, an `AudioBuffer`, or samples with their rate.
 *
 * A file is a `Blob`, its bytes or its address (in Node also a path); rows of JSON, .npy and .npz files are files too.
 */
export type Input =
  | Blob | Uint8Array | URL | string
  | Pixels | Picture
  | Row | readonly Cell[]
  | readonly (readonly number[])[]
  | NamedTensors
  | Waveform | AudioBufferLike;

/** What callers give to `predict`, as the model takes it. */

import { readClip } from "./model/audio/clip";
import { type Recording, type Waveform, openWaveform } from "./model/audio/recording";
import { isWav, openWav } from "./model/audio/wav";
import { readStepsFile } from "./model/inputs/sequence";
import { type Cell, type Row, readRowJson } from "./model/inputs/table";
import { readTensorsFile } from "./model/inputs/tensor_files";
import type { Model, Source } from "./model/model";
import { unknown } from "./model/schema";
import { type Pixels, type Values, ZooError } from "./model/types";
import type { Platform } from "./platform";

/** The tensors of a sample by name. */
export type NamedTensors = Readonly<Record<string, Values>>;

/**
 * What a prediction is made of, by kind of model.
 *
 * - images: an encoded file (`Blob`, `Uint8Array`, URL), `ImageData`, `VideoFrame`, `ImageBitmap`, an `<img>`, a `<video>`, a canvas,
 *   or pixels;
 * - tables: a row by column, or its cells in order;
 * - sequences: `[time][features]`, or an image where the model reads its rows;
 * - tensors: `float32` and other arrays by name, or a .npz file;
 * - audio: a WAV file, an `AudioBuffer`, or samples with their rate.
 *
 * `object` stands for those that only pages have types of.
 */
export type Input =
  | Blob | Uint8Array | URL | string | Pixels | Row | readonly Cell[] | readonly (readonly number[])[] | NamedTensors | Waveform | object;

/** The largest file that is read, in bytes. */
export const MAX_FILE = 256 * 2 ** 20;

/**
 * Return an input as the model takes it.
 *
 * @throws ZooError if it can't be used; says why.
 */
export async function readInput(model: Model, platform: Platform, input: Input, signal?: AbortSignal): Promise<Source> {
  const { kind } = model.manifest.model.input;
  const bytes = await encoded(platform, input, signal);
  return READERS[kind](model, platform, bytes ?? input);
}

/** Return the content of a file; undefined for what is none. */
async function encoded(platform: Platform, input: Input, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  if (typeof input === "string" || input instanceof URL) return platform.fetch(input, signal);
  if (!(input instanceof Blob || input instanceof Uint8Array)) return undefined;
  const size = input instanceof Blob ? input.size : input.length;
  if (size > MAX_FILE) throw new ZooError(`${Math.round(size / 2 ** 20)} MB is too large; the limit is ${MAX_FILE / 2 ** 20} MB`);
  return input instanceof Blob ? new Uint8Array(await input.arrayBuffer()) : input;
}

type Reader = (model: Model, platform: Platform, input: Uint8Array | Input) => Promise<Source>;

const READERS: { readonly [kind in Model["manifest"]["model"]["input"]["kind"]]: Reader } = {
  image: async (model, platform, input) => {
    if (input instanceof Uint8Array) return platform.decode(input, model.steps);
    const pixels = isPixels(input) ? input : await platform.pixelsOf(input as object);
    if (!pixels) throw new ZooError("this model takes images");
    return pixels;
  },
  table: async (model, _, input) => {
    const { input: spec } = model.manifest.model;
    if (!(input instanceof Uint8Array)) return input as Row | readonly Cell[];
    if (spec.kind === "table") readRowJson(spec, input);
    return JSON.parse(new TextDecoder().decode(input)) as Row | Cell[];
  },
  sequence: async (model, platform, input) => {
    if (model.steps.length) return READERS.image(model, platform, input);
    const { input: spec } = model.manifest.model;
    if (!(input instanceof Uint8Array) || spec.kind !== "sequence") return input as readonly (readonly number[])[];
    return readStepsFile(spec, input);
  },
  tensors: async (model, _, input) => {
    const { input: spec } = model.manifest.model;
    if (spec.kind !== "tensors") throw new ZooError("this model takes no tensors");
    if (input instanceof Uint8Array) return readTensorsFile(spec, input);
    const names = spec.tensors.map(({ name }) => name);
    const odd = Object.keys(input).find((name) => !names.includes(name));
    if (odd !== undefined) throw new ZooError(unknown("tensor", odd, names));
    return names.map((name) => {
      const values = (input as NamedTensors)[name];
      if (!values?.shape || !values.data) throw new ZooError(`the tensor "${name}" is missing: give { shape, data }`);
      return values;
    });
  },
  audio: async (model, _, input) => {
    const { input: spec } = model.manifest.model;
    if (spec.kind !== "audio") throw new ZooError("this model does not listen");
    return [readClip(spec, openRecording(input))];
  },
};

function isPixels(input: Input): input is Pixels {
  return typeof input === "object" && "data" in input && input.data instanceof Uint8Array && "channels" in input;
}

/**
 * Open a recording: a WAV file, an `AudioBuffer`, or samples with their rate.
 *
 * @throws ZooError if it is none of these.
 */
export function openRecording(input: Uint8Array | Input): Recording {
  if (input instanceof Uint8Array) {
    if (!input.length) throw new ZooError("the recording: is empty");
    if (!isWav(input)) throw new ZooError("the recording: is no WAV file; decode others with decodeAudioData, and give the AudioBuffer");
    return openWav(input);
  }
  return openWaveform(waveformOf(input));
}

/** Return the samples of an `AudioBuffer`, or those given with their rate. */
export function waveformOf(input: Input): Waveform {
  if (typeof input === "object" && "getChannelData" in input) {
    const buffer = input as unknown as AudioBuffer;
    const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
    return { rate: buffer.sampleRate, channels };
  }
  if (typeof input === "object" && "rate" in input && "channels" in input && Array.isArray(input.channels)) return input as Waveform;
  throw new ZooError("this model takes recordings: a WAV file, an AudioBuffer, or { rate, channels }");
}

/** Read a recording's file where there is one. */
export async function readRecording(platform: Platform, input: Input, signal?: AbortSignal): Promise<Recording> {
  return openRecording((await encoded(platform, input, signal)) ?? input);
}

/** What callers give to `predict`, as the model takes it. */

import type { Input, NamedTensors, Picture } from "./input";
import { readStepsFile } from "./model/inputs/sequence";
import { type Cell, type Row, parseRow } from "./model/inputs/table";
import { readTensorsFile } from "./model/inputs/tensor_files";
import type { Input as InputSpec } from "./model/manifest";
import { type Model, type Source, isPixels } from "./model/model";
import { unknown } from "./model/schema";
import { type Sample, ZooError } from "./model/types";
import type { Platform } from "./platform";

/** The largest file that is read, in bytes. */
export const MAX_FILE = 256 * 2 ** 20;
/** The first byte of .npy files; no image begins with it. */
const NPY = 0x93;

type Reading = Pick<Platform, "fetch" | "decode" | "pixelsOf">;
/** An input whose file, if it is one, was read. */
type Content = Exclude<Input, Blob | URL | string>;

/**
 * Return an input as the model takes it; pixels may lie in the model's memory, which its next input uses.
 *
 * @throws ZooError if it can't be used; says why.
 */
export async function readInput(model: Model, platform: Reading, input: Input, signal?: AbortSignal): Promise<Source> {
  const spec = model.manifest.model.input;
  const read = READERS[spec.kind] as Reader<InputSpec>;
  return read(spec, await contentOf(platform, input, signal), platform, model);
}

/**
 * Return the bytes of a file; other inputs as they are.
 *
 * @throws ZooError if the file can't be had, or is larger than 256 MiB.
 */
export async function contentOf(platform: Pick<Platform, "fetch">, input: Input, signal?: AbortSignal): Promise<Content> {
  if (typeof input === "string" || input instanceof URL) return platform.fetch(input, signal);
  if (!(input instanceof Blob || input instanceof Uint8Array)) return input;
  const size = input instanceof Blob ? input.size : input.length;
  if (size > MAX_FILE) throw new ZooError(`${Math.round(size / 2 ** 20)} MB is too large; the limit is ${MAX_FILE / 2 ** 20} MB`);
  return input instanceof Blob ? new Uint8Array(await input.arrayBuffer()) : input;
}

type Reader<S> = (spec: S, content: Content, platform: Reading, model: Model) => Promise<Source>;

const READERS: { readonly [K in InputSpec["kind"]]: Reader<Extract<InputSpec, { kind: K }>> } = {
  image: async (_, content, platform, { steps, scratch }) => {
    if (content instanceof Uint8Array) return platform.decode(content, steps, scratch);
    const pixels = isPixels(content as Source) ? content : await platform.pixelsOf(content as Picture, scratch);
    if (!pixels) throw new ZooError("this model takes images");
    return pixels as Source;
  },
  table: async (_, content) => (content instanceof Uint8Array ? parseRow(content) : (content as Row | readonly Cell[])),
  sequence: async (spec, content, platform, model) => {
    const isFile = content instanceof Uint8Array;
    if (isFile && (!model.steps.length || content[0] === NPY)) return readStepsFile(spec, content);
    if (isFile || (model.steps.length && !Array.isArray(content))) return READERS.image(spec as never, content, platform, model);
    return content as readonly (readonly number[])[];
  },
  tensors: async (spec, content) => {
    if (content instanceof Uint8Array) return readTensorsFile(spec, content);
    const names = spec.tensors.map(({ name }) => name);
    const odd = Object.keys(content).find((name) => !names.includes(name));
    if (odd !== undefined) throw new ZooError(unknown("tensor", odd, names));
    return names.map((name) => {
      const values = (content as NamedTensors)[name];
      if (!values?.shape || !values.data) throw new ZooError(`the tensor "${name}" is missing: give { shape, data }`);
      return values;
    });
  },
  audio: async (spec, content): Promise<Sample> => {
    const { openRecording, readClip } = await import("./recordings");
    return [readClip(spec, openRecording(content))];
  },
};

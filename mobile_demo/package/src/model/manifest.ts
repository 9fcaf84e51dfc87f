/** manifest.json: the contract of a bundle, checked field by field before anything of it is used. */

import { feed } from "./feed";
import { audioInput } from "./inputs/audio";
import { imageInput } from "./inputs/image";
import { sequenceInput } from "./inputs/sequence";
import { tableInput } from "./inputs/table";
import { tensorsInput } from "./inputs/tensors";
import { listening } from "./listening";
import { quantizationParams } from "./quantization";
import {
  type Check, type Of, anything, isPrintable, list, literal, nullable, optional, real, record, shown, table, tagged, text, where, whole,
} from "./schema";
import { output } from "./tasks";
import { graphType } from "./tensors";
import { ZooError } from "./types";

/** The newest version of the contract that is read here. */
export const FORMAT_VERSION = 3;
/** The largest manifest that is looked at, in characters. */
export const MAX_MANIFEST = 8 * 2 ** 20;
export const GOLDEN = "golden.npz";
/** The formats that some engine runs in a browser. */
export const PLAYABLE = ["onnx", "tflite"];

const PLACE = "manifest.json";
/** The types of integers that may stand for real values. */
const INTEGERS: readonly string[] = ["uint8", "int8", "int16"];
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

const positive = (name: string, most: number): Check<number> =>
  where(whole, (size) => !(1 <= size && size <= most) && `${name} must be 1 to ${most}, got ${size}`);
const counts = table(whole);

const input = tagged("kind", { image: imageInput, table: tableInput, sequence: sequenceInput, tensors: tensorsInput, audio: audioInput });

const model = where(
  record({
    name: where(text, (name) => !(name && name.length <= 200 && isPrintable(name)) && `a model's name is 1 to 200 printable characters, got ${shown(name)}`),
    input,
    output,
    listening: optional(nullable(listening), null),
  }),
  ({ input, output, listening }) => {
    if (listening) {
      if (input.kind !== "audio" || !(output.task === "classification" || output.task === "binary")) return "only a classifier of audio listens to streams";
      if (input.hop && listening.step !== input.hop) return `a streaming network listens in steps of its hop, ${input.hop} samples`;
      const odd = listening.ignored.find((label) => !output.labels.includes(label));
      if (odd !== undefined) return `listening ignores ${shown(odd)}, which is none of the labels`;
      if (output.labels.every((label) => listening.ignored.includes(label))) return "listening ignores every label";
    }
    if (output.task !== "detection") return undefined;
    const { height, width } = output;
    const isSized = input.kind === "image" && input.shape[0] === height && input.shape[1] === width;
    return isSized ? undefined : `a detector of ${width}x${height} pixels takes images of that size`;
  },
);

const fileSpec = record({
  format: text,
  precision: literal("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int16x8", "int4-weights"),
  input_dtype: nullable(literal("uint8", "float32")),
  batch: nullable(positive("batch", 2 ** 16)),
  steps: optional(nullable(positive("steps", 2 ** 24)), null),
  state: optional(list(record({ name: text, shape: list(positive("a state's axis", 2 ** 24)) })), []),
  drift: optional(where(text, (drift) => !isPrintable(drift) && "drift must be one line of printable text"), ""),
  feed: optional(nullable(feed), null),
  lengths: optional(counts, {}),
  dtypes: optional(table(graphType), {}),
  quantization: optional(table(quantizationParams), {}),
  unbatched: optional(list(text), []),
});

const parity = record({
  engine: text,
  samples: whole,
  max_difference: real,
  mean_difference: real,
  cosine: real,
  agreement: real,
  metric: nullable(text),
  reference: nullable(real),
  exported: nullable(real),
  hard_samples: whole,
  hard_max_difference: real,
  tolerance: real,
  snr: optional(nullable(real), null),
  tensors: optional(table(real), {}),
  metrics: optional(table(list(real, 2)), {}),
  labels: optional(table(list(real, 2)), {}),
});

const quantization = record({
  kept: optional(table(real), {}),
  samples: optional(whole, 0),
  method: optional(text, ""),
  balance: optional(counts, {}),
});

const modelFile = record({
  spec: fileSpec,
  parity: nullable(parity),
  quantisation: optional(nullable(quantization), null),
  footprint: optional(counts, {}),
});

const entry = record({
  sha256: where(text, (hash) => !/^[0-9a-f]{64}$/.test(hash) && `sha256 must be 64 hexadecimal digits, got ${shown(hash)}`),
  size: where(whole, (size) => !(0 <= size && size <= 2 ** 32) && `size must be 0 to ${2 ** 32} bytes, got ${size}`),
});

const origin = { name: text, source: text, licence: text };

const card = record({
  summary: optional(text, ""),
  data: optional(
    nullable(record({ ...origin, samples: counts, fingerprint: text, balance: optional(table(counts), {}) })),
    null,
  ),
  weights: optional(nullable(record(origin)), null),
  metrics: optional(table(real), {}),
  training: optional(table(anything), {}),
});

const goldenSource = record({ kind: literal("data", "chosen", "made-up", "none"), samples: optional(whole, 0) });

const manifest = where(
  record({
    format: whole,
    generator: text,
    created: text,
    model,
    models: table(modelFile),
    files: table(entry),
    card,
    golden: optional(nullable(goldenSource), null),
  }),
  faultOfManifest,
);

export type Manifest = Of<typeof manifest>;
export type Input = Of<typeof input>;
export type FileSpec = Of<typeof fileSpec>;
export type ModelFile = Of<typeof modelFile>;
export type FileEntry = Of<typeof entry>;
export type Card = Of<typeof card>;

/**
 * Decode manifest.json and check every field.
 *
 * @throws ZooError if it breaks the contract; names the field.
 */
export function parseManifest(json: string): Manifest {
  if (json.length > MAX_MANIFEST) throw new ZooError(`${PLACE}: larger than expected (over ${MAX_MANIFEST} characters)`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (problem) {
    throw new ZooError(`${PLACE}: not valid JSON (${problem instanceof Error ? problem.message : String(problem)})`);
  }
  const format = typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
  if (!Number.isSafeInteger(format) || (format as number) < 1) {
    throw new ZooError(`${PLACE}: the field "format" must be a version number, got ${shown(format)}`);
  }
  if ((format as number) > FORMAT_VERSION) {
    throw new ZooError(`${PLACE}: format ${shown(format)} is newer than this app reads (${FORMAT_VERSION}): update edgezoo`);
  }
  return manifest(value, PLACE);
}

export interface PlayableFile {
  readonly file: string;
  readonly format: string;
  readonly precision: FileSpec["precision"];
  readonly size: number;
}

/** List the files that answer whole samples in a browser, in the manifest's order: no step graphs, no fixed large batches. */
export function playable(manifest: Manifest): PlayableFile[] {
  return Object.entries(manifest.models)
    .filter(([, { spec }]) => PLAYABLE.includes(spec.format) && spec.state.length === 0 && (spec.batch ?? 1) === 1)
    .map(([file, { spec }]) => ({ file, format: spec.format, precision: spec.precision, size: manifest.files[file]?.size ?? 0 }));
}

function faultOfManifest(made: {
  readonly model: Of<typeof model>;
  readonly models: Readonly<Record<string, Of<typeof modelFile>>>;
  readonly files: Readonly<Record<string, unknown>>;
  readonly golden: Of<typeof goldenSource> | null;
}): string | undefined {
  const models = Object.keys(made.models);
  for (const name of [...Object.keys(made.files), ...models]) {
    if (!FILE_NAME.test(name) || name === PLACE) {
      return `${shown(name)} can't be a file of a bundle: use letters, digits, '.', '_' and '-' only`;
    }
  }
  const without = made.golden?.kind === "none";
  if (without && Object.hasOwn(made.files, GOLDEN)) return `"${GOLDEN}" is listed, but "golden" says that there is none`;
  const lost = [...models, ...(without ? [] : [GOLDEN])].find((name) => !Object.hasOwn(made.files, name));
  if (lost !== undefined) return `"${lost}" has no entry under "files"`;
  if (models.length === 0) return 'a bundle needs at least one model file under "models"';
  for (const { spec } of Object.values(made.models)) {
    const { feed } = spec;
    const { input, output } = made.model;
    if (feed && input.kind !== "image") return `a feed is for images, not for an input of kind "${input.kind}"`;
    if (feed && input.kind === "image" && feed.mean.length !== input.shape[2]) {
      return `a feed with ${feed.mean.length} means for ${input.shape[2]} channels`;
    }
    if (feed && !feed.output && !("tensors" in output)) return `a feed needs the name of the graph's output for the task "${output.task}"`;
    const odd = Object.keys(spec.quantization).find((name) => Object.hasOwn(spec.dtypes, name) && !INTEGERS.includes(spec.dtypes[name]!));
    if (odd !== undefined) return `the tensor ${shown(odd)} is quantized, so its type must be one of ${INTEGERS.join(", ")}`;
    if (spec.unbatched.length && spec.batch !== 1) return `without a batch axis a file runs batches of 1, got ${spec.batch}`;
    if (feed && spec.state.length) return "a graph made elsewhere takes no states";
    const states = spec.state.map(({ name }) => name);
    if (states.includes("") || new Set(states).size !== states.length) return "states need different names";
  }
  return undefined;
}

/** Inference, off the page: one model on one engine. */

import type { Answer, Hearing, Methods, Source } from "./api";
import type { Hearing as Heard, Listener } from "edgezoo/model/audio/listener";
import { namesOf } from "edgezoo/model/graph_names";
import type { AudioInput } from "edgezoo/model/inputs/audio";
import { readStepsFile } from "edgezoo/model/inputs/sequence";
import type { Cell, Row } from "edgezoo/model/inputs/table";
import { readTensorsFile } from "edgezoo/model/inputs/tensor_files";
import { type TensorsInput, usualShape } from "edgezoo/model/inputs/tensors";
import { Model } from "edgezoo/model/model";
import { readGolden } from "edgezoo/model/npz";
import { selfTest } from "edgezoo/model/selftest";
import type { StepGraph } from "edgezoo/model/step_graph";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import { product, typed } from "edgezoo/model/tensors";
import { type EngineModule, type Pixels, type Sample, ZooError } from "edgezoo/model/types";
import { once } from "edgezoo/once";
import { decodeFile, decodeFrame } from "edgezoo/pixels";
import type { Passage } from "./recordings";
import { serve } from "./rpc";
import { load } from "./store";

/** Which engine runs a format, and the folder of its files; the library is fetched when it is needed. */
const ENGINES: Record<string, { folder: string; module: () => Promise<EngineModule> }> = {
  tflite: { folder: "litert", module: () => import("edgezoo/engines/litert") },
  onnx: { folder: "onnxruntime", module: () => import("edgezoo/engines/onnxruntime") },
};

interface Open {
  readonly model: Model;
  /** Undefined where the bundle was made without a golden pack. */
  readonly golden: (() => Promise<Uint8Array>) | undefined;
  /** Opens the step graph of a network that streams. */
  readonly steps: () => Promise<StepGraph | undefined>;
}

let current: Open | undefined;
let listener: Listener | undefined;
let passages: AsyncGenerator<Passage, undefined> | undefined;

/** What reads audio is fetched when a model takes it. */
const audio = (): Promise<typeof import("./recordings")> => import("./recordings");

serve<Methods>({
  async open(_, opening) {
    const { base, manifest, name, format, file, golden, device, threads } = opening;
    const started = performance.now();
    const maker = ENGINES[format];
    if (!maker) throw new ZooError(`${name}: no engine of this app runs the format ${format}`);
    const [bytes, module] = await Promise.all([load(base, file), maker.module()]);
    const assets = new URL(`engines/${maker.folder}/`, base).href;
    const options = { device, threads, assets };
    const engine = await module.open(bytes, { ...options, ...namesOf(manifest, name) });
    const openSteps = async (): Promise<StepGraph | undefined> => (await audio()).openSteps(opening, module, options);
    current = { model: new Model(manifest, name, engine), golden: golden && (() => load(base, golden)), steps: once(openSteps) };
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name).filter((url) => url.startsWith(assets));
    return { version: engine.version, device: engine.device, threads: engine.threads, loaded, took: performance.now() - started };
  },

  async predict(_, source, thresholds) {
    return predict(opened().model, source, thresholds);
  },

  async examples() {
    const { model, golden } = opened();
    if (!golden) return [blankOf(model)];
    const { raw, real } = readGolden(await golden());
    return raw.slice(0, real).map((bytes) => exampleOf(model, bytes));
  },

  async selfTest(progress, examples) {
    const { model, golden } = opened();
    if (!golden) throw new ZooError("this bundle has no golden pack, so there is nothing to replay");
    const pack = readGolden(await golden());
    const sourceOf = async (file: Uint8Array, i: number): Promise<Pixels | Sample> => {
      const example = examples[i]?.kind === "waveform" ? examples[i] : { kind: "file" as const, file: new Blob([file as Uint8Array<ArrayBuffer>]) };
      return (await inputOf(model, example)).input as Pixels | Sample;
    };
    return selfTest(model, pack, sourceOf, progress);
  },

  async benchmark(progress, source, runs) {
    const { model } = opened();
    const engine: number[] = [];
    const whole: number[] = [];
    const decode: number[] = [];
    for (let i = 0; i < WARM_UP; i++) await predict(model, source);
    for (let i = 0; i < runs; i++) {
      const { times } = await predict(model, source);
      engine.push(times.run);
      whole.push(times.total);
      decode.push(times.decode);
      progress((i + 1) / runs);
    }
    return { engine, whole, decode };
  },

  async listen(_, rate) {
    const { Listener } = await audio();
    const { model, steps } = opened();
    listener = new Listener(model, rate, await steps());
  },

  async hear(_, waveform) {
    const { openWaveform } = await audio();
    return hearingOf(await streaming().push(openWaveform(waveform).blocks(), waveform.channels.length));
  },

  async endListening() {
    return hearingOf(await streaming().end());
  },

  async listenTo(_, source) {
    const { listenTo, openFile, openWaveform } = await audio();
    if (source.kind !== "file" && source.kind !== "waveform") throw new ZooError("that is no recording");
    const { model, steps } = opened();
    passages = listenTo(model, await steps(), source.kind === "file" ? await openFile(source.file) : openWaveform(source.waveform));
  },

  async hearNext() {
    return (await passages?.next())?.value;
  },
});

const WARM_UP = 3;

function opened(): Open {
  if (!current) throw new ZooError("no model is open");
  return current;
}

function streaming(): Listener {
  if (!listener) throw new ZooError("no stream was begun");
  return listener;
}

function hearingOf({ heard, look }: Heard): Hearing {
  if (!look) return { heard, answer: undefined };
  const { prediction, clip, run } = look;
  return { heard, answer: { prediction, seen: [clip], frames: 1, decoded: false, times: { decode: 0, read: 0, run, total: run } } };
}

async function predict(model: Model, source: Source, thresholds?: Thresholds): Promise<Answer> {
  const started = performance.now();
  const { input, frames } = await inputOf(model, source);
  const decode = performance.now() - started;
  const { prediction, seen, times } = await model.predict(input, thresholds);
  return { prediction, seen, frames, decoded: isDecoded(model, source), times: { decode, read: times.read, run: times.run, total: performance.now() - started } };
}

/** Tell whether the browser decoded what a source holds; WAV files it doesn't. */
function isDecoded({ manifest }: Model, source: Source): boolean {
  return source.kind === "waveform" ? source.decoded : source.kind === "file" && manifest.model.input.kind !== "audio";
}

/** Return what a file holds: pixels, or a clip of audio. */
async function decoded({ manifest, steps }: Model, file: Blob): Promise<{ input: Pixels | Sample; frames: number }> {
  const { input } = manifest.model;
  if (input.kind === "audio") return { input: await (await audio()).readFile(input, file), frames: 1 };
  const { pixels, frames } = await decodeFile(file, steps);
  return { input: pixels, frames };
}

async function inputOf(model: Model, source: Source): Promise<{ input: Parameters<Model["predict"]>[0]; frames: number }> {
  switch (source.kind) {
    case "file":
      return decoded(model, source.file);
    case "frame":
      return { input: await decodeFrame(source.frame), frames: 1 };
    case "pixels":
      return { input: source.pixels, frames: 1 };
    case "row":
      return { input: source.row, frames: 1 };
    case "sequence":
      return { input: source.values, frames: 1 };
    case "tensors":
      return { input: source.given instanceof Blob ? await tensorsOf(model, source.given) : source.given, frames: 1 };
    case "waveform":
      return { input: (await audio()).readWaveform(model.manifest.model.input as AudioInput, source.waveform), frames: 1 };
  }
}

async function tensorsOf({ manifest }: Model, file: Blob): Promise<Sample> {
  return readTensorsFile(manifest.model.input as TensorsInput, new Uint8Array(await file.arrayBuffer()));
}

/** Turn a real input of the golden pack into what a person would have given. */
function exampleOf({ manifest }: Model, raw: Uint8Array): Source {
  const { input } = manifest.model;
  if (input.kind === "table") {
    const row = JSON.parse(new TextDecoder().decode(raw)) as Row | Cell[];
    return { kind: "row", row: Array.isArray(row) ? Object.fromEntries(input.columns.map(({ name }, i) => [name, row[i] ?? null])) : row };
  }
  if (input.kind === "sequence" && !input.preprocess.length) {
    return { kind: "sequence", values: readStepsFile(input, raw) };
  }
  if (input.kind === "tensors") return { kind: "tensors", given: new Blob([raw as Uint8Array<ArrayBuffer>]) };
  return { kind: "file", file: new Blob([raw as Uint8Array<ArrayBuffer>]) };
}

/** Make an input that shows nothing, to measure with where there is no real one. */
function blankOf({ manifest }: Model): Source {
  const { input } = manifest.model;
  if (input.kind === "table") {
    return { kind: "row", row: Object.fromEntries(input.columns.map((column) => [column.name, column.kind === "numeric" ? column.mean : column.categories[0]!])) };
  }
  if (input.kind === "sequence" && !input.preprocess.length) return { kind: "sequence", values: Array.from({ length: input.length }, () => [...input.mean]) };
  if (input.kind === "tensors") {
    const shapes = input.tensors.map((tensor) => usualShape(tensor, input.lengths));
    return { kind: "tensors", given: shapes.map((shape, t) => ({ shape, data: typed(input.tensors[t]!.dtype, new Float32Array(product(shape))) })) };
  }
  if (input.kind === "audio") {
    return { kind: "waveform", waveform: { rate: input.rate, channels: [new Float32Array(input.samples)] }, decoded: false };
  }
  const [height, width] = input.kind === "image" ? input.shape : [input.length, input.features.length];
  return { kind: "pixels", pixels: { width: width!, height: height!, channels: 3, data: new Uint8Array(height! * width! * 3).fill(128) } };
}

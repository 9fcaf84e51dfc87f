/** Inference, off the page: one model, opened with the package on this site's engines and this device's files. */

import { type Answer, type Hearing, type Methods, isFrame } from "./api";
import { browser } from "edgezoo/browser";
import { type EdgeModel, openModel } from "edgezoo/edge_model";
import type { Input } from "edgezoo/input";
import type { Hearing as Heard, Listener } from "edgezoo/model/audio/listener";
import { readStepsFile } from "edgezoo/model/inputs/sequence";
import { parseRow } from "edgezoo/model/inputs/table";
import { usualShape } from "edgezoo/model/inputs/tensors";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import { product, typed } from "edgezoo/model/tensors";
import { ZooError } from "edgezoo/model/types";
import type { Passage } from "edgezoo/recordings";
import { serve } from "./rpc";
import { load } from "./store";

/** The libraries are fetched when they are needed. */
const engines = { litert: () => import("edgezoo/engines/litert"), onnxruntime: () => import("edgezoo/engines/onnxruntime") };

let current: EdgeModel | undefined;
let listener: Listener | undefined;
let passages: AsyncGenerator<Passage, undefined> | undefined;

serve<Methods>({
  async open(_, { base, path, manifest, file, device, threads }) {
    const started = performance.now();
    const assets = (engine: string): string => new URL(`engines/${engine}/`, base).href;
    const read = (name: string): Promise<Uint8Array> => load(base, { path: path + name, ...manifest.files[name]! });
    const model = await openModel({ ...browser, engines, assets }, manifest, read, { file, device, threads });
    current = model;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name).filter((url) => url.startsWith(`${base}engines/`));
    return { version: model.engine, device: model.device, threads: model.threads, loaded, took: performance.now() - started };
  },

  async predict(_, input, thresholds) {
    return predict(opened(), input, thresholds);
  },

  async examples() {
    const model = opened();
    const files = await model.examples();
    return files.length ? files.map((file) => exampleOf(model, file)) : [blankOf(model)];
  },

  async selfTest(progress, inputs) {
    return opened().verify(progress, inputs);
  },

  async benchmark(progress, input, runs) {
    const model = opened();
    const engine: number[] = [];
    const whole: number[] = [];
    const decode: number[] = [];
    for (let i = 0; i < WARM_UP; i++) await predict(model, input);
    for (let i = 0; i < runs; i++) {
      const { times } = await predict(model, input);
      engine.push(times.run);
      whole.push(times.total);
      decode.push(times.decode);
      progress((i + 1) / runs);
    }
    return { engine, whole, decode };
  },

  async listen(_, rate) {
    listener = await opened().listener(rate);
  },

  async hear(_, waveform) {
    return hearingOf(await streaming().hear(waveform));
  },

  async endListening() {
    return hearingOf(await streaming().end());
  },

  async listenTo(_, recording) {
    passages = opened().passages(recording);
  },

  async hearNext() {
    return (await passages?.next())?.value;
  },
});

const WARM_UP = 3;

function opened(): EdgeModel {
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

async function predict(model: EdgeModel, input: Input, thresholds?: Thresholds): Promise<Answer> {
  try {
    return { ...(await model.inspect(input, { thresholds })), decoded: isDecoded(model, input) };
  } finally {
    if (isFrame(input)) input.close();
  }
}

/** Tell whether the browser decoded what a file holds; WAV files it doesn't. */
function isDecoded({ manifest }: EdgeModel, input: Input): boolean {
  const { input: spec } = manifest.model;
  if (spec.kind === "audio") return typeof input === "object" && "decoded" in input;
  return "preprocess" in spec && spec.preprocess.length > 0 && input instanceof Blob;
}

/** Turn a real input of the golden pack into what a person would have given. */
function exampleOf({ manifest }: EdgeModel, file: Uint8Array): Input {
  const { input } = manifest.model;
  if (input.kind === "table") return parseRow(file);
  if (input.kind === "sequence" && !input.preprocess.length) return readStepsFile(input, file);
  return new Blob([file as Uint8Array<ArrayBuffer>]);
}

/** Make an input that shows nothing, to measure with where there is no real one. */
function blankOf({ manifest }: EdgeModel): Input {
  const { input } = manifest.model;
  if (input.kind === "table") return input.columns.map((column) => (column.kind === "numeric" ? column.mean : column.categories[0]!));
  if (input.kind === "sequence" && !input.preprocess.length) return Array.from({ length: input.length }, () => [...input.mean]);
  if (input.kind === "tensors") {
    const shapes = input.tensors.map((tensor) => usualShape(tensor, input.lengths));
    return Object.fromEntries(input.tensors.map(({ name, dtype }, t) => [name, { shape: shapes[t]!, data: typed(dtype, new Float32Array(product(shapes[t]!))) }]));
  }
  if (input.kind === "audio") return { rate: input.rate, channels: [new Float32Array(input.samples)] };
  const [height, width] = input.kind === "image" ? input.shape : [input.length, input.features.length];
  return { width: width!, height: height!, channels: 3, data: new Uint8Array(height! * width! * 3).fill(128) };
}

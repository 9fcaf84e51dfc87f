/** A bundle's model, open on an engine. */

import type { Input, VideoLike } from "./input";
import type { Heard } from "./model/audio/decisions";
import type { Listener } from "./model/audio/listener";
import { namesOf } from "./model/graph_names";
import { GOLDEN, type Manifest, playable } from "./model/manifest";
import { Model, isPixels } from "./model/model";
import { readGolden } from "./model/npz";
import { Scratch } from "./model/scratch";
import type { Report } from "./model/selftest";
import type { StepGraph } from "./model/step_graph";
import type { Thresholds } from "./model/tasks/detection";
import { type Device, type EngineModule, type EngineOptions, type Prediction, type Sample, ZooError } from "./model/types";
import { once } from "./once";
import type { EngineName, Platform } from "./platform";
import { contentOf, readInput } from "./reading";
import type { Passage } from "./recordings";

export interface LoadOptions {
  /** A model file of the bundle; by default the first that the engine runs. */
  readonly file?: string;
  readonly engine?: EngineName;
  readonly device?: Device;
  /** Of the engine; 1 by default. */
  readonly threads?: number;
  /** The address of the folder with the engine's WASM files; LiteRT.js needs it. */
  readonly assets?: string;
  readonly signal?: AbortSignal;
}

export interface PredictOptions {
  /** A detector's, instead of the manifest's. */
  readonly thresholds?: Thresholds | undefined;
  readonly signal?: AbortSignal;
}

/** A prediction with what the model saw, and how long each part took. */
export interface Inspection<P extends Prediction = Prediction> {
  readonly prediction: P;
  /** The tensors that the graph was fed, without the batch axis. */
  readonly seen: Sample;
  /** How many frames the image's file has, of which the first was read. */
  readonly frames: number;
  /** Milliseconds: `decode` a file or a picture to pixels, `read` them as the manifest says, `run` the engine. */
  readonly times: { readonly decode: number; readonly read: number; readonly run: number; readonly total: number };
}

/** What reads a file that the manifest lists, and compares it with its entry there. */
export type ReadFile = (name: string, signal?: AbortSignal) => Promise<Uint8Array>;

const FORMATS: Readonly<Record<EngineName, string>> = { onnxruntime: "onnx", litert: "tflite" };

/** What is used of recordings is fetched when a model takes them. */
const audio = (): Promise<typeof import("./recordings")> => import("./recordings");

/**
 * Open a model file of a bundle whose manifest was checked.
 *
 * @throws ZooError if the bundle has no file that the engine runs, or a file is damaged.
 */
export async function openModel<P extends Prediction = Prediction>(platform: Platform, manifest: Manifest, read: ReadFile, options: LoadOptions): Promise<EdgeModel<P>> {
  const { signal, threads = 1, device = platform.devices[0] } = options;
  const [file, engine] = chosen(manifest, platform, options);
  if (!platform.devices.includes(device)) throw new ZooError(`the device "${device}" is not here; there are: ${platform.devices.join(", ")}`);
  const [module, bytes] = await Promise.all([platform.engines[engine]!(), read(file, signal)]);
  signal?.throwIfAborted();
  const assets = options.assets ? withSlash(options.assets) : (platform.assets?.(engine) ?? "");
  const settings = { device, threads, assets };
  const opened = await module.open(bytes, { ...settings, ...namesOf(manifest, file) });
  return new EdgeModel<P>(platform, read, new Model(manifest, file, opened), module, settings);
}

/** Return the file to open, and its engine. */
function chosen(manifest: Manifest, platform: Platform, { file, engine }: LoadOptions): [string, EngineName] {
  const engines = (Object.keys(platform.engines) as EngineName[]).filter((name) => engine === undefined || name === engine);
  if (!engines.length) throw new ZooError(`the engine "${engine}" is not here; there are: ${Object.keys(platform.engines).join(", ")}`);
  const files = playable(manifest).filter((each) => file === undefined || each.file === file);
  for (const name of engines) {
    const first = files.find(({ format }) => format === FORMATS[name]);
    if (first) return [first.file, name];
  }
  throw new ZooError(`the bundle has no ${file ?? "file"} that ${engines.join(" or ")} runs; it has: ${Object.keys(manifest.models).join(", ")}`);
}

function withSlash(address: string): string {
  const absolute = globalThis.location ? new URL(address, globalThis.location.href).href : address;
  return absolute.endsWith("/") ? absolute : `${absolute}/`;
}

/** A model that predicts. Its calls run one after the other. */
export class EdgeModel<P extends Prediction = Prediction> {
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #scratch = new Scratch();
  readonly #steps: () => Promise<StepGraph | undefined>;
  #stepGraph: StepGraph | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly read: ReadFile,
    private readonly model: Model,
    module: EngineModule,
    options: Omit<EngineOptions, "inputs" | "outputs">,
  ) {
    this.#steps = once(async () => {
      const { StepGraph, stepFile, stepNames } = await audio();
      const file = stepFile(this.manifest, this.file);
      if (file === undefined) return undefined;
      const engine = await module.open(await read(file), { ...options, ...stepNames(this.manifest, file) });
      return (this.#stepGraph = new StepGraph(this.manifest, file, engine));
    });
  }

  get manifest(): Manifest {
    return this.model.manifest;
  }

  /** The model file that is open. */
  get file(): string {
    return this.model.file;
  }

  /** The engine's library with its version. */
  get engine(): string {
    return this.model.engine.version;
  }

  get device(): Device {
    return this.model.engine.device;
  }

  get threads(): number {
    return this.model.engine.threads;
  }

  /** The labels of a classifier or detector; empty for other tasks. */
  get labels(): readonly string[] {
    const { output } = this.manifest.model;
    return "labels" in output ? output.labels : [];
  }

  /**
   * Predict one input.
   *
   * @throws ZooError if the input can't be used, or the model is closed.
   */
  async predict(input: Input, options: PredictOptions = {}): Promise<P> {
    return (await this.#answer(input, options, this.#scratch)).prediction;
  }

  /**
   * Predict one input, and tell what the model saw and how long each part took.
   *
   * @throws ZooError if the input can't be used, or the model is closed.
   */
  inspect(input: Input, options: PredictOptions = {}): Promise<Inspection<P>> {
    return this.#answer(input, options);
  }

  /** Answer in turn; `scratch` may hold what the model saw. */
  #answer(input: Input, { thresholds, signal }: PredictOptions, scratch?: Scratch): Promise<Inspection<P>> {
    return this.#queued(async () => {
      signal?.throwIfAborted();
      const started = performance.now();
      const source = await readInput(this.model, this.platform, input, signal);
      const decode = performance.now() - started;
      signal?.throwIfAborted();
      const { prediction, seen, times } = await this.model.predict(source, thresholds, scratch);
      const frames = isPixels(source) ? (source.frames ?? 1) : 1;
      return { prediction: prediction as P, seen, frames, times: { decode, read: times.read, run: times.run, total: performance.now() - started } };
    });
  }

  /**
   * Predict one input after the other: those of an iterable, or what a `<video>` shows, as often as the model keeps up, until it
   * ends or the signal aborts.
   */
  async *stream(inputs: Iterable<Input> | AsyncIterable<Input> | VideoLike, options: PredictOptions = {}): AsyncGenerator<P, undefined> {
    const all = Symbol.iterator in inputs || Symbol.asyncIterator in inputs ? inputs : framesOf(inputs, options.signal);
    for await (const input of all) {
      if (options.signal?.aborted) return;
      try {
        yield await this.predict(input, options);
      } catch (problem) {
        if (!options.signal?.aborted) throw problem;
      }
    }
  }

  /**
   * Listen to a recording, or to the pieces of a stream as they come.
   *
   * @returns the labels that are heard, with their times in seconds from the start.
   * @throws ZooError if the model's manifest has no rules for streams.
   */
  async *listen(recording: Input | AsyncIterable<Input>, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Heard, undefined> {
    if (typeof recording !== "object" || !(Symbol.asyncIterator in recording)) {
      for await (const { heard } of this.passages(recording, { signal })) yield* heard;
      return;
    }
    const { waveformOf } = await this.#listening();
    let listener: Listener | undefined;
    for await (const piece of recording) {
      if (signal?.aborted) return;
      const waveform = waveformOf(piece);
      listener ??= await this.listener(waveform.rate);
      yield* (await this.#queued(() => listener!.hear(waveform))).heard;
    }
    if (listener) yield* (await this.#queued(() => listener!.end())).heard;
  }

  /**
   * Listen to a recording piece by piece, to tell how far it is.
   *
   * @throws ZooError if the model's manifest has no rules for streams, or the recording can't be read.
   */
  async *passages(recording: Input, { signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<Passage, undefined> {
    const { listenTo, openRecording } = await this.#listening();
    const opened = openRecording(await contentOf(this.platform, recording, signal));
    const passages = listenTo(await this.listener(opened.rate), opened);
    while (!signal?.aborted) {
      const { value } = await this.#queued(() => passages.next());
      if (!value) return;
      yield value;
    }
  }

  /**
   * Begin to listen to a stream, which is pushed into what is returned.
   *
   * @param rate is that of the stream, in Hz.
   * @throws ZooError if the model takes no audio.
   */
  async listener(rate: number): Promise<Listener> {
    const { Listener } = await audio();
    return new Listener(this.model, rate, await this.#steps());
  }

  /** Return the real inputs of the golden pack as files, which `predict` takes; none where the bundle has no pack. */
  async examples(): Promise<Uint8Array[]> {
    if (!this.manifest.files[GOLDEN]) return [];
    const { raw, real } = readGolden(await this.read(GOLDEN));
    return raw.slice(0, real);
  }

  /**
   * Replay the bundle's golden pack on this engine: real inputs, and what PyTorch answered to them.
   *
   * @param progress is called with the share that is done, 0 to 1.
   * @param inputs stand for the pack's files where the caller has decoded them.
   * @throws ZooError if the bundle has no golden pack, or it is damaged.
   */
  verify(progress?: (share: number) => void, inputs: readonly Input[] = []): Promise<Report> {
    return this.#queued(async () => {
      if (!this.manifest.files[GOLDEN]) throw new ZooError("this bundle has no golden pack, so there is nothing to replay");
      const [{ selfTest }, pack] = await Promise.all([import("./model/selftest"), this.read(GOLDEN)]);
      return selfTest(this.model, readGolden(pack), (file, i) => readInput(this.model, this.platform, inputs[i] ?? file), progress);
    });
  }

  /** Free what the engine holds; calls that wait are answered first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => undefined);
    this.model.engine.close();
    this.#stepGraph?.engine.close();
  }

  /** Return what recordings are read with, if the model has rules for them. */
  async #listening(): ReturnType<typeof audio> {
    if (!this.manifest.model.listening) throw new ZooError("this model has no rules for streams of audio");
    return audio();
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ZooError("the model is closed"));
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

async function* framesOf(video: VideoLike, signal?: AbortSignal): AsyncGenerator<VideoLike, undefined> {
  let tell: (isShown: boolean) => void = () => undefined;
  const end = (): void => tell(false);
  video.addEventListener("ended", end, { once: true });
  signal?.addEventListener("abort", end, { once: true });
  while (!video.ended && !signal?.aborted) {
    const isShown = await new Promise<boolean>((resolve) => {
      tell = resolve;
      video.requestVideoFrameCallback(() => resolve(true));
    });
    if (isShown) yield video;
  }
  return undefined;
}

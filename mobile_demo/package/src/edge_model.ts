/** A bundle's model, open on an engine. */

import { checked } from "./model/checksum";
import { Listener } from "./model/audio/listener";
import type { Heard } from "./model/audio/decisions";
import { openWaveform } from "./model/audio/recording";
import { namesOf } from "./model/graph_names";
import { GOLDEN, MAX_MANIFEST, type Manifest, parseManifest, playable } from "./model/manifest";
import { Model } from "./model/model";
import { readGolden } from "./model/npz";
import { type Report, selfTest } from "./model/selftest";
import { StepGraph, stepFile, stepNames } from "./model/step_graph";
import type { Thresholds } from "./model/tasks/detection";
import { type Device, type EngineModule, type EngineOptions, type Pixels, type Prediction, type Sample, ZooError } from "./model/types";
import { type BundleSource, type Files, missing } from "./files";
import { once } from "./once";
import type { EngineName, Platform } from "./platform";
import { type Input, readInput, readRecording, waveformOf } from "./reading";

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
  readonly thresholds?: Thresholds;
  readonly signal?: AbortSignal;
}

/** The members of a `<video>` that are used: programs for Node have no types of pages. */
export interface Video {
  readonly ended: boolean;
  requestVideoFrameCallback(callback: () => void): number;
  addEventListener(type: "ended", listener: () => void, options?: { once?: boolean }): void;
}

const FORMATS: Readonly<Record<EngineName, string>> = { onnxruntime: "onnx", litert: "tflite" };

/** Return what opens bundles on a platform. */
export function loader(platform: Platform) {
  /**
   * Open a bundle.
   *
   * Each file's length and SHA-256 are compared with the manifest's before it is parsed.
   *
   * @param source is the address of a bundle's folder or of a zip file of it, a zip file, or the files of a folder.
   * @throws ZooError if the bundle can't be read, is damaged, or has no file that the engine runs.
   */
  return async function load<P extends Prediction = Prediction>(source: BundleSource, options: LoadOptions = {}): Promise<EdgeModel<P>> {
    const { signal, threads = 1 } = options;
    const files = await platform.open(source, signal);
    const manifest = parseManifest(new TextDecoder().decode(await files.read("manifest.json", 4 * MAX_MANIFEST, signal)));
    const [file, engine] = chosen(manifest, platform, options);
    const device = options.device ?? platform.devices[0];
    if (!platform.devices.includes(device)) throw new ZooError(`the device "${device}" is not here; there are: ${platform.devices.join(", ")}`);
    const [module, bytes] = await Promise.all([platform.engines[engine]!(), readListed(files, manifest, file, signal)]);
    signal?.throwIfAborted();
    const settings = { device, threads, assets: options.assets ? withSlash(options.assets) : "" };
    const opened = await module.open(bytes, { ...settings, ...namesOf(manifest, file) });
    return new EdgeModel<P>(platform, files, new Model(manifest, file, opened), module, settings);
  };
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

async function readListed(files: Files, manifest: Manifest, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  const entry = manifest.files[name];
  if (!entry) throw missing(name);
  return checked(await files.read(name, entry.size, signal), entry, name);
}

function withSlash(address: string): string {
  const absolute = globalThis.location ? new URL(address, globalThis.location.href).href : address;
  return absolute.endsWith("/") ? absolute : `${absolute}/`;
}

/** A model that predicts. Its calls run one after the other. */
export class EdgeModel<P extends Prediction = Prediction> {
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #steps: () => Promise<StepGraph | undefined>;

  constructor(
    private readonly platform: Platform,
    private readonly files: Files,
    private readonly model: Model,
    module: EngineModule,
    options: Omit<EngineOptions, "inputs" | "outputs">,
  ) {
    this.#steps = once(async () => {
      const file = stepFile(this.manifest, this.file);
      if (file === undefined) return undefined;
      const bytes = await readListed(this.files, this.manifest, file);
      return new StepGraph(this.manifest, file, await module.open(bytes, { ...options, ...stepNames(this.manifest, file) }));
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
  predict(input: Input, { thresholds, signal }: PredictOptions = {}): Promise<P> {
    return this.#queued(async () => {
      signal?.throwIfAborted();
      const source = await readInput(this.model, this.platform, input, signal);
      signal?.throwIfAborted();
      return (await this.model.predict(source, thresholds)).prediction as P;
    });
  }

  /**
   * Predict one input after the other: those of an iterable, or what a `<video>` shows, as often as the model keeps up, until it
   * ends or the signal aborts.
   */
  async *stream(inputs: Iterable<Input> | AsyncIterable<Input> | Video, options: PredictOptions = {}): AsyncGenerator<P, undefined> {
    const all = Symbol.iterator in inputs || Symbol.asyncIterator in inputs ? inputs : framesOf(inputs, options.signal);
    for await (const input of all) {
      if (options.signal?.aborted) return;
      yield await this.predict(input, options);
    }
  }

  /**
   * Listen to a recording, or to the pieces of a stream as they come.
   *
   * @returns the labels that are heard, with their times in seconds from the start.
   * @throws ZooError if the model's manifest has no rules for streams.
   */
  async *listen(audio: Input | AsyncIterable<Input>, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Heard, undefined> {
    if (!this.manifest.model.listening) throw new ZooError("this model has no rules for streams of audio");
    const steps = await this.#steps();
    if (typeof audio === "object" && Symbol.asyncIterator in audio) {
      let listener: Listener | undefined;
      for await (const piece of audio as AsyncIterable<Input>) {
        if (signal?.aborted) return;
        const waveform = waveformOf(piece);
        listener ??= new Listener(this.model, waveform.rate, steps);
        yield* (await this.#queued(() => listener!.push(openWaveform(waveform).blocks(), waveform.channels.length))).heard;
      }
      if (listener) yield* (await this.#queued(() => listener.end())).heard;
      return;
    }
    const recording = await readRecording(this.platform, audio, signal);
    const listener = new Listener(this.model, recording.rate, steps);
    for (const block of recording.blocks()) {
      if (signal?.aborted) return;
      yield* (await this.#queued(() => listener.push([block], recording.channels))).heard;
    }
    yield* (await this.#queued(() => listener.end())).heard;
  }

  /**
   * Replay the bundle's golden pack on this engine: real inputs, and what PyTorch answered to them.
   *
   * @param progress is called with the share that is done, 0 to 1.
   * @throws ZooError if the bundle has no golden pack, or it is damaged.
   */
  verify(progress?: (share: number) => void): Promise<Report> {
    return this.#queued(async () => {
      if (!this.manifest.files[GOLDEN]) throw new ZooError("this bundle has no golden pack, so there is nothing to replay");
      const golden = readGolden(await readListed(this.files, this.manifest, GOLDEN));
      const sourceOf = async (file: Uint8Array): Promise<Pixels | Sample> => (await readInput(this.model, this.platform, file)) as Pixels | Sample;
      return selfTest(this.model, golden, sourceOf, progress);
    });
  }

  /** Free what the engine holds; calls that wait are answered first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last.catch(() => undefined);
    this.model.engine.close();
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ZooError("the model is closed"));
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

async function* framesOf(video: Video, signal?: AbortSignal): AsyncGenerator<Video, undefined> {
  while (!video.ended && !signal?.aborted) {
    const shown = await new Promise<boolean>((resolve) => {
      video.requestVideoFrameCallback(() => resolve(true));
      video.addEventListener("ended", () => resolve(false), { once: true });
      signal?.addEventListener("abort", () => resolve(false), { once: true });
    });
    if (shown) yield video;
  }
  return undefined;
}

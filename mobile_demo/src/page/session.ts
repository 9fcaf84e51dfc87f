/** A model that is open in a worker; the worker is replaced when its engine dies. */

import { type Answer, type Methods, type Opened, type Timings, isFrame } from "../api";
import type { Input } from "edgezoo/input";
import type { Report } from "edgezoo/model/selftest";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import { type Device, ZooError } from "edgezoo/model/types";
import { once } from "edgezoo/once";
import { type Progress, Remote, WorkerLost } from "../rpc";
import { BASE, type Bundle } from "./catalog";
import { sentence } from "./dom";
import { t } from "./settings";

export type DeviceChoice = Device | "auto";

const SMALL = 1_000_000;

export interface Running extends Opened {
  /** Why the device that was tried first is not the one that runs; empty if it is. */
  readonly fallback: string;
}

export class Session {
  private remote: Remote<Methods> | undefined;
  private ready: Promise<Running> | undefined;
  private closed = false;

  constructor(
    readonly bundle: Bundle,
    readonly file: string,
    readonly device: DeviceChoice,
  ) {}

  /** Open the model, once; rejects with a sentence. */
  open(): Promise<Running> {
    this.ready ??= this.start();
    return this.ready;
  }

  predict(input: Input, thresholds?: Thresholds): Promise<Answer> {
    return this.ask("predict", [input, thresholds], { transfer: isFrame(input) ? [input] : [] });
  }

  private get listens(): boolean {
    return this.bundle.manifest.model.input.kind === "audio";
  }

  async examples(): Promise<Input[]> {
    const inputs = await this.ask("examples", []);
    if (!this.listens) return inputs;
    const { recordingOf } = await import("./audio/decode"); // workers have no decoder
    return Promise.all(inputs.map((input) => (input instanceof Blob ? recordingOf(input) : input)));
  }

  async selfTest(progress: Progress): Promise<Report> {
    return this.ask("selfTest", [this.listens ? await this.examples() : []], { progress });
  }

  benchmark(input: Input, runs: number, progress: Progress): Promise<Timings> {
    return this.ask("benchmark", [input, runs], { progress });
  }

  close(): void {
    this.closed = true;
    this.remote?.lose("closed");
  }

  /** Try the devices in turn, each in a worker of its own: one that failed may have left anything behind. */
  private async start(): Promise<Running> {
    const { precision, size } = this.bundle.playable.find(({ file }) => file === this.file)!;
    const [first, ...others] = await devicesFor(this.device, precision, size);
    try {
      return { ...(await this.startOn(first)), fallback: "" };
    } catch (problem) {
      if (!others[0] || this.closed) throw problem;
      return { ...(await this.startOn(others[0])), fallback: sentence(problem) };
    }
  }

  private async startOn(device: Device): Promise<Opened> {
    const { bundle, file } = this;
    const { size } = bundle.playable.find((each) => each.file === file)!;
    const worker = new Worker(new URL("../worker.ts", import.meta.url), { type: "module", name: "edgezoo" });
    const remote = new Remote<Methods>(worker);
    this.remote = remote;
    try {
      return await remote.call("open", [{ base: BASE, path: bundle.path, manifest: bundle.manifest, file, device, threads: threadsFor(size) }]);
    } catch (problem) {
      this.ready = undefined;
      remote.lose("it did not start");
      throw problem instanceof WorkerLost ? new ZooError(t.engine.dead(problem.message)) : problem;
    }
  }

  /** Call the worker; rejects with a sentence. */
  async ask<M extends keyof Methods>(
    method: M,
    args: Parameters<Methods[M]>,
    options?: { transfer?: Transferable[]; progress?: Progress },
  ): Promise<Awaited<ReturnType<Methods[M]>>> {
    await this.open();
    try {
      return (await this.remote!.call(method, args, options)) as Awaited<ReturnType<Methods[M]>>;
    } catch (problem) {
      if (!(problem instanceof WorkerLost) || this.closed) throw problem;
      this.ready = undefined; // the next call starts a new worker
      throw new ZooError(t.engine.stopped(problem.message));
    }
  }
}

/** Whether this browser has a graphics adapter for WebGPU; asked once. */
export const hasGpu: () => Promise<boolean> = once(async () => {
  try {
    return Boolean(await (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter());
  } catch {
    return false;
  }
});

/**
 * The devices to try, in order.
 *
 * A small model is done on the processor before a graphics card has woken up, and integers run there only: so the
 * automatic choice asks for WebGPU only where it can win.
 */
async function devicesFor(choice: DeviceChoice, precision: string, size: number): Promise<[Device, ...Device[]]> {
  if (choice === "wasm") return ["wasm"];
  if (choice === "webgpu") return ["webgpu", "wasm"];
  const worthwhile = size >= SMALL && (precision === "fp32" || precision === "fp16");
  return worthwhile && (await hasGpu()) ? ["webgpu", "wasm"] : ["wasm"];
}

/** Threads need memory that workers share, which browsers give only to isolated pages; a small model takes one. */
function threadsFor(size: number): number {
  return globalThis.crossOriginIsolated && size >= SMALL ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
}

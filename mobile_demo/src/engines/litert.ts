/** LiteRT.js: `.tflite` files, on WASM (XNNPACK) or WebGPU. */

import { type CompiledModel, loadAndCompile, loadLiteRt, supportsFeature, Tensor as LiteTensor } from "@litertjs/core";
import type { Device, Engine, EngineOptions, Tensor } from "../model/types";
import { ZooError } from "../model/types";

export const format = "tflite";

/**
 * Open a file.
 *
 * The library loads its glue code with `importScripts`, which module workers refuse. So the glue code is imported as a
 * module here (the build ends it with a line that leaves its factory on the global object), and the library finds that.
 */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const threads = options.threads > 1 && options.device === "wasm" && (await supportsThreads()) ? options.threads : 1;
  await load(options.assets, threads > 1);
  const model = await loadAndCompile(file, {
    accelerator: options.device,
    cpuOptions: { numThreads: threads },
    gpuOptions: { precision: "fp32" },
  });
  if (model.options.accelerator !== options.device) {
    model.delete(); // the library went on with WASM on one thread, which can be had with more
    throw new ZooError("LiteRT.js runs only a part of this graph on WebGPU");
  }
  return new LiteRtEngine(model, options, threads);
}

async function supportsThreads(): Promise<boolean> {
  return (await supportsFeature("relaxedSimd")) && (await supportsFeature("threads"));
}

interface Scope {
  importScripts: (...urls: string[]) => void;
  Module?: object | undefined;
  ModuleFactory?: unknown;
}

async function load(assets: string, threaded: boolean): Promise<void> {
  const relaxed = await supportsFeature("relaxedSimd");
  const script = `${assets}litert_wasm_${threaded ? "threaded_" : relaxed ? "" : "compat_"}internal.js`;
  const scope = globalThis as unknown as Scope;
  await import(/* @vite-ignore */ script);
  scope.importScripts = () => undefined;
  scope.Module = {
    locateFile: (name: string) => assets + name,
    mainScriptUrlOrBlob: script,
    print: () => undefined,
    printErr: () => undefined, // its chatter about delegates is no error
  };
  await loadLiteRt(script);
}

class LiteRtEngine implements Engine {
  readonly version = `LiteRT.js ${__LITERT_VERSION__}`;
  readonly device: Device;

  constructor(
    private readonly model: CompiledModel,
    private readonly options: EngineOptions,
    readonly threads: number,
  ) {
    this.device = options.device;
  }

  async run(input: Tensor): Promise<Tensor> {
    const { data } = input;
    if (!(data instanceof Uint8Array || data instanceof Float32Array)) {
      throw new ZooError(`LiteRT.js takes uint8 and float32, and this file wants ${input.dtype}: choose an ONNX file`);
    }
    const fed = new LiteTensor(data as Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>, [...input.shape]);
    let given: LiteTensor[] = [];
    try {
      given = await this.model.run([fed]);
      const names = this.model.getOutputDetails().map((each) => each.name);
      const chosen = given[Math.max(0, names.indexOf(this.options.output))];
      if (!chosen) throw new ZooError("the file gives no output");
      const shape = [...chosen.type.layout.dimensions];
      const found = await chosen.data();
      if (found instanceof Int32Array) throw new ZooError("the file gives int32, which no task of edgezoo has");
      return { dtype: chosen.type.dtype as "uint8" | "float32", shape, data: found };
    } finally {
      fed.delete();
      for (const tensor of given) tensor.delete();
    }
  }

  close(): void {
    this.model.delete();
  }
}

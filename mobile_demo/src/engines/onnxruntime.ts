/** onnxruntime-web: `.onnx` files, on WASM or WebGPU. */

import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web/wasm";
import type { Device, Engine, EngineOptions, Tensor } from "../model/types";
import { ZooError } from "../model/types";

type Library = typeof import("onnxruntime-web/wasm");

export const format = "onnx";

/** Open a file. The library for WebGPU is a larger one, fetched only when that is asked for. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const library: Library =
    options.device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  library.env.wasm.wasmPaths = options.assets;
  library.env.wasm.numThreads = options.threads;
  library.env.logLevel = "error";
  const session = await library.InferenceSession.create(file, {
    executionProviders: [options.device],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3, // errors: its warnings go to the console as such
  });
  return new OnnxEngine(library, session, options);
}

class OnnxEngine implements Engine {
  readonly version: string;
  readonly device: Device;
  readonly threads: number;

  constructor(
    private readonly library: Library,
    private readonly session: InferenceSession,
    private readonly options: EngineOptions,
  ) {
    this.version = `onnxruntime-web ${library.env.versions.web ?? library.env.versions.common}`;
    this.device = options.device;
    this.threads = options.device === "webgpu" ? 1 : (library.env.wasm.numThreads ?? 1);
  }

  async run(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    const names = named(this.options.inputs, this.session.inputNames, "input");
    const outputs = named(this.options.outputs, this.session.outputNames, "output");
    const fed = inputs.map(({ dtype, data, shape }) => new this.library.Tensor(dtype, data, shape));
    let found: Readonly<Record<string, OrtTensor>> = {};
    try {
      found = await this.session.run(Object.fromEntries(names.map((name, i) => [name, fed[i]!])), outputs);
      return await Promise.all(outputs.map((name) => taken(found[name]!)));
    } finally {
      for (const tensor of [...fed, ...Object.values(found)]) tensor.dispose();
    }
  }

  close(): void {
    void this.session.release();
  }
}

/** Return our names as the graph has them: its only one, or its first, where there is one of another name. */
function named(wanted: readonly string[], own: readonly string[], what: string): readonly string[] {
  if (wanted.every((name) => own.includes(name))) return wanted;
  if (wanted.length === 1 && own[0] !== undefined) return own.slice(0, 1);
  throw new ZooError(`the file has the ${what}s ${own.join(", ")}, not ${wanted.join(", ")}`);
}

async function taken(tensor: OrtTensor): Promise<Tensor> {
  return { dtype: tensor.type as Tensor["dtype"], shape: tensor.dims, data: (await tensor.getData()) as Tensor["data"] };
}

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

  async run(input: Tensor): Promise<Tensor> {
    const name = this.session.inputNames.includes(this.options.input) ? this.options.input : this.session.inputNames[0];
    const output = this.session.outputNames.includes(this.options.output)
      ? this.options.output
      : this.session.outputNames[0];
    if (name === undefined || output === undefined) throw new ZooError("the file has no input or no output");
    const fed = new this.library.Tensor(input.dtype, input.data, input.shape);
    let found: OrtTensor | undefined;
    try {
      found = (await this.session.run({ [name]: fed }, [output]))[output] as OrtTensor;
      return { dtype: found.type as Tensor["dtype"], shape: found.dims, data: (await found.getData()) as Tensor["data"] };
    } finally {
      fed.dispose();
      found?.dispose();
    }
  }

  close(): void {
    void this.session.release();
  }
}

/** A compiled `.tflite` file in LiteRT.js, once its library is loaded. */

import { type CompiledModel, Tensor as LiteTensor, type TensorDetails, getGlobalLiteRt, loadAndCompile, supportsFeature } from "@litertjs/core";
import type { Device, Engine, EngineOptions, Tensor } from "../model/types";
import { ZooError } from "../model/types";

/** Return the name of the library's script for this browser. */
export async function scriptName(threaded: boolean): Promise<string> {
  const relaxed = await supportsFeature("relaxedSimd");
  return `litert_wasm_${threaded ? "threaded_" : relaxed ? "" : "compat_"}internal.js`;
}

/** Return the number of threads that this browser lets the library have. */
export async function threadsFor({ threads, device }: EngineOptions): Promise<number> {
  const more = threads > 1 && device === "wasm" && (await supportsFeature("relaxedSimd")) && (await supportsFeature("threads"));
  return more ? threads : 1;
}

/** Compile a file. */
export async function compile(file: Uint8Array, options: EngineOptions, threads: number): Promise<Engine> {
  const accelerator = options.device === "webgpu" ? "webgpu" : "wasm";
  const model = await loadAndCompile(file, {
    accelerator,
    cpuOptions: { numThreads: threads },
    gpuOptions: { precision: "fp32" },
  });
  if (model.options.accelerator !== accelerator) {
    model.delete(); // the library went on with WASM on one thread, which can be had with more
    throw new ZooError("LiteRT.js runs only a part of this graph on WebGPU");
  }
  return new LiteRtEngine(model, options, threads);
}

class LiteRtEngine implements Engine {
  readonly version = `LiteRT.js ${__LITERT_VERSION__}`;
  readonly device: Device;
  /** The tensors that the last call fed: filling them takes a third of the time that new ones take. */
  #kept: LiteTensor[] = [];

  constructor(
    private readonly model: CompiledModel,
    private readonly options: EngineOptions,
    readonly threads: number,
  ) {
    this.device = options.device;
  }

  async run(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    const fed = this.#kept;
    this.#kept = []; // a call that overlaps this one makes its own
    let graphOutputs: LiteTensor[] = [];
    try {
      const indices = indicesOf(this.options.inputs, this.model.getInputDetails(), "inputs");
      inputs.forEach((input, i) => (fed[indices[i]!] = filled(fed[indices[i]!], input)));
      graphOutputs = await this.model.run(fed);
      const outputs = indicesOf(this.options.outputs, this.model.getOutputDetails(), "outputs").map((index) => graphOutputs[index]!);
      return await Promise.all(outputs.map(toTensor));
    } finally {
      for (const tensor of [...graphOutputs, ...this.#kept]) tensor?.delete();
      this.#kept = fed;
    }
  }

  close(): void {
    for (const tensor of this.#kept) tensor?.delete();
    this.model.delete();
  }
}

/**
 * Return where the tensors of our names stand in the graph's list.
 *
 * The converter's signature numbers them in the order of the trace (`args_0`, `args_1`; `output_0`, `output_1`), and lists
 * them in another; a file made elsewhere has their own names. One tensor alone may have any.
 */
function indicesOf(wanted: readonly string[], details: readonly TensorDetails[], what: string): number[] {
  const own = details.map(({ name }) => name);
  const numbers = own.map((name) => /^(?:args|output)_(\d+)$/.exec(name)?.[1]);
  const isNumbered = own.length === wanted.length && wanted.every((_, i) => numbers.includes(String(i)));
  if (isNumbered) return wanted.map((_, i) => numbers.indexOf(String(i)));
  if (wanted.every((name) => own.includes(name))) return wanted.map((name) => own.indexOf(name));
  if (wanted.length === 1 && own.length) return [0];
  throw new ZooError(`the file has the ${what} ${own.join(", ")}, not ${wanted.join(", ")}`);
}

/** Return a tensor with these values: the one that is given, if it has their type and shape. */
function filled(tensor: LiteTensor | undefined, { dtype, shape, data }: Tensor): LiteTensor {
  if (dtype === "bool" || !(data instanceof Uint8Array || data instanceof Int32Array || data instanceof Float32Array)) {
    throw new ZooError(`LiteRT.js takes uint8, int32 and float32, and this file wants ${dtype}: choose an ONNX file`);
  }
  if (tensor?.type.dtype === dtype && tensor.type.layout.dimensions.join() === shape.join()) {
    const { liteRtWasm } = getGlobalLiteRt();
    const buffer = tensor.liteRtTensorBuffer;
    const at = buffer.lock(liteRtWasm.LiteRtTensorBufferLockMode.WRITE);
    liteRtWasm.HEAPU8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    buffer.unlock();
    return tensor;
  }
  const made = new LiteTensor(data as Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>, [...shape]);
  tensor?.delete();
  return made;
}

async function toTensor(tensor: LiteTensor): Promise<Tensor> {
  return { dtype: tensor.type.dtype, shape: [...tensor.type.layout.dimensions], data: await tensor.data() };
}

/** onnxruntime-web: `.onnx` files, on WASM or WebGPU. */

import type { Engine, EngineOptions } from "../model/types";
import { OnnxEngine } from "./onnx_session";

type Library = typeof import("onnxruntime-web/wasm");

export const format = "onnx";

/** Open a file. The library for WebGPU is a larger one, fetched only when that is asked for. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const library: Library =
    options.device === "webgpu" ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  if (options.assets) library.env.wasm.wasmPaths = options.assets;
  library.env.wasm.numThreads = options.threads;
  library.env.logLevel = "error";
  const session = await library.InferenceSession.create(file, {
    executionProviders: [options.device],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3, // errors: its warnings go to the console as such
  });
  const version = `onnxruntime-web ${library.env.versions.web ?? library.env.versions.common}`;
  return new OnnxEngine(library, session, options, version, options.device === "webgpu" ? 1 : (library.env.wasm.numThreads ?? 1));
}

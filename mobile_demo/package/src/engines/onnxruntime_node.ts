/** onnxruntime-node: `.onnx` files on the processor, in Node. */

import type { Engine, EngineOptions } from "../model/types";
import { OnnxEngine } from "./onnx_session";

export const format = "onnx";

/** Open a file. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const library = (await import("onnxruntime-node")) as unknown as typeof import("onnxruntime-web/wasm");
  const session = await library.InferenceSession.create(file, {
    executionProviders: ["cpu"],
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  });
  const { versions } = library.env as { versions: { node?: string; common?: string } };
  return new OnnxEngine(library, session, options, `onnxruntime-node ${versions.node ?? versions.common}`, options.threads);
}

/** onnxruntime-node: `.onnx` files on the processor, in Node. */

import * as installed from "onnxruntime-node";
import type { Engine, EngineOptions } from "../model/types";
import { OnnxEngine } from "./onnx_session";

export const format = "onnx";

const library = installed as unknown as typeof import("onnxruntime-web/wasm");

/** Open a file. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const session = await library.InferenceSession.create(file, {
    executionProviders: ["cpu"],
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  });
  const { versions } = library.env as { versions: { node?: string; common?: string } };
  return new OnnxEngine(library, session, options, `onnxruntime-node ${versions.node ?? versions.common}`, options.threads);
}

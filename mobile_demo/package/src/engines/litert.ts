/** LiteRT.js: `.tflite` files, on WASM (XNNPACK) or WebGPU, in the app's worker. */

import { loadLiteRt } from "@litertjs/core";
import type { Engine, EngineOptions } from "../model/types";
import { once } from "../once";
import { compile, scriptName, threadsFor } from "./litert_model";

export const format = "tflite";

/**
 * Open a file.
 *
 * The library loads its glue code with `importScripts`, which module workers refuse. So the glue code is imported as a
 * module here (the build ends it with a line that leaves its factory on the global object), and the library finds that.
 */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  const threads = await threadsFor(options);
  const { assets } = options;
  const script = assets + (await scriptName(threads > 1));
  await loadOnce(script, script, assets);
  return compile(file, options, threads);
}

interface Scope {
  importScripts: (...urls: string[]) => void;
  Module?: object | undefined;
}

/**
 * Load the library in a module worker.
 *
 * @param module is the glue code as a module, which leaves its factory on the global object.
 * @param script is the glue code that the library's threads run.
 */
export async function loadInWorker(module: string, script: string, assets: string): Promise<void> {
  await import(/* @vite-ignore */ module);
  (globalThis as unknown as Scope).importScripts = () => undefined;
  await loadQuietly(script, assets);
}

/** The library can be loaded once. */
const loadOnce = once(loadInWorker);

/** Load the library, whose script the page or the worker has, or a page adds. */
export async function loadQuietly(script: string, assets: string): Promise<void> {
  (globalThis as unknown as Scope).Module = {
    locateFile: (name: string) => assets + name,
    mainScriptUrlOrBlob: script,
    print: () => undefined,
    printErr: () => undefined, // its chatter about delegates is no error
  };
  await loadLiteRt(script);
}

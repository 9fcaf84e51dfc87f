/** LiteRT.js in Node: `.tflite` files in WASM on one thread, with the library's own files as npm installs them. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileFunction } from "node:vm";
import type { Engine, EngineOptions } from "../model/types";
import { once } from "../once";
import { loadQuietly } from "./litert";
import { compile, scriptName } from "./litert_model";

export { format } from "./litert";

/** What the library's loader looks for in a page or a worker. */
const PAGE = ["self", "importScripts", "Module", "ModuleFactory"] as const;
/** What the library warns of where there is no graphics card. */
const NO_GPU = "Failed to create default WebGPU device";

/** Open a file. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  await loadOnce();
  return compile(file, options, 1);
}

/**
 * Load the library.
 *
 * Its glue code is a script for pages, which Node takes for a module, so it is evaluated here; the library finds its factory where a
 * page would have it.
 */
const loadOnce = once(async () => {
  const require = createRequire(import.meta.url);
  const script = require.resolve(`@litertjs/core/wasm/${await scriptName(false)}`);
  const module = { exports: {} };
  const glue = compileFunction(await readFile(script, "utf8"), ["module", "exports", "require", "__filename", "__dirname"], { filename: script });
  glue(module, module.exports, require, script, dirname(script));
  const scope = globalThis as Record<string, unknown>;
  const before = PAGE.map((name) => Object.getOwnPropertyDescriptor(scope, name));
  const { warn } = console;
  Object.assign(scope, { self: globalThis, importScripts: () => undefined, ModuleFactory: module.exports });
  console.warn = (...words: unknown[]) => String(words[0]).startsWith(NO_GPU) || warn(...words);
  try {
    await loadQuietly(script, join(dirname(script), "/"));
  } finally {
    console.warn = warn;
    PAGE.forEach((name, i) => (before[i] ? Object.defineProperty(scope, name, before[i]) : delete scope[name]));
  }
});

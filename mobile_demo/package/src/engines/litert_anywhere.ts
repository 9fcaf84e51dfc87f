/** LiteRT.js in any page or module worker, with the library's own files as npm installs them. */

import { type Engine, type EngineOptions, ZooError } from "../model/types";
import { once } from "../once";
import { loadInWorker, loadQuietly } from "./litert";
import { compile, scriptName, threadsFor } from "./litert_model";

export { format } from "./litert";

/** Open a file. The library can be loaded once, so all models have the threads of the first. */
export async function open(file: Uint8Array, options: EngineOptions): Promise<Engine> {
  if (!options.assets) {
    throw new ZooError('LiteRT.js needs its WASM files: pass assets: "URL/", the folder wasm/ of the package @litertjs/core');
  }
  const threads = await threadsFor(options);
  const script = options.assets + (await scriptName(threads > 1));
  await loadOnce(script, options.assets);
  return compile(file, options, threads);
}

const loadOnce = once(async (script: string, assets: string): Promise<void> => {
  if (typeof document === "undefined") return loadAsModule(script, assets);
  return loadQuietly(script, assets).catch((problem: unknown) => {
    throw problem instanceof Event ? new ZooError(`${script}: can't be loaded`) : problem;
  });
});

async function loadAsModule(script: string, assets: string): Promise<void> {
  const response = await fetch(script);
  if (!response.ok) throw new ZooError(`${script}: the server answered ${response.status}`);
  const module = new Blob([await response.text(), "\nglobalThis.ModuleFactory = ModuleFactory;\n"], { type: "text/javascript" });
  const address = URL.createObjectURL(module);
  try {
    await loadInWorker(address, script, assets);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** What differs between a browser, Node and the app. */

import type { Picture } from "./input";
import type { Scratch } from "./model/scratch";
import type { Step } from "./model/steps";
import type { Device, EngineModule, Pixels } from "./model/types";

export type EngineName = "onnxruntime" | "litert";

export interface Platform {
  /** The engines that run here, with what fetches each; the first is preferred. */
  readonly engines: Partial<Record<EngineName, () => Promise<EngineModule>>>;
  /** The first is the default. */
  readonly devices: readonly [Device, ...Device[]];
  /** Return the address of an engine's WASM files, where the platform has them; ends in a slash. */
  assets?(engine: EngineName): string;
  /** Return the content of an address. */
  fetch(address: string | URL, signal?: AbortSignal): Promise<Uint8Array>;
  /** Decode an image file upright; JPEG no larger than `steps` need, where that can be had. `scratch` may hold the pixels. */
  decode(file: Uint8Array, steps: readonly Step[], scratch: Scratch): Promise<Pixels>;
  /** Return the pixels of what shows a picture, which `scratch` may hold; undefined for anything else. */
  pixelsOf(source: Picture, scratch: Scratch): Promise<Pixels | undefined>;
}

/** Files and pictures in a page or a worker. */

import { fetchAtMost } from "./files";
import type { Picture } from "./input";
import type { Scratch } from "./model/scratch";
import { type Pixels, ZooError } from "./model/types";
import { decodeFile, decodeFrame, drawn } from "./pixels";
import type { Platform } from "./platform";
import { MAX_FILE } from "./reading";

/** What pages and workers read inputs with. */
export const browser: Pick<Platform, "devices" | "fetch" | "decode" | "pixelsOf"> = {
  devices: ["wasm", "webgpu"],
  fetch: (address, signal) => fetchAtMost(new URL(address, globalThis.location?.href), MAX_FILE, signal),
  decode: decodeFile,
  async pixelsOf(source, scratch) {
    try {
      return await shown(source, scratch);
    } catch (problem) {
      throw new ZooError(`its picture can't be read: ${problem instanceof Error ? problem.message : String(problem)}`);
    }
  },
};

async function shown(source: Picture, scratch: Scratch): Promise<Pixels | undefined> {
  if (isA(source, "ImageData")) {
    const { width, height, data } = source as ImageData;
    return { width, height, channels: 4, data: new Uint8Array(Uint8ClampedArray.from(data).buffer) };
  }
  if (isA(source, "VideoFrame")) return decodeFrame(source as VideoFrame, scratch);
  if (isA(source, "HTMLVideoElement")) {
    const { videoWidth, videoHeight } = source as HTMLVideoElement;
    return drawn(source as HTMLVideoElement, videoWidth, videoHeight);
  }
  if (isA(source, "HTMLImageElement")) {
    const image = source as HTMLImageElement;
    await image.decode();
    return drawn(image, image.naturalWidth, image.naturalHeight);
  }
  for (const name of ["ImageBitmap", "HTMLCanvasElement", "OffscreenCanvas"]) {
    const sized = source as ImageBitmap | HTMLCanvasElement | OffscreenCanvas;
    if (isA(source, name)) return drawn(sized, sized.width, sized.height);
  }
  return undefined;
}

/** Tell whether a value is of a class that workers may lack. */
function isA(value: object, name: string): boolean {
  const type = (globalThis as Record<string, unknown>)[name];
  return typeof type === "function" && value instanceof type;
}

/** edgezoo in a page or a worker. */

import { loader } from "./edge_model";
import { fetched, openFiles } from "./files";
import { decodeFile, decodeFrame, drawn } from "./pixels";
import { MAX_FILE } from "./reading";
import type { Platform } from "./platform";

export * from "./public";

const browser: Platform = {
  engines: { onnxruntime: () => import("./engines/onnxruntime"), litert: () => import("./engines/litert_anywhere") },
  devices: ["wasm", "webgpu"],
  open: openFiles,
  fetch: (address, signal) => fetched(new URL(address, globalThis.location?.href), MAX_FILE, signal),
  decode: async (file, steps) => (await decodeFile(new Blob([file as Uint8Array<ArrayBuffer>]), steps)).pixels,
  async pixelsOf(source) {
    if (isA(source, "ImageData")) {
      const { width, height, data } = source as ImageData;
      return { width, height, channels: 4, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    }
    if (isA(source, "VideoFrame")) return decodeFrame((source as VideoFrame).clone());
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
  },
};

export const load = loader(browser);

/** Tell whether a value is of a class that workers may lack. */
function isA(value: object, name: string): boolean {
  const type = (globalThis as Record<string, unknown>)[name];
  return typeof type === "function" && value instanceof type;
}

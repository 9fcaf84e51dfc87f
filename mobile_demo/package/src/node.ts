/** edgezoo in Node: ONNX files in onnxruntime-node, TFLite files in LiteRT.js, images decoded by sharp. */

import { open as openFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BundleSource, type Files, MAX_ZIP, fetchAtMost, missing, openFiles, openZip, tooLarge } from "./files";
import { loader } from "./load";
import { orient, orientationOf } from "./model/exif";
import { checkSize } from "./model/preprocess";
import { type Pixels, ZooError } from "./model/types";
import type { Platform } from "./platform";
import { MAX_FILE } from "./reading";

export * from "./public";

const node: Platform = {
  engines: {
    onnxruntime: () => installed("onnxruntime-node", () => import("./engines/onnxruntime_node")),
    litert: () => installed("@litertjs/core", () => import("./engines/litert_node")),
  },
  devices: ["cpu"],
  fetch(address, signal) {
    const path = pathOf(address);
    return path === undefined ? fetchAtMost(new URL(address), MAX_FILE, signal) : readPath(path, MAX_FILE);
  },
  decode,
  async pixelsOf(source) {
    if (!("data" in source) || source.data?.length !== 4 * source.width * source.height) return undefined;
    return { width: source.width, height: source.height, channels: 4, data: Uint8Array.from(source.data) };
  },
};

export const load = loader(node, openSource);

async function openSource(source: BundleSource, signal?: AbortSignal): Promise<Files> {
  const path = pathOf(source);
  if (path === undefined) return openFiles(source, signal);
  return path.endsWith(".zip") ? openZip(await readPath(path, MAX_ZIP)) : { read: (name, most) => readPath(join(path, name), most, name) };
}

/** Import a package that users install, or what imports it. */
async function installed<T>(name: string, load: () => Promise<T>): Promise<T> {
  return load().catch((problem: unknown) => {
    throw new ZooError(`this needs the package ${name}: npm install ${name} (${problem instanceof Error ? problem.message : String(problem)})`);
  });
}

/** Return the path of a local file; undefined for an address on a network, and for content. */
function pathOf(source: unknown): string | undefined {
  if (source instanceof URL) return source.protocol === "file:" ? fileURLToPath(source) : undefined;
  if (typeof source !== "string" || /^https?:/i.test(source)) return undefined;
  return source.startsWith("file:") ? fileURLToPath(source) : source;
}

async function readPath(path: string, most: number, name = path): Promise<Uint8Array> {
  const size = await stat(path).then((each) => (each.isFile() ? each.size : undefined)).catch(() => undefined);
  if (size === undefined) throw missing(name);
  if (size > most) throw tooLarge(name, most);
  const file = await openFile(path);
  try {
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

/**
 * Decode an image upright. PNG, GIF and BMP give the bytes that Python reads; JPEG and WebP those of libvips' decoders, which
 * may differ by a few levels where Python's decoder reduces a large photo while it reads.
 */
async function decode(file: Uint8Array): Promise<Pixels> {
  if (!file.length) throw new ZooError("the file is empty");
  const { default: sharp } = await installed("sharp", () => import("sharp"));
  try {
    const image = sharp(file, { failOn: "error", ignoreIcc: true, limitInputPixels: false });
    const { width = 0, height = 0 } = await image.metadata();
    checkSize({ width, height });
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    const pixels = channelsOf(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), info.channels);
    return orient({ width: info.width, height: info.height, ...pixels }, orientationOf(file));
  } catch (problem) {
    if (problem instanceof ZooError) throw problem;
    throw new ZooError(`not an image that can be read, or damaged (${problem instanceof Error ? problem.message : String(problem)})`);
  }
}

/** Write gray with alpha as RGBA. */
function channelsOf(data: Uint8Array, channels: number): Pick<Pixels, "channels" | "data"> {
  if (channels !== 2) return { channels: channels as 1 | 3 | 4, data };
  const colors = new Uint8Array(data.length * 2);
  for (let i = 0; i < data.length; i += 2) {
    colors.fill(data[i]!, 2 * i, 2 * i + 3);
    colors[2 * i + 3] = data[i + 1]!;
  }
  return { channels: 4, data: colors };
}

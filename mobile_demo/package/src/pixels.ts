/** Pixels of files and frames, as the browser decodes them: no color management, no premultiplied alpha. */

import { type Header, headerOf } from "./header";
import { orient, orientationOf, withoutOrientation } from "./model/exif";
import { swap } from "./model/passes";
import { checkSize, reduced, type Size } from "./model/preprocess";
import { Scratch } from "./model/scratch";
import type { Step } from "./model/steps";
import { type Pixels, ZooError } from "./model/types";

/**
 * Decode an image file upright; of several frames the first. Its size is checked before it is decoded.
 *
 * A JPEG is decoded no larger than `steps` need, where the browser can.
 *
 * @param scratch may hold the pixels.
 */
export async function decodeFile(bytes: Uint8Array, steps: readonly Step[] = [], scratch = new Scratch()): Promise<Pixels> {
  if (!bytes.length) throw new ZooError("the file is empty");
  const header = headerOf(bytes);
  const wanted = header?.type === "image/jpeg" ? reduced(header.width, header.height, steps) : header;
  if (wanted) checkSize(wanted);
  const exact = header && wanted ? await decodeExactly(bytes, header, wanted, scratch) : undefined;
  if (header && !exact) checkSize(header); // a bitmap is decoded whole
  const pixels = exact ?? (await decodeByBitmap(withoutOrientation(bytes)));
  const orientation = orientationOf(bytes);
  const full = orientation > 4 && header ? { width: header.height, height: header.width } : header; // the sides are swapped
  return { ...orient(pixels, orientation), ...(full && { full }), ...(pixels.frames && { frames: pixels.frames }) };
}

/** Read a camera's frame; `scratch` may hold the pixels. */
export async function decodeFrame(frame: VideoFrame, scratch = new Scratch()): Promise<Pixels> {
  return (await copied(frame, scratch)) ?? drawn(frame, frame.displayWidth, frame.displayHeight);
}

/** Copy a frame without a canvas, which takes a tenth of the time; undefined where it lies turned or the browser can't. */
async function copied(frame: VideoFrame, scratch: Scratch): Promise<Pixels | undefined> {
  const { rotation = 0, flip = false } = frame as { rotation?: number; flip?: boolean };
  const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
  if (rotation || flip || width !== frame.displayWidth || height !== frame.displayHeight) return undefined;
  const data = scratch.take(width * height * 4);
  try {
    // a browser without conversions ignores the format that is wanted: planes of other sizes tell, other orders do not
    const order = frame.format?.match(/^(RGB|BGR)/)?.[0];
    const [plane] = await frame.copyTo(data, order ? {} : { format: "RGBX" });
    if (plane?.stride !== width * 4) return undefined;
    if (order === "BGR") swap(data, true);
    return { width, height, channels: 4, data, isOpaque: true };
  } catch {
    return undefined;
  }
}

const decoded = new Map<Header["type"], Promise<boolean>>();

/** Tell whether WebCodecs decodes a type of file; each is asked for once. */
function isDecoded(type: Header["type"]): Promise<boolean> {
  if (!decoded.has(type)) decoded.set(type, ImageDecoder.isTypeSupported(type));
  return decoded.get(type)!;
}

/**
 * A canvas multiplies colors with their alpha, which loses them, and decodes JPEGs whole; WebCodecs does neither. Not every
 * browser has it.
 */
async function decodeExactly(data: Uint8Array, { type, ...whole }: Header, wanted: Size, scratch: Scratch): Promise<Pixels | undefined> {
  // of a whole JPEG WebCodecs gives subsampled chroma, of which a canvas makes libjpeg's RGB
  if (type === "image/jpeg" && wanted.width === whole.width && wanted.height === whole.height) return undefined;
  if (!("ImageDecoder" in globalThis) || !(await isDecoded(type))) return undefined;
  const decoder = new ImageDecoder({
    data: data as Uint8Array<ArrayBuffer>,
    type,
    colorSpaceConversion: "none",
    ...(type === "image/jpeg" ? { desiredWidth: wanted.width, desiredHeight: wanted.height } : {}),
  });
  let image: VideoFrame | undefined;
  try {
    image = (await decoder.decode()).image;
    const { codedWidth: width, codedHeight: height, format } = image;
    if (!format?.startsWith("RGB") && !format?.startsWith("BGR")) return undefined;
    if (width !== wanted.width || height !== wanted.height) return undefined;
    const data = scratch.take(width * height * 4);
    await image.copyTo(data);
    const isOpaque = format.endsWith("X");
    if (format.startsWith("BGR")) swap(data, isOpaque);
    return { width, height, channels: 4, data, isOpaque, frames: decoder.tracks.selectedTrack?.frameCount ?? 1 };
  } catch {
    return undefined; // damaged, or of a kind that only the other way reads
  } finally {
    image?.close();
    decoder.close();
  }
}

async function decodeByBitmap(file: Uint8Array): Promise<Pixels> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([file as Uint8Array<ArrayBuffer>]), {
      premultiplyAlpha: "none",
      colorSpaceConversion: "none",
    });
  } catch {
    throw new ZooError("not an image that this browser can read, or damaged");
  }
  try {
    checkSize(bitmap);
    return drawn(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

let surface: OffscreenCanvasRenderingContext2D | undefined;

/** Draw a picture and read its pixels. */
export function drawn(image: CanvasImageSource, width: number, height: number): Pixels {
  if (surface?.canvas.width !== width || surface.canvas.height !== height) {
    surface = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true }) ?? undefined;
    if (!surface) throw new ZooError("this browser can't read pixels in a worker");
  } else surface.clearRect(0, 0, width, height);
  surface.drawImage(image, 0, 0, width, height);
  const { data } = surface.getImageData(0, 0, width, height);
  return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
}

/** Pixels of files and frames, as the browser decodes them: no colour management, no premultiplied alpha. */

import { type Header, headerOf } from "./header";
import { orient, orientationOf, withoutOrientation } from "./model/exif";
import { checkSize, reduced, type Size } from "./model/preprocess";
import type { Step } from "./model/steps";
import { type Pixels, ZooError } from "./model/types";

/**
 * Decode an image file upright; of several frames the first. Its size is checked before it is decoded.
 *
 * A JPEG is decoded no larger than `steps` need, where the browser can.
 */
export async function decodeFile(bytes: Uint8Array, steps: readonly Step[] = []): Promise<Pixels> {
  if (!bytes.length) throw new ZooError("the file is empty");
  const header = headerOf(bytes);
  const wanted = header?.type === "image/jpeg" ? reduced(header.width, header.height, steps) : header;
  if (wanted) checkSize(wanted);
  const exact = header && wanted ? await decodeExactly(bytes, header, wanted) : undefined;
  if (header && !exact) checkSize(header); // a bitmap is decoded whole
  const pixels = exact ?? (await decodeByBitmap(withoutOrientation(bytes)));
  const orientation = orientationOf(bytes);
  const full = orientation > 4 && header ? { width: header.height, height: header.width } : header; // the sides are swapped
  return { ...orient(pixels, orientation), ...(full && { full }), ...(pixels.frames && { frames: pixels.frames }) };
}

/** Read a camera's frame. */
export async function decodeFrame(frame: VideoFrame): Promise<Pixels> {
  return (await copied(frame)) ?? drawn(frame, frame.displayWidth, frame.displayHeight);
}

/** Copy a frame without a canvas, which takes a tenth of the time; undefined where it lies turned or the browser can't. */
async function copied(frame: VideoFrame): Promise<Pixels | undefined> {
  const { rotation = 0, flip = false } = frame as { rotation?: number; flip?: boolean };
  const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
  if (rotation || flip || width !== frame.displayWidth || height !== frame.displayHeight) return undefined;
  const data = new Uint8Array(width * height * 4); // a shared one would mix the frames of two models
  try {
    // a browser without conversions ignores the format that is wanted: planes of other sizes tell, other orders do not
    const order = frame.format?.match(/^(RGB|BGR)/)?.[0];
    const [plane] = await frame.copyTo(data, order ? {} : { format: "RGBX" });
    if (plane?.stride !== width * 4) return undefined;
    if (order) toRgba(data, `${order}X`);
    return { width, height, channels: 4, data };
  } catch {
    return undefined;
  }
}

/**
 * A canvas multiplies colours with their alpha, which loses them, and decodes JPEGs whole; WebCodecs does neither. Not every
 * browser has it.
 */
async function decodeExactly(data: Uint8Array, { type, ...whole }: Header, wanted: Size): Promise<Pixels | undefined> {
  // of a whole JPEG WebCodecs gives subsampled chroma, of which a canvas makes libjpeg's RGB
  if (type === "image/jpeg" && wanted.width === whole.width && wanted.height === whole.height) return undefined;
  if (!("ImageDecoder" in globalThis) || !(await ImageDecoder.isTypeSupported(type))) return undefined;
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
    const data = new Uint8Array(width * height * 4);
    await image.copyTo(data);
    toRgba(data, format);
    return { width, height, channels: 4, data, frames: decoder.tracks.selectedTrack?.frameCount ?? 1 };
  } catch {
    return undefined; // damaged, or of a kind that only the other way reads
  } finally {
    image?.close();
    decoder.close();
  }
}

/** Bring pixels of a format of WebCodecs (RGBA, RGBX, BGRA or BGRX) to RGBA in place; the array has a buffer of its own. */
function toRgba(pixels: Uint8Array, format: string): void {
  if (format === "RGBA") return;
  const colors = new Uint32Array(pixels.buffer); // little-endian, as WebAssembly's memory is
  const [isSwapped, alpha] = [format.startsWith("BGR"), format.endsWith("X") ? 0xff000000 : 0];
  for (let i = 0; i < colors.length; i++) {
    const color = colors[i]!;
    colors[i] = alpha | (isSwapped ? (color & 0xff00ff00) | ((color & 0xff) << 16) | ((color >>> 16) & 0xff) : color);
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

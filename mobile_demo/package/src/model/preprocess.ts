/**
 * The one executable preprocessing specification, as Python's `runtime/images/preprocess.py` runs it on decoded arrays, exact
 * to the byte. It does geometry only; scaling, mean and standard deviation live inside the model's graph.
 *
 * Pixels come decoded and upright, so `reduce` (see `reduced`) and `orient` have nothing left to do then.
 */

import { type Image, gray } from "./passes";
import { type Box, resample } from "./resample";
import { roundEven } from "./round";
import type { Scratch } from "./scratch";
import type { Flatten, Mode, Reduce, Resize, Step } from "./steps";
import { type Pixels, ZooError } from "./types";

const MAX_PIXELS = 25_000_000;
const MAX_SIDE = 16_384;

/**
 * Run a preprocessing specification on one image.
 *
 * @returns `uint8 [height, width, channels]` in RGB or gray, in `scratch` or an array of its own.
 * @throws ZooError if the image has no pixels, or too many.
 */
export function preprocess(pixels: Pixels, steps: readonly Step[], scratch?: Scratch): Uint8Array {
  check(pixels);
  let image = widened(pixels);
  for (const step of steps) {
    if (step.step === "flatten" && !pixels.isOpaque) image = flatten(image, step);
    else if (step.step === "mode") image = convert(image, step);
    else if (step.step === "resize") image = resize(image, step);
  }
  const length = image.width * image.height * (image.channels === 1 ? 1 : 3);
  const data = scratch?.take(length) ?? new Uint8Array(length);
  if (image.channels === 4) pack(image.data, data);
  else data.set(image.data);
  return data;
}

/** A JPEG can be decoded at one over these; its sides are rounded up. */
export const SCALES = [8, 4, 2, 1];

/**
 * Return the size at which a JPEG of the given size is decoded for `steps`: 1/8, 1/4, 1/2 or all of it. One over the limit
 * is decoded at the largest scale within it.
 *
 * The scaling happens inside the inverse DCT (libjpeg's `scale_num`), so it saves most of the decoding.
 *
 * @throws ZooError if that is too large all the same, or leaves fewer pixels than the steps resize to.
 */
export function reduced(width: number, height: number, steps: readonly Step[]): Size {
  const scaled = (scale: number) => ({ width: Math.ceil(width / scale), height: Math.ceil(height / scale) });
  const step = steps.find(({ step }) => step === "reduce") as Reduce | undefined;
  const side = step ? Math.max(step.width, step.height) : Infinity; // EXIF may still swap the axes
  const [longer, shorter] = [Math.max(width, height), Math.min(width, height)];
  const most = step?.letterbox ? Math.min(Math.floor(longer / side), shorter) : Math.floor(shorter / side);
  const scale = SCALES.find((each) => most >= each) ?? 1;
  if (fits({ width, height })) return scaled(scale);
  const size = scaled(Math.max(scale, SCALES.findLast((each) => fits(scaled(each))) ?? 1));
  const needed = steps.find(({ step }) => step === "resize") as Resize | undefined;
  const [long, short] = [Math.max(size.width, size.height), Math.min(size.width, size.height)];
  const enough = !needed || (long >= Math.max(needed.width, needed.height) && (step?.letterbox || short >= Math.min(needed.width, needed.height)));
  if (!enough) checkSize({ width, height });
  checkSize(size);
  return size;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

function fits({ width, height }: Size): boolean {
  return width * height <= MAX_PIXELS && Math.max(width, height) <= MAX_SIDE;
}

/** Refuse what would take too much memory to decode. */
export function checkSize(size: Size): void {
  if (fits(size)) return;
  throw new ZooError(
    `${size.width}x${size.height} pixels is too large; the limit is ${MAX_PIXELS / 1e6} megapixels and ${MAX_SIDE} pixels a side`,
  );
}

function check({ width, height, channels, data }: Pixels): void {
  if (!(width > 0 && height > 0)) throw new ZooError(`the image has no pixels (${width}x${height})`);
  checkSize({ width, height });
  if (data.length !== width * height * channels) {
    throw new ZooError(`${width}x${height} pixels with ${channels} channels need ${width * height * channels} bytes, got ${data.length}`);
  }
}

/** Return colors in four bytes, which is also how browsers decode them. */
function widened({ width, height, channels, data: from }: Pixels): Image {
  if (channels !== 3) return { width, height, channels, data: from };
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0, o = 0; o < data.length; i += 3, o += 4) {
    data[o] = from[i]!;
    data[o + 1] = from[i + 1]!;
    data[o + 2] = from[i + 2]!;
  }
  return { width, height, channels: 4, data };
}

/** Write colors in three bytes, of four pixels at a time; the words are little-endian, as WebAssembly's memory is. */
function pack(from: Uint8Array, data: Uint8Array): void {
  const [four, three] = [wordsOf(from), new Uint32Array(data.buffer, 0, data.length >> 2)];
  let o = 0;
  for (let i = 0; i + 3 < four.length; i += 4, o += 3) {
    const [second, third] = [four[i + 1]!, four[i + 2]!];
    three[o] = (four[i]! & 0xffffff) | (second << 24);
    three[o + 1] = ((second >>> 8) & 0xffff) | (third << 16);
    three[o + 2] = ((third >>> 16) & 0xff) | (four[i + 3]! << 8);
  }
  for (let at = 4 * o; at < data.length; at++) data[at] = from[at + Math.floor(at / 3)]!;
}

/** Return pixels of four bytes as words. */
function wordsOf(data: Uint8Array): Uint32Array {
  const { buffer, byteOffset, length } = data.byteOffset % 4 ? data.slice() : data;
  return new Uint32Array(buffer, byteOffset, length / 4);
}

/** Lay a transparent image on a ground of one color: Pillow's AlphaComposite.c, whose ground here is opaque. */
function flatten(image: Image, { ground }: Flatten): Image {
  if (image.channels !== 4 || isOpaque(image.data)) return image;
  const { width, height, data: from } = image;
  const data = new Uint8Array(from.length);
  const [red, green, blue] = ground.map((value) => value << 7) as [number, number, number];
  for (let i = 0; i < data.length; i += 4) {
    const above = from[i + 3]! << 7;
    const rest = 255 - from[i + 3]!;
    data[i] = over(from[i]! * above + red * rest);
    data[i + 1] = over(from[i + 1]! * above + green * rest);
    data[i + 2] = over(from[i + 2]! * above + blue * rest);
    data[i + 3] = 255;
  }
  return { width, height, channels: 4, data };
}

function isOpaque(data: Uint8Array): boolean {
  const colors = wordsOf(data);
  let all = 0xff000000;
  for (let i = 0; i < colors.length; i++) all &= colors[i]!;
  return all >>> 24 === 255;
}

/** Divide by 255 with seven bits of precision more, rounding to the nearest. */
function over(sum: number): number {
  const rounded = sum + (0x80 << 7);
  return (((rounded >> 8) + rounded) >> 8) >> 7;
}

function convert(image: Image, { mode }: Mode): Image {
  if (mode === "L") return image.channels === 1 ? image : gray(image);
  if (image.channels === 4) return image;
  const { width, height, data: from } = image;
  const data = new Uint8Array(from.length * 4);
  for (let i = 0; i < from.length; i++) data.fill(from[i]!, 4 * i, 4 * i + 4);
  return { width, height, channels: 4, data };
}

function resize(image: Image, step: Resize): Image {
  return step.fit === "pad" ? pad(image, step) : resample(image, step.width, step.height, step.interpolation, boxOf(image, step));
}

/** A map of coordinates, `x * scaleX + offsetX` and `y * scaleY + offsetY`, in pixels from the left and top edges of an image. */
export interface Affine {
  readonly scaleX: number;
  readonly scaleY: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

/** Return the map from pixels of the resized image to pixels of an upright image of the given size, as Python's `Resize.inverse` does. */
export function inverseOf(step: Resize, size: Size): Affine {
  if (step.fit === "pad") {
    const [wide, high] = innerSize(size, step);
    const [scaleX, scaleY] = [size.width / wide, size.height / high];
    const [offsetX, offsetY] = [(0 - margin(step.width, wide)) * scaleX, (0 - margin(step.height, high)) * scaleY]; // no -0
    return { scaleX, scaleY, offsetX, offsetY };
  }
  const [left, top, right, bottom] = boxOf(size, step);
  return { scaleX: (right - left) / step.width, scaleY: (bottom - top) / step.height, offsetX: left, offsetY: top };
}

/** Return the box of the image that `crop` and `stretch` resize. */
function boxOf({ width, height }: Size, step: Resize): Box {
  if (step.whole_pixels) return cut(width, height, step);
  if (step.fit === "stretch") return [0, 0, width, height];
  const scale = step.share * Math.min(width / step.width, height / step.height);
  const [wide, high] = [step.width * scale, step.height * scale];
  const [left, top] = [(width - wide) / 2, (height - high) / 2];
  return [Math.max(0, left), Math.max(0, top), Math.min(width, left + wide), Math.min(height, top + high)];
}

/**
 * Return the box that the cut-out pixels of the resized image come from: torchvision resizes to whole pixels, rounding the
 * longer side down (timm to the nearest, where the target is no square), and cuts whole pixels out of the middle, half of one rounded to the even one, or down.
 */
function cut(width: number, height: number, step: Resize): Box {
  let [wide, high] = [Math.floor(step.width / step.share), Math.floor(step.height / step.share)];
  if (step.fit === "crop" && wide !== high) {
    const ratio = Math.min(width / wide, height / high);
    [wide, high] = [roundEven(width / ratio), roundEven(height / ratio)];
  } else if (step.fit === "crop") {
    if (width <= height) high = Math.trunc((wide * height) / width);
    else [wide, high] = [Math.trunc((wide * width) / height), wide];
  }
  const half = step.rounding === "down" ? Math.floor : roundEven;
  const [left, top] = [half((wide - step.width) / 2), half((high - step.height) / 2)];
  const [across, down] = [width / wide, height / high];
  return [left * across, top * down, Math.min(width, (left + step.width) * across), Math.min(height, (top + step.height) * down)];
}

/** Fit the whole image and fill the rest with the ground. */
function pad(image: Image, step: Resize): Image {
  const [wide, high] = innerSize(image, step);
  const [red, green, blue] = step.ground as readonly [number, number, number];
  const color: Image = { width: 1, height: 1, channels: 4, data: Uint8Array.of(red, green, blue, 255) };
  const ground = image.channels === 1 ? gray(color).data : color.data;
  const inner = resample(image, wide, high, step.interpolation, [0, 0, image.width, image.height]);
  if (wide === step.width && high === step.height) return inner;
  const { channels } = inner;
  const data = new Uint8Array(step.width * step.height * channels);
  for (let i = 0; i < data.length; i++) data[i] = ground[i % channels]!;
  const [left, top] = [margin(step.width, wide), margin(step.height, high)];
  const [first, last] = [Math.max(0, -left), Math.min(wide, step.width - left)]; // of the columns that are seen
  for (let y = Math.max(0, -top); y < Math.min(high, step.height - top); y++) {
    const row = inner.data.subarray((y * wide + first) * channels, (y * wide + last) * channels);
    data.set(row, ((top + y) * step.width + left + first) * channels);
  }
  return { width: step.width, height: step.height, channels, data };
}

/** Return the size that `pad` brings the whole image to: with whole pixels by timm's ratio, which rounds otherwise. */
function innerSize({ width, height }: Size, step: Resize): [number, number] {
  const ratio = Math.max(width / Math.floor(step.width / step.share), height / Math.floor(step.height / step.share));
  const scale = Math.min(step.width / width, step.height / height);
  const scaled = (size: number): number => Math.max(1, roundEven(step.whole_pixels ? size / ratio : size * scale));
  return [scaled(width), scaled(height)];
}

/** Return where an image begins in the middle of a ground: below 0 where it is larger. */
function margin(outer: number, within: number): number {
  return outer >= within ? Math.floor((outer - within) / 2) : -roundEven((within - outer) / 2);
}

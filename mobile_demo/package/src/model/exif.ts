/** EXIF orientation (EXIF 2.3, section 4.6.4) of JPEG, PNG and WebP files, and pixels turned upright by it. */

import type { Pixels } from "./types";

const TAG = 0x0112;

/** Return the orientation of an image file, 1 to 8; 1 where it has none. */
export function orientationOf(file: Uint8Array): number {
  for (const { kind, data } of parts(file)) {
    const orientation = kind === "exif" ? find(data)?.value : fromXmp(data);
    if (orientation !== undefined) return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

/** Return a copy of an image file that says it is upright: browsers turn images by themselves, and can't be told not to. */
export function withoutOrientation(file: Uint8Array): Uint8Array {
  const copy = file.slice();
  for (const { kind, data } of parts(copy)) {
    const entry = kind === "exif" ? find(data) : undefined;
    if (entry?.value === undefined) continue;
    // of two bytes or four: what is neither is 0, which means nothing
    data.fill(0, entry.at, entry.at + 4);
    if (entry.little) data[entry.at] = 1;
    else data[entry.at + 1] = 1;
  }
  return copy;
}

/** Return pixels upright: where each output pixel comes from, by orientation. */
export function orient(pixels: Pixels, orientation: number): Pixels {
  if (!(orientation > 1 && orientation <= 8)) return pixels;
  const { width, height, channels, data: from } = pixels;
  const [right, down] = [channels, width * channels];
  const [end, bottom] = [(width - 1) * channels, (height - 1) * width * channels];
  // the offset of the first output pixel, and the steps to its neighbors to the right and below
  const turns: Record<number, readonly [number, number, number]> = {
    2: [end, -right, down],
    3: [end + bottom, -right, -down],
    4: [bottom, right, -down],
    5: [0, down, right],
    6: [bottom, -down, right],
    7: [end + bottom, -down, -right],
    8: [end, down, -right],
  };
  const [start, across, along] = turns[orientation]!;
  const [wide, high] = orientation > 4 ? [height, width] : [width, height];
  const data = new Uint8Array(from.length);
  let o = 0;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const at = start + y * along + x * across;
      for (let channel = 0; channel < channels; channel++) data[o++] = from[at + channel]!;
    }
  }
  return { ...pixels, width: wide, height: high, data };
}

interface Part {
  readonly kind: "exif" | "xmp";
  readonly data: Uint8Array;
}

/** Return the metadata of a file that may tell its orientation: EXIF first, which wins. */
function parts(file: Uint8Array): Part[] {
  const read = [jpegParts, pngParts, webpParts].find(({ starts }) => ascii(file, 0, starts.length) === starts);
  const metadata: Part[] = [];
  try {
    read?.parts(new DataView(file.buffer, file.byteOffset, file.byteLength), (kind, start, end) => {
      metadata.push({ kind, data: file.subarray(start, end) });
    });
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // the file ends early: what came before counts
  }
  return metadata.sort((one, other) => one.kind.localeCompare(other.kind));
}

type AddPart = (kind: Part["kind"], start: number, end: number) => void;

interface Container {
  readonly starts: string;
  parts(view: DataView, addPart: AddPart): void;
}

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";

const jpegParts: Container = {
  starts: "\xff\xd8\xff",
  parts: (view, addPart) => {
    const file = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 2; view.getUint8(at) === 0xff; ) {
      const marker = view.getUint8(at + 1);
      if (marker === 0xff) {
        at++; // filler
        continue;
      }
      if (marker === 0xda || marker === 0xd9) return; // pixels begin, or the file ends
      const end = at + 2 + view.getUint16(at + 2);
      for (const [kind, name] of [["exif", EXIF], ["xmp", XMP]] as const) {
        if (marker === 0xe1 && ascii(file, at + 4, name.length) === name) addPart(kind, at + 4 + name.length, end);
      }
      at = end;
    }
  },
};

const pngParts: Container = {
  starts: "\x89PNG",
  parts: (view, addPart) => {
    const file = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 8; at < view.byteLength; ) {
      const length = view.getUint32(at);
      const name = ascii(file, at + 4, 4);
      if (name === "eXIf") addPart("exif", at + 8, at + 8 + length);
      if (name === "iTXt" && ascii(file, at + 8, 17) === "XML:com.adobe.xmp") addPart("xmp", at + 8, at + 8 + length);
      at += 12 + length;
    }
  },
};

const webpParts: Container = {
  starts: "RIFF",
  parts: (view, addPart) => {
    const file = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 12; at < view.byteLength; ) {
      const length = view.getUint32(at + 4, true);
      const name = ascii(file, at, 4);
      const start = at + 8 + (ascii(file, at + 8, EXIF.length) === EXIF ? EXIF.length : 0);
      if (name === "EXIF") addPart("exif", start, at + 8 + length);
      if (name === "XMP ") addPart("xmp", at + 8, at + 8 + length);
      at += 8 + length + (length % 2);
    }
  },
};

/** Find the tag in the first directory of a TIFF structure: its value, and where that lies. */
function find(data: Uint8Array): { readonly value: number | undefined; readonly at: number; readonly little: boolean } | undefined {
  const order = ascii(data, 0, 2);
  if (order !== "II" && order !== "MM") return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = order === "II";
  try {
    const start = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(start, little); i++) {
      const at = start + 2 + 12 * i;
      if (view.getUint16(at, little) !== TAG) continue;
      const single = view.getUint32(at + 4, little) === 1;
      const type = single ? view.getUint16(at + 2, little) : undefined;
      const value = type === 3 ? view.getUint16(at + 8, little) : type === 4 ? view.getUint32(at + 8, little) : undefined;
      return { value, at: at + 8, little };
    }
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem;
  }
  return undefined;
}

function fromXmp(data: Uint8Array): number | undefined {
  const digit = /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder("latin1").decode(data))?.[1];
  return digit === undefined ? undefined : Number(digit);
}

function ascii(bytes: Uint8Array, start: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(start, start + length));
}

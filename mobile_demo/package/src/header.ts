/** What an image file says of itself before it is decoded: PNG, JPEG, GIF, WebP and BMP. */

export interface Header {
  readonly type: "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/bmp";
  readonly width: number;
  readonly height: number;
}

/** Return the header, or undefined for other files and damaged ones: the browser's decoder has the last word. */
export function headerOf(file: Uint8Array): Header | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = (at: number, length: number): string => String.fromCharCode(...file.subarray(at, at + length));
  try {
    if (text(0, 4) === "\x89PNG") return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
    if (text(0, 4) === "GIF8") return { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true) };
    if (text(0, 2) === "BM") {
      return { type: "image/bmp", width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
    }
    if (text(0, 4) === "RIFF" && text(8, 4) === "WEBP") return { type: "image/webp", ...webp(view, text(12, 4)) };
    if (text(0, 3) === "\xff\xd8\xff") return jpeg(view);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // the file ends early
  }
  return undefined;
}

function webp(view: DataView, kind: string): { width: number; height: number } {
  const three = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (kind === "VP8X") return { width: three(24) + 1, height: three(27) + 1 };
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

function jpeg(view: DataView): Header | undefined {
  for (let at = 2; at < view.byteLength; ) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at++; // filler
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    } else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

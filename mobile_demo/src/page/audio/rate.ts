/** What an encoded recording says of its rate: FLAC (RFC 9639), Ogg (RFC 3533, 7845; Vorbis I), MPEG audio, ADTS and MP4. */

const MPEG_RATES = [44_100, 48_000, 32_000];
const AAC_RATES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/** Opus is decoded at this rate, whatever was encoded. */
const OPUS_RATE = 48_000;

/** Return the rate, in Hz; undefined for other files and damaged ones. */
export function rateOf(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));
  try {
    if (text(0, 4) === "fLaC") return flac(view, 8);
    if (text(0, 4) === "OggS") return ogg(view, text);
    if (text(4, 4) === "ftyp") return mp4(view);
    return mpeg(view, text(0, 3) === "ID3" ? 10 + sizeOfTags(view) : 0);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // the file ends early
    return undefined;
  }
}

/** 20 bits of the block STREAMINFO. */
function flac(view: DataView, start: number): number {
  return view.getUint32(start + 10) >>> 12;
}

function ogg(view: DataView, text: (at: number, length: number) => string): number | undefined {
  const packet = 27 + view.getUint8(26);
  if (text(packet, 7) === "\x01vorbis") return view.getUint32(packet + 12, true);
  if (text(packet, 8) === "OpusHead") return OPUS_RATE;
  return text(packet, 5) === "\x7fFLAC" ? flac(view, packet + 17) : undefined;
}

/** A size in four bytes of seven bits. */
function sizeOfTags(view: DataView): number {
  return [6, 7, 8, 9].reduce((size, at) => size * 128 + (view.getUint8(at) & 127), 0);
}

function mpeg(view: DataView, at: number): number | undefined {
  const sync = view.getUint16(at);
  if (sync >> 4 !== 0xfff && sync >> 4 !== 0xffe) return undefined;
  const [version, layer] = [(sync >> 3) & 3, (sync >> 1) & 3];
  if (layer === 0) return AAC_RATES[(view.getUint8(at + 2) >> 2) & 15];
  const rate = MPEG_RATES[(view.getUint8(at + 2) >> 2) & 3];
  return rate && { 0: rate / 4, 2: rate / 2, 3: rate }[version];
}

/** The rate of the first sample entry of AAC. */
function mp4(view: DataView): number | undefined {
  for (let at = 8; at + 32 <= view.byteLength; at++) {
    if (view.getUint32(at) === 0x6d703461) return view.getUint16(at + 28) || undefined;
  }
  return undefined;
}

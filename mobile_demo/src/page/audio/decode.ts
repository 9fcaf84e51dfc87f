/** Recordings that aren't WAV files, decoded by this browser: at their own rate where they say it, so that nobody resamples but us. */

import type { DecodedWaveform } from "../../api";
import { NAME, UNREADABLE } from "edgezoo/model/audio/recording";
import { isWav } from "edgezoo/model/audio/wav";
import { ZooError } from "edgezoo/model/types";
import { rateOf } from "./rate";

/** Decoding takes many times the memory of what is encoded. */
const MAX_BYTES = 64 * 2 ** 20;
const USUAL_RATE = 48_000;

/**
 * Return a recording as the worker takes it: WAV files as they are, the samples of others.
 *
 * @throws ZooError if this browser can't decode it.
 */
export async function recordingOf(file: Blob): Promise<Blob | DecodedWaveform> {
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  if (!head.length || isWav(head)) return file;
  if (file.size > MAX_BYTES) throw new ZooError(`${NAME}: ${Math.round(file.size / 2 ** 20)} MB is too large to decode; the limit is ${MAX_BYTES / 2 ** 20} MB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const rate = rateOf(bytes);
  const buffer = await contextOf(rate).decodeAudioData(bytes.buffer).catch(() => {
    throw new ZooError(`${NAME}: ${rate !== undefined ? "can't be decoded: it is damaged, or of an encoding that this browser lacks" : UNREADABLE}`);
  });
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
  return { rate: buffer.sampleRate, channels, decoded: true };
}

/** Decoders resample to the rate of their context. */
function contextOf(rate = USUAL_RATE): OfflineAudioContext {
  try {
    return new OfflineAudioContext(1, 1, rate);
  } catch {
    return new OfflineAudioContext(1, 1, USUAL_RATE); // the browser has no contexts of this rate
  }
}

/** Recordings and streams, in the worker: fetched when a model takes audio. */

import { readClip } from "./model/audio/clip";
import { Listener } from "./model/audio/listener";
import { NAME, UNREADABLE, type Waveform, openWaveform } from "./model/audio/recording";
import { isWav, openWav } from "./model/audio/wav";
import type { AudioInput } from "./model/inputs/audio";
import { type Sample, ZooError } from "./model/types";

export { Listener };

const MAX_BYTES = 256 * 2 ** 20;

/**
 * Read a WAV file as the graph takes it; other encodings the page decodes.
 *
 * @throws ZooError if it can't be used; says why.
 */
export async function readFile(input: AudioInput, file: Blob): Promise<Sample> {
  if (file.size > MAX_BYTES) throw new ZooError(`${NAME}: ${Math.round(file.size / 2 ** 20)} MB is too large; the limit is ${MAX_BYTES / 2 ** 20} MB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!bytes.length) throw new ZooError(`${NAME}: is empty`);
  if (!isWav(bytes)) throw new ZooError(`${NAME}: ${UNREADABLE}`);
  return [readClip(input, openWav(bytes))];
}

/** Return samples as the graph takes them. */
export function readWaveform(input: AudioInput, waveform: Waveform): Sample {
  return [readClip(input, openWaveform(waveform))];
}

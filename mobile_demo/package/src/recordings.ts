/** Recordings and streams. */

import { readClip } from "./model/audio/clip";
import type { Heard } from "./model/audio/decisions";
import { Listener } from "./model/audio/listener";
import { NAME, type Recording, UNREADABLE, type Waveform, openWaveform } from "./model/audio/recording";
import { isWav, openWav } from "./model/audio/wav";
import type { AudioInput } from "./model/inputs/audio";
import type { Model } from "./model/model";
import type { StepGraph } from "./model/step_graph";
import { type Sample, ZooError } from "./model/types";

export { Listener, openWaveform };

const MAX_BYTES = 256 * 2 ** 20;

/**
 * Read a WAV file as the graph takes it; other encodings the page decodes.
 *
 * @throws ZooError if it can't be used; says why.
 */
export async function readFile(input: AudioInput, file: Blob): Promise<Sample> {
  return [readClip(input, await openFile(file))];
}

/** Return samples as the graph takes them. */
export function readWaveform(input: AudioInput, waveform: Waveform): Sample {
  return [readClip(input, openWaveform(waveform))];
}

/** What was heard in the next piece of a recording. */
export interface Passage {
  readonly heard: readonly Heard[];
  /** Its end, from the start of the recording. */
  readonly seconds: number;
}

/** Listen to a recording, piece by piece. */
export async function* listenTo(model: Model, steps: StepGraph | undefined, recording: Recording): AsyncGenerator<Passage, undefined> {
  const listener = new Listener(model, recording.rate, steps);
  let seconds = 0;
  for (const block of recording.blocks()) {
    seconds += block.length / recording.channels / recording.rate;
    yield { heard: (await listener.push([block], recording.channels)).heard, seconds };
  }
  yield { heard: (await listener.end()).heard, seconds };
  return undefined;
}

export async function openFile(file: Blob): Promise<Recording> {
  if (file.size > MAX_BYTES) throw new ZooError(`${NAME}: ${Math.round(file.size / 2 ** 20)} MB is too large; the limit is ${MAX_BYTES / 2 ** 20} MB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (!bytes.length) throw new ZooError(`${NAME}: is empty`);
  if (!isWav(bytes)) throw new ZooError(`${NAME}: ${UNREADABLE}`);
  return openWav(bytes);
}

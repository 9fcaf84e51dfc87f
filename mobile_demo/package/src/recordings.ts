/** Recordings and streams: fetched when a model takes audio. */

import type { AudioBufferLike, Input } from "./input";
import { readClip } from "./model/audio/clip";
import type { Heard } from "./model/audio/decisions";
import { Listener } from "./model/audio/listener";
import { NAME, type Recording, type Waveform, openWaveform } from "./model/audio/recording";
import { isWav, openWav } from "./model/audio/wav";
import { ZooError } from "./model/types";

export { StepGraph, stepFile, stepNames } from "./model/step_graph";
export { Listener, readClip };

/** What was heard in the next piece of a recording. */
export interface Passage {
  readonly heard: readonly Heard[];
  /** Its end, from the start of the recording. */
  readonly seconds: number;
}

/**
 * Open a recording: the bytes of a WAV file, an `AudioBuffer`, or samples with their rate.
 *
 * @throws ZooError if it is none of these.
 */
export function openRecording(content: Input): Recording {
  if (!(content instanceof Uint8Array)) return openWaveform(waveformOf(content));
  if (!content.length) throw new ZooError(`${NAME}: is empty`);
  if (!isWav(content)) throw new ZooError(`${NAME}: is no WAV file; decode others with decodeAudioData, and give the AudioBuffer`);
  return openWav(content);
}

/** Return the samples of an `AudioBuffer`, or those given with their rate. */
export function waveformOf(input: Input): Waveform {
  if (typeof input === "object" && "getChannelData" in input) {
    const buffer = input as AudioBufferLike;
    return { rate: buffer.sampleRate, channels: Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel)) };
  }
  if (typeof input === "object" && "rate" in input && "channels" in input && Array.isArray(input.channels)) return input as Waveform;
  throw new ZooError("this model takes recordings: a WAV file, an AudioBuffer, or { rate, channels }");
}

/** Listen to a recording, piece by piece. */
export async function* listenTo(listener: Listener, recording: Recording): AsyncGenerator<Passage, undefined> {
  let seconds = 0;
  for (const block of recording.blocks()) {
    seconds += block.length / recording.channels / recording.rate;
    yield { heard: (await listener.push([block], recording.channels)).heard, seconds };
  }
  yield { heard: (await listener.end()).heard, seconds };
  return undefined;
}

/** Recordings of any encoding, as blocks of samples. */

import { ZooError } from "../types";

/** What messages call a recording. */
export const NAME = "the recording";
export const UNREADABLE = "is no recording that can be read: wanted WAV, FLAC, Ogg or MP3";
/** Frames that are decoded at a time. */
export const BLOCK = 2 ** 14;
const MAX_CHANNELS = 64;
/** Samples of floats beyond are of another scale than -1 to 1. */
const MAX_LEVEL = 16;

/** A recording that is open. */
export interface Recording {
  /** Frames per second, in Hz. */
  readonly rate: number;
  /** Samples of a frame. */
  readonly channels: number;
  /** Blocks of whole frames, channels interleaved, full scale -1 to 1. */
  blocks(): Iterable<Float64Array>;
}

/** Samples that a microphone or the browser's decoder gave, one array for each channel. */
export interface Waveform {
  /** In Hz. */
  readonly rate: number;
  readonly channels: readonly Float32Array[];
}

export function openWaveform({ rate, channels }: Waveform): Recording {
  return { rate, channels: channels.length, blocks: () => blocks(channels) };
}

function* blocks(channels: readonly Float32Array[]): Generator<Float64Array> {
  const count = channels.length;
  const frames = channels[0]?.length ?? 0;
  for (let start = 0; start < frames; start += BLOCK) {
    const block = new Float64Array(Math.min(BLOCK, frames - start) * count);
    channels.forEach((samples, channel) => {
      for (let i = channel, at = start; i < block.length; i += count, at++) block[i] = samples[at]!;
    });
    yield block;
  }
}

/**
 * Return the mean of a block's channels.
 *
 * @throws ZooError if there are too many, or the samples have no full scale of 1.
 */
export function mono(block: Float64Array, channels: number, name: string): Float64Array {
  if (channels > MAX_CHANNELS) throw new ZooError(`${name}: has ${channels} channels; at most ${MAX_CHANNELS} can be read`);
  if (!block.every(Number.isFinite)) throw new ZooError(`${name}: holds samples that are not finite`);
  const level = block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  if (level > MAX_LEVEL) {
    throw new ZooError(`${name}: holds samples of ${Number(level.toPrecision(6))}; full scale is 1: divide them by theirs`);
  }
  if (channels === 1) return block;
  const mixed = new Float64Array(block.length / channels);
  for (let i = 0; i < block.length; i++) mixed[Math.floor(i / channels)]! += block[i]!;
  return mixed.map((sum) => sum / channels);
}

/** Recordings become the clip that a network takes: mono, at its rate, of its length. The twin of Python's `AudioInput.read`. */

import type { AudioInput } from "../inputs/audio";
import { type Values, ZooError } from "../types";
import { MAX_RATE, MAX_SAMPLES, MIN_RATE } from "./limits";
import { NAME, type Recording, mono } from "./recording";
import { Resampler } from "./resampling";

/**
 * Return a recording as the graph takes it, `float32 [samples]`.
 *
 * @throws ZooError if it can't be used; says why.
 */
export function readClip(input: AudioInput, recording: Recording): Values {
  const blocks: Float64Array[] = [];
  let length = 0;
  for (const block of resampled(input, recording)) {
    blocks.push(block);
    length += block.length;
    if (length > MAX_SAMPLES) {
      throw new ZooError(`${NAME}: is longer than ${Math.floor(MAX_SAMPLES / input.rate)} s: cut it, or listen to it as a stream`);
    }
  }
  if (!length) throw new ZooError(`${NAME}: has no samples`);
  const samples = new Float32Array(length);
  let at = 0;
  for (const block of blocks) {
    samples.set(block, at);
    at += block.length;
  }
  return { shape: [input.samples], data: fit(input.samples, samples) };
}

/** Return the middle of samples, or the samples between silence. */
function fit(length: number, samples: Float32Array): Float32Array {
  const spare = length - samples.length;
  if (spare < 0) return samples.slice(Math.floor(-spare / 2)).subarray(0, length);
  const clip = new Float32Array(length);
  clip.set(samples, Math.floor(spare / 2));
  return clip;
}

function* resampled({ rate, resampling }: AudioInput, recording: Recording): Generator<Float64Array> {
  if (!(MIN_RATE <= recording.rate && recording.rate <= MAX_RATE)) {
    throw new ZooError(`${NAME}: ${recording.rate} samples per second; wanted ${MIN_RATE} to ${MAX_RATE}`);
  }
  const resampler = new Resampler(recording.rate, rate, resampling);
  for (const block of recording.blocks()) yield resampler.push(mono(block, recording.channels, NAME));
  yield resampler.flush();
}

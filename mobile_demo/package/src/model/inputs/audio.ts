/** Audio: clips of mono samples at one rate, as they stand in a manifest; `audio/clip.ts` makes them of recordings. */

import { MAX_RATE, MAX_SAMPLES, MIN_RATE } from "../audio/limits";
import { type Of, literal, optional, real, record, text, where, whole } from "../schema";

const MAX_ZEROS = 256;
const MIN_ROLLOFF = 0.5;

const resampling = where(
  record({ zeros: optional(whole, 24), rolloff: optional(real, 0.94), beta: optional(real, 10) }),
  ({ zeros, rolloff, beta }) =>
    !(1 <= zeros && zeros <= MAX_ZEROS && MIN_ROLLOFF <= rolloff && rolloff <= 1 && 0 <= beta && beta <= 100) &&
    `resampling needs zeros of 1 to ${MAX_ZEROS}, rolloff of ${MIN_ROLLOFF} to 1 and beta of 0 to 100, got ${zeros}, ${rolloff} and ${beta}`,
);

export const audioInput = where(
  record({
    kind: literal("audio"),
    name: text,
    rate: whole,
    samples: whole,
    resampling: optional(resampling, { zeros: 24, rolloff: 0.94, beta: 10 }),
    hop: optional(whole, 0),
  }),
  ({ rate, samples, hop }) => {
    if (!(MIN_RATE <= rate && rate <= MAX_RATE && 1 <= samples && samples <= MAX_SAMPLES)) {
      return `audio needs a rate of ${MIN_RATE} to ${MAX_RATE} Hz and 1 to ${MAX_SAMPLES} samples, got ${rate} and ${samples}`;
    }
    return hop !== 0 && (hop < 0 || samples % hop !== 0) && `hop must divide the ${samples} samples of a clip, got ${hop}`;
  },
);

export type AudioInput = Of<typeof audioInput>;
/** The filter that changes the rate: zero crossings on each side, the cutoff's share, and the Kaiser window's shape. */
export type Resampling = Of<typeof resampling>;

/** How labels are told from the scores of a stream, as it stands in a manifest; `audio/decisions.ts` follows it. */

import { type Of, list, optional, real, record, text, where, whole } from "./schema";

const MAX_SMOOTHING = 1000;

export const listening = where(
  record({
    step: whole,
    delay: whole,
    smoothing: optional(whole, 3),
    threshold: optional(real, 0.6),
    refractory: optional(real, 0.5),
    ignored: optional(list(text), []),
  }),
  ({ step, delay, smoothing, threshold, refractory }) => {
    if (!(step >= 1 && delay >= 0 && 1 <= smoothing && smoothing <= MAX_SMOOTHING)) {
      return `listening needs a step above 0, a delay of 0 or more and smoothing of 1 to ${MAX_SMOOTHING}, got ${step}, ${delay} and ${smoothing}`;
    }
    return (
      !(0 < threshold && threshold <= 1 && 0 <= refractory && refractory <= 3600) &&
      `listening needs a threshold above 0 to 1 and 0 to 3600 s of refractory time, got ${threshold} and ${refractory}`
    );
  },
);

/** The rules; see `runtime/audio/listening.py` for the meaning of each. */
export type Listening = Of<typeof listening>;

/** Anomalies: how far an input is from what the model was trained to reconstruct. */

import { type Of, literal, real, record, text, where, whole } from "../schema";
import { oneTensor } from "./task";

export const anomaly = where(
  record({ task: literal("anomaly"), name: text, features: whole, threshold: real }),
  ({ features, threshold }) => !(features >= 1 && threshold > 0) && `features and threshold must be above 0, got ${features} and ${threshold}`,
);

export const Anomaly = oneTensor<Of<typeof anomaly>>({
  shape: ({ features }) => [features],
  decode: ({ threshold }, raw) => {
    const score = meanSquare(raw);
    return { kind: "anomaly", anomalous: score > threshold, score, threshold };
  },
  agrees: ({ threshold }, reference, outputs, slack) => {
    const score = meanSquare(reference);
    return score > threshold === meanSquare(outputs) > threshold || Math.abs(score - threshold) <= 2 * slack * Math.sqrt(score);
  },
});

/** Return the score: the mean square of what the reconstruction missed. */
function meanSquare(raw: Float32Array): number {
  return raw.reduce((sum, value) => sum + value * value, 0) / raw.length;
}

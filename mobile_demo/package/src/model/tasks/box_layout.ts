import type { Size } from "../preprocess";
import type { TensorSpec } from "../tensors";
import type { Sample } from "../types";

/** Corners `float32 [candidates, 4]` in pixels of the network's input, and scores `float32 [candidates, labels]`. */
export interface Candidates {
  readonly corners: Float32Array;
  readonly scores: Float32Array;
}

/**
 * Says why tensors of these shapes can't be read so; nothing if they can.
 *
 * It stands apart from what the tensors mean: the page checks manifests, and only its worker decodes.
 */
export type LayoutFault<L> = (layout: L, tensors: readonly TensorSpec[], labels: number, size: Size) => string | undefined;

/** What a layout's tensors mean. */
export interface BoxLayout<L> {
  /** Whether the scores are logits; they are probabilities otherwise. */
  hasLogits(layout: L): boolean;
  /** Return tensors without what the graph leaves undefined, where it leaves anything. */
  defined?(raw: Sample): Sample;
  /**
   * Return what one sample's tensors stand for.
   *
   * @throws ZooError if the graph gives a label that there isn't.
   */
  candidates(layout: L, raw: Sample, labels: number, size: Size): Candidates;
  /** Return how far corners (in pixels) and scores may be apart where each tensor may be by its `slack`. */
  tolerances(layout: L, slack: readonly number[], size: Size): { readonly corner: number; readonly score: number };
}

/** Where a model's input lies in the picture that it was made of: the twin of Python's `runtime/images/placement.py`. */

import { type Affine, SCALES, type Size, inverseOf } from "./preprocess";
import type { Resize, Step } from "./steps";
import type { Pixels } from "./types";

/** The map from pixels of a model's input to pixels of the upright picture, and the size of that. */
export interface Placement extends Size {
  readonly affine: Affine;
}

/** Return the placement of an input that is the picture itself. */
export function wholePicture({ width, height }: Size): Placement {
  return { affine: { scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 }, width, height };
}

/** Return where the result of preprocessing lies in a picture, whose decoder may have reduced it. */
export function placementOf(pixels: Pixels, steps: readonly Step[]): Placement {
  const full = pixels.full ?? pixels;
  const factor = SCALES.findLast((each) => Math.ceil(longest(full) / each) === longest(pixels)) ?? 1;
  const { width, height } = factor === 1 ? pixels : full;
  const resize = steps.find((step): step is Resize => step.step === "resize");
  return resize ? { affine: times(inverseOf(resize, pixels), factor), width, height } : wholePicture({ width, height });
}

function longest({ width, height }: Size): number {
  return Math.max(width, height);
}

function times({ scaleX, scaleY, offsetX, offsetY }: Affine, factor: number): Affine {
  return { scaleX: scaleX * factor, scaleY: scaleY * factor, offsetX: offsetX * factor, offsetY: offsetY * factor };
}

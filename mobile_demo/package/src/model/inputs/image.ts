/** Images: decoded pixels of any size, brought to one size and mode by the steps of `preprocess.ts`. */

import { preprocess } from "../preprocess";
import { type Of, list, literal, record, text, where, whole } from "../schema";
import type { Scratch } from "../scratch";
import { faultOfSteps, steps } from "../steps";
import type { Pixels, Values } from "../types";

export const imageInput = where(
  record({ kind: literal("image"), name: text, shape: list(whole, 3), preprocess: steps }),
  ({ preprocess, shape }) => faultOfSteps(preprocess, shape),
);

export type ImageInput = Of<typeof imageInput>;

/** Return an image as the graph takes it, `uint8 [height, width, channels]`, in `scratch` or an array of its own. */
export function readImage(input: ImageInput, pixels: Pixels, scratch?: Scratch): Values {
  return { shape: input.shape, data: preprocess(pixels, input.preprocess, scratch) };
}

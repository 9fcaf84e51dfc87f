/** The steps of the preprocessing specification, as they stand in a manifest; `preprocess.ts` executes them. */

import { type Check, type Of, flag, list, literal, optional, real, record, tagged, where, whole } from "./schema";

const color = where(list(whole, 3), (ground) => !ground.every((value) => 0 <= value && value <= 255) && "a color must be 0 to 255");
const side = where(whole, (size) => !(0 < size && size <= 4096) && `width and height must be 1 to 4096 pixels, got ${size}`);
const pixel = optional(side, 1);
const white = optional(color, [255, 255, 255]);

const OPENCV = "opencv-bilinear";

const step = tagged("step", {
  reduce: record({ step: literal("reduce"), width: pixel, height: pixel, letterbox: optional(flag, false) }),
  orient: record({ step: literal("orient") }),
  flatten: record({ step: literal("flatten"), ground: white }),
  mode: record({ step: literal("mode"), mode: optional(literal("L", "RGB"), "RGB") }),
  resize: where(
    record({
      step: literal("resize"),
      width: pixel,
      height: pixel,
      fit: optional(literal("crop", "stretch", "pad"), "crop"),
      share: optional(
        where(real, (share) => !(0 < share && share <= 1) && `share must be above 0 and at most 1, got ${share}`),
        1,
      ),
      interpolation: optional(literal("nearest", "box", "bilinear", "bicubic", "lanczos", OPENCV), "bilinear"),
      ground: white,
      whole_pixels: optional(flag, false),
      rounding: optional(literal("even", "down"), "even"),
    }),
    ({ interpolation, fit, share, whole_pixels: whole }) =>
      interpolation === OPENCV &&
      (fit === "crop" || share !== 1 || whole) &&
      `${OPENCV} resizes whole images: fit must be stretch or pad, with a share of 1 and without whole_pixels`,
  ),
});

export type Step = Of<typeof step>;
export type Reduce = Extract<Step, { step: "reduce" }>;
export type Flatten = Extract<Step, { step: "flatten" }>;
export type Mode = Extract<Step, { step: "mode" }>;
export type Resize = Extract<Step, { step: "resize" }>;
export type Interpolation = Resize["interpolation"];

export const steps: Check<readonly Step[]> = list(step);

/** Say why `steps` don't give arrays of `shape` (height, width, channels), whatever image comes in; nothing if they do. */
export function faultOfSteps(steps: readonly Step[], shape: readonly number[]): string | undefined {
  const modes = steps.filter((step) => step.step === "mode");
  const sizes = steps.filter((step) => step.step === "resize");
  const [mode, size] = [modes[0], sizes[0]];
  const last = steps.findLastIndex((step) => step.step === "flatten");
  if (!mode || !size || modes.length > 1 || sizes.length > 1 || steps.at(-1) !== size || steps.indexOf(mode) < last) {
    return "preprocessing needs one 'mode' step after every 'flatten', and one 'resize' step at its end";
  }
  if (size.interpolation === OPENCV && steps.some((step) => step.step === "reduce")) {
    return `preprocessing with ${OPENCV} needs every pixel of an image: leave out its 'reduce' step`;
  }
  const outputShape = [size.height, size.width, mode.mode === "L" ? 1 : 3];
  if (outputShape.some((length, axis) => length !== shape[axis])) {
    return `preprocessing gives [height, width, channels] = [${outputShape.join(", ")}], the input takes [${shape.join(", ")}]`;
  }
  return undefined;
}

/** What audio may be, apart from the checks of manifests: the worker makes none. */

export const [MIN_RATE, MAX_RATE] = [1_000, 768_000];
/** Samples that a clip, or a recording that is cut to one, may have at the model's rate. */
export const MAX_SAMPLES = 2 ** 24;

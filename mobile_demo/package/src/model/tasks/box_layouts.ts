/**
 * Layouts of a detector's output tensors: what their numbers mean, and the candidate boxes that they give.
 *
 * The twin of Python's `runtime/tasks/box_layouts.py`.
 */

import { cellCenters, distancesToCorners } from "../boxes";
import { type Of, list, literal, record, tagged, where, whole } from "../schema";
import { typed } from "../tensors";
import type { BoxLayout, LayoutFault } from "./box_layout";
import * as foreign from "./foreign_layouts";

const MAX_STRIDE = 1024;
const MAX_STRIDES = 16;

const distances = where(
  record({ layout: literal("distances"), strides: list(whole) }),
  ({ strides }) =>
    !(0 < strides.length && strides.length <= MAX_STRIDES && strides.every((stride) => 1 <= stride && stride <= MAX_STRIDE)) &&
    `strides must be 1 to ${MAX_STRIDES} numbers from 1 to ${MAX_STRIDE}, got ${strides.slice(0, MAX_STRIDES + 1).join(", ") || "none"}`,
);

const faultOfDistances: LayoutFault<Of<typeof distances>> = ({ strides }, tensors, labels, { width, height }) => {
  const cells = strides.reduce((sum, stride) => sum + Math.ceil(height / stride) * Math.ceil(width / stride), 0);
  const [wanted, got] = [[[cells, 4], [cells, labels]], tensors.map(({ shape }) => shape)].map((shapes) => JSON.stringify(shapes));
  return wanted === got ? undefined : `strides ${strides.join(", ")} on ${width}x${height} pixels give tensors ${wanted}, not ${got}`;
};

/** Two tensors of an anchor-free network: distances to the edges in units of the cell's stride, and logits. */
const Distances: BoxLayout<Of<typeof distances>> = {
  hasLogits: () => true,
  candidates: ({ strides }, [sides, scores], _, size) => ({
    corners: distancesToCorners(typed("float32", sides!.data), cellCenters(size, strides)),
    scores: typed("float32", scores!.data),
  }),
  tolerances: ({ strides }, [sides, scores]) => ({ corner: sides! * Math.max(...strides), score: scores! }),
};

export const layout = tagged("layout", {
  distances,
  centers: foreign.centers,
  ranked: foreign.ranked,
  post_processed: foreign.postProcessed,
  queries: foreign.queries,
});

type Layout = Of<typeof layout>;

const FAULTS: { readonly [L in Layout["layout"]]: LayoutFault<Extract<Layout, { layout: L }>> } = {
  distances: faultOfDistances,
  centers: foreign.faultOfCenters,
  ranked: foreign.faultOfRanked,
  post_processed: foreign.faultOfPostProcessed,
  queries: foreign.faultOfQueries,
};

export const faultOfLayout: LayoutFault<Layout> = (layout, ...shapes) => (FAULTS[layout.layout] as LayoutFault<Layout>)(layout, ...shapes);

const LAYOUTS: { readonly [L in Layout["layout"]]: BoxLayout<Extract<Layout, { layout: L }>> } = {
  distances: Distances,
  centers: foreign.Centers,
  ranked: foreign.Ranked,
  post_processed: foreign.PostProcessed,
  queries: foreign.Queries,
};

export function layoutOf({ layout }: Layout): BoxLayout<Layout> {
  return LAYOUTS[layout] as BoxLayout<Layout>;
}

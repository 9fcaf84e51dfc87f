/** Tensors: the inputs of a network as arrays by name, for those that are neither images, tables nor sequences. */

import { type Of, literal, optional, record, table, where, whole } from "../schema";
import { MAX_ELEMENTS, type TensorSpec, dynamic, product, tensorSpecs } from "../tensors";

export const tensorsInput = where(
  record({ kind: literal("tensors"), tensors: tensorSpecs, lengths: optional(table(whole), {}) }),
  ({ tensors, lengths }) => {
    if (!tensors.some(({ shape }) => shape.length)) return "one of the tensors needs an axis besides the batch axis";
    const axes = new Set(tensors.flatMap(dynamic));
    for (const [axis, length] of Object.entries(lengths)) {
      if (!axes.has(axis) || length < 1) return `lengths: "${axis}" must be an axis of a tensor, with a length above 0, got ${length}`;
    }
    const large = tensors.find((tensor) => product(usualShape(tensor, lengths)) > MAX_ELEMENTS);
    return large && `tensor "${large.name}": a sample of [${usualShape(large, lengths).join(", ")}] has over ${MAX_ELEMENTS} elements`;
  },
);

export type TensorsInput = Of<typeof tensorsInput>;

/** Return a tensor's shape where axes of any length have the usual one, or 1 if none is said. */
export function usualShape({ shape }: TensorSpec, lengths: Readonly<Record<string, number>>): number[] {
  return shape.map((size) => (typeof size === "number" ? size : Object.hasOwn(lengths, size) ? lengths[size]! : 1));
}

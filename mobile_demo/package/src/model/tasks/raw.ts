/** Raw outputs: the tensors of a network as they are, for what no other task means. */

import { type Of, literal, record } from "../schema";
import { tensorSpecs } from "../tensors";
import type { Task } from "./task";

export const raw = record({ task: literal("raw"), tensors: tensorSpecs });

export const Raw: Task<Of<typeof raw>> = {
  tensors: ({ tensors }) => tensors,
  decode: ({ tensors }, raw) => ({ kind: "tensors", tensors: raw.map((values, t) => ({ ...values, name: tensors[t]!.name, dtype: tensors[t]!.dtype })) }),
  agrees: (_, reference, outputs, slack) =>
    reference.every(({ data }, t) => data.every((value, i) => Math.abs(value - outputs[t]!.data[i]!) <= slack[t]!)),
};

/** The panels of models that take tables, sequences and tensors, fetched when one is opened. */

import { sequence } from "./inputs/sequence";
import { table } from "./inputs/table";
import { tensors } from "./inputs/tensors";
import type { PanelKind } from "./panel";

export const NUMBERS: { readonly table: PanelKind; readonly sequence: PanelKind; readonly tensors: PanelKind } = {
  table: { icon: "table", make: table, fits: ({ manifest }) => manifest.model.input.kind === "table" },
  sequence: { icon: "sequence", make: sequence, fits: ({ manifest }) => manifest.model.input.kind === "sequence" },
  tensors: { icon: "tensors", make: tensors, fits: ({ manifest }) => manifest.model.input.kind === "tensors" },
};

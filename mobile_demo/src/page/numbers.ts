/** The panels of models that take tables, sequences and tensors, fetched when one is opened. */

import { sequence } from "./inputs/sequence";
import { table } from "./inputs/table";
import { tensors } from "./inputs/tensors";
import type { PanelKind } from "./panel";

/** The panel of each kind of input. */
export const NUMBERS: Readonly<Record<"table" | "sequence" | "tensors", PanelKind>> = {
  table: { icon: "table", make: table },
  sequence: { icon: "sequence", make: sequence },
  tensors: { icon: "tensors", make: tensors },
};

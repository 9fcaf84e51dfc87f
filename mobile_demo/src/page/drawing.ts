/** The panel of models of small pictures, which people can draw; fetched when one is opened. */

import { draw } from "./inputs/draw";
import type { PanelKind } from "./panel";

export const DRAWING: { readonly draw: PanelKind } = { draw: { icon: "draw", make: draw } };

/** The panels of models that take pictures, fetched when one is opened. */

import { camera } from "./inputs/camera";
import { photo } from "./inputs/photo";
import type { PanelKind } from "./panel";

export const PICTURES: { readonly photo: PanelKind; readonly camera: PanelKind } = {
  photo: { icon: "photo", make: photo },
  camera: { icon: "camera", make: camera },
};

/** The panels of models that take pictures, fetched when one is opened. */

import { camera } from "./inputs/camera";
import { photo } from "./inputs/photo";
import type { PanelKind } from "./panel";

const fits = (): boolean => true;

export const PICTURES: { readonly photo: PanelKind; readonly camera: PanelKind } = {
  photo: { icon: "photo", make: photo, fits },
  camera: { icon: "camera", make: camera, fits },
};

/** The model layer's public face: no DOM, so that it runs in a worker. */

export { checked } from "./checksum";
export { orient, orientationOf } from "./exif";
export { type Cell, type Row } from "./inputs/table";
export { type FileSpec, type Input, type Manifest, type PlayableFile, GOLDEN, MAX_MANIFEST, parseManifest, playable } from "./manifest";
export { type Answer, type Source, Model } from "./model";
export { type Golden, readGolden } from "./npz";
export { preprocess } from "./preprocess";
export { type Report, selfTest } from "./selftest";
export { type Output, decode, labelsOf } from "./tasks";
export * from "./types";

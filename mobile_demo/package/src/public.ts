/** What both entries of the package export. */

export type { BundleSource } from "./files";
export { EdgeModel, type Inspection, type LoadOptions, type PredictOptions } from "./edge_model";
export type { AudioBufferLike, CanvasLike, ImageBitmapLike, ImageDataLike, ImageLike, Input, NamedTensors, Picture, VideoFrameLike, VideoLike } from "./input";
export type { Heard } from "./model/audio/decisions";
export type { Hearing, Listener } from "./model/audio/listener";
export type { Waveform } from "./model/audio/recording";
export type { Manifest } from "./model/manifest";
export type { Report } from "./model/selftest";
export { type Box, type Device, type Pixels, type Prediction, type Score, type Values, ZooError } from "./model/types";
export type { EngineName } from "./platform";
export type { Passage } from "./recordings";
import type { Prediction } from "./model/types";

/** The prediction of each task, for `load<ClassPrediction>(...)`. */
export type ClassPrediction = Extract<Prediction, { kind: "class" }>;
export type LabelsPrediction = Extract<Prediction, { kind: "labels" }>;
export type ValuesPrediction = Extract<Prediction, { kind: "values" }>;
export type TextPrediction = Extract<Prediction, { kind: "text" }>;
export type AnomalyPrediction = Extract<Prediction, { kind: "anomaly" }>;
export type BoxesPrediction = Extract<Prediction, { kind: "boxes" }>;
export type TensorsPrediction = Extract<Prediction, { kind: "tensors" }>;

/** The bundles of this site, and what their manifests say. */

import { GOLDEN, type Manifest, PLAYABLE, type PlayableFile, parseManifest, playable } from "edgezoo/model/manifest";
import { ZooError } from "edgezoo/model/types";
import { load, prune, type Wanted } from "../store";
import { sentence } from "./dom";

/** Where the site lies; ends in a slash. */
export const BASE = new URL("./", document.baseURI).href;

export interface Bundle {
  /** Of the folder, in addresses. */
  readonly name: string;
  readonly path: string;
  readonly manifest: Manifest;
  readonly playable: readonly PlayableFile[];
}

export interface Broken {
  readonly name: string;
  readonly fault: string;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly manifest: { readonly sha256: string; readonly size: number };
}

/** List the bundles; one that can't be used is named with its fault. Throws if the list itself can't be read. */
export async function catalog(): Promise<(Bundle | Broken)[]> {
  const response = await fetch(new URL("bundles/index.json", BASE), { cache: "no-cache" });
  if (!response.ok) throw new ZooError(`bundles/index.json: ${response.status}`);
  const { bundles } = (await response.json()) as { bundles: Entry[] };
  return Promise.all(bundles.map(opened));
}

async function opened({ name, path, manifest: wanted }: Entry): Promise<Bundle | Broken> {
  try {
    const bytes = await load(BASE, { path: `${path}manifest.json`, ...wanted });
    const manifest = parseManifest(new TextDecoder().decode(bytes));
    const files = playable(manifest);
    const listed = Object.entries(manifest.files).map(([file, entry]) => ({ path: path + file, ...entry }));
    void prune(BASE, path, [{ path: `${path}manifest.json`, ...wanted }, ...listed]).catch(() => undefined);
    if (!files.length) throw new ZooError("it has no .tflite or .onnx file that takes whole samples");
    return { name, path, manifest, playable: files };
  } catch (problem) {
    return { name, fault: sentence(problem) };
  }
}

/** A file of a bundle, as the store wants it. */
export function fileOf({ path, manifest }: Bundle, name: string): Wanted {
  const entry = manifest.files[name];
  if (!entry) throw new ZooError(`${name}: the manifest does not list it`);
  return { path: path + name, ...entry };
}

/** The golden pack, where there is one. */
export function goldenOf(bundle: Bundle): Wanted | undefined {
  return bundle.manifest.files[GOLDEN] ? fileOf(bundle, GOLDEN) : undefined;
}

/** Everything that this app can use of a bundle; of a network that streams its step graphs, too. */
export function filesOf(bundle: Bundle): Wanted[] {
  const { model, models } = bundle.manifest;
  const isStreaming = model.input.kind === "audio" && model.input.hop;
  const files = isStreaming ? Object.keys(models).filter((name) => PLAYABLE.includes(models[name]!.spec.format)) : bundle.playable.map(({ file }) => file);
  const golden = goldenOf(bundle);
  return [...files.map((file) => fileOf(bundle, file)), ...(golden ? [golden] : [])];
}

/** The figure to show on a card: the test's where there is one. */
export function accuracyOf({ card }: Manifest): { metric: string; value: number } | undefined {
  const wanted = ["accuracy", "f1", "mAP50", "line_error_rate", "rmse", "roc_auc"];
  for (const split of ["test", "validation"]) {
    for (const metric of wanted) {
      const value = card.metrics[`${split} ${metric}`];
      if (value !== undefined) return { metric, value };
    }
  }
  return undefined;
}

/** Bundles are opened: their manifest is read, and what it lists is compared with it. */

import { EdgeModel, type LoadOptions, openModel } from "./edge_model";
import type { BundleSource, Files } from "./files";
import { checked } from "./model/checksum";
import { MAX_MANIFEST, parseManifest } from "./model/manifest";
import { type Prediction, ZooError } from "./model/types";
import type { Platform } from "./platform";

/**
 * Return what opens bundles on a platform.
 *
 * @param open opens a bundle's files.
 */
export function loader(platform: Platform, open: (source: BundleSource, signal?: AbortSignal) => Promise<Files>) {
  /**
   * Open a bundle.
   *
   * Each file's length and SHA-256 are compared with the manifest's before it is parsed.
   *
   * @param source is the address of a bundle's folder or of a zip file of it, a zip file, or the files of a folder.
   * @throws ZooError if the bundle can't be read, is damaged, or has no file that the engine runs; if the engine's package is not
   *   installed, or the device is not there.
   */
  return async function load<P extends Prediction = Prediction>(source: BundleSource, options: LoadOptions = {}): Promise<EdgeModel<P>> {
    const files = await open(source, options.signal);
    const manifest = parseManifest(new TextDecoder().decode(await files.read("manifest.json", 4 * MAX_MANIFEST, options.signal)));
    const read = async (name: string, signal?: AbortSignal): Promise<Uint8Array> => {
      const entry = manifest.files[name]!;
      return checked(await files.read(name, entry.size, signal), entry, name);
    };
    return openModel<P>(platform, manifest, read, options).catch((problem: unknown) => {
      options.signal?.throwIfAborted();
      if (problem instanceof ZooError) throw problem;
      throw new ZooError(`the engine can't open the model: ${problem instanceof Error ? problem.message : String(problem)}`);
    });
  };
}

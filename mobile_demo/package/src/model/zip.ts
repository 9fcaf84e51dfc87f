/** ZIP archives: .npz files, and bundles in one file. */

import { unzipSync } from "fflate";
import { ZooError } from "./types";

const MAX_UNPACKED = 512 * 2 ** 20;

/**
 * Return the files of an archive by name.
 *
 * @param kind is what messages call it.
 * @throws ZooError if it is none, or unpacks to more than 512 MiB.
 */
export function unzip(bytes: Uint8Array, where: string, kind: string): Record<string, Uint8Array> {
  let unpacked = 0;
  try {
    return unzipSync(bytes, {
      filter: ({ originalSize }) => {
        unpacked += originalSize;
        if (unpacked > MAX_UNPACKED) throw new ZooError(`${where}: unpacks to more than ${MAX_UNPACKED} bytes`);
        return true;
      },
    });
  } catch (problem) {
    if (problem instanceof ZooError) throw problem;
    throw new ZooError(`${where}: not a ${kind} file (${problem instanceof Error ? problem.message : String(problem)})`);
  }
}

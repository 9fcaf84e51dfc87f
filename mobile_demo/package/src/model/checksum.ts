/** Files against the identity that a manifest promises. */

import { sha256 } from "./sha256";
import { ZooError } from "./types";

/**
 * Return `bytes` if they are the file that is promised.
 *
 * @throws ZooError if length or SHA-256 differ; names the file.
 */
export async function checked(
  bytes: Uint8Array,
  promised: { readonly sha256: string; readonly size: number },
  name: string,
): Promise<Uint8Array> {
  const hexDigest = bytes.length === promised.size ? await digest(bytes) : "";
  if (hexDigest !== promised.sha256) {
    throw new ZooError(
      `${name}: the file is not the one that the manifest lists (${bytes.length} bytes, expected ${promised.size}, ` +
        `sha256 ${promised.sha256.slice(0, 12)}…): load it again`,
    );
  }
  return bytes;
}

async function digest(bytes: Uint8Array): Promise<string> {
  // browsers keep their own SHA-256 from pages that came over plain HTTP from another machine
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  const hash = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes as BufferSource)) : sha256(bytes);
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

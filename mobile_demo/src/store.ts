/**
 * Files that carry their SHA-256: from this device where they are kept, else over the network, and always checked.
 *
 * A kept file's key holds its hash, so that files of two versions of a bundle never mix.
 */

import { checked } from "edgezoo/model/checksum";
import { ZooError } from "edgezoo/model/types";

export interface Wanted {
  /** Of the site, such as "bundles/photos/model.tflite". */
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

const CACHE = "edgezoo-bundles";

/** Fetch a file, or find it on this device; throws a sentence if it can't be had whole. */
export async function load(base: string, wanted: Wanted): Promise<Uint8Array> {
  const key = keyOf(base, wanted);
  const cache = await opened();
  const kept = await cache?.match(key);
  if (kept) {
    try {
      return await checked(new Uint8Array(await kept.arrayBuffer()), wanted, wanted.path);
    } catch {
      await cache?.delete(key);
    }
  }
  const bytes = await checked(await download(new URL(wanted.path, base), wanted.path), wanted, wanted.path);
  // keeping is a service: a full disk must not stop the answer
  await cache?.put(key, new Response(bytes as Uint8Array<ArrayBuffer>)).catch(() => undefined);
  return bytes;
}

/** Tell which files are on this device. */
export async function kept(base: string, files: readonly Wanted[]): Promise<boolean> {
  const cache = await opened();
  if (!cache) return false;
  const responses = await Promise.all(files.map((file) => cache.match(keyOf(base, file))));
  return responses.every(Boolean);
}

/** Keep files on this device; throws a sentence if there is no room. */
export async function keep(base: string, files: readonly Wanted[], progress: (share: number) => void): Promise<void> {
  const cache = await opened();
  if (!cache) throw new ZooError("this page has no storage: it needs https or localhost");
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const { quota = Number.POSITIVE_INFINITY, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (total > quota - usage) throw noRoom(total);
  let done = 0;
  for (const file of files) {
    const key = keyOf(base, file);
    if (!(await cache.match(key))) {
      const bytes = await checked(await download(new URL(file.path, base), file.path), file, file.path);
      await cache.put(key, new Response(bytes as Uint8Array<ArrayBuffer>)).catch(() => {
        throw noRoom(file.size);
      });
    }
    done += file.size;
    progress(done / total);
  }
  await navigator.storage?.persist?.();
}

/** Forget the files under a path that are not among the wanted ones: an earlier version's. */
export async function prune(base: string, under: string, wanted: readonly Wanted[]): Promise<void> {
  const cache = await opened();
  if (!cache) return;
  const keys = new Set(wanted.map((file) => keyOf(base, file)));
  const folder = new URL(under, base).href;
  for (const { url } of await cache.keys()) if (url.startsWith(folder) && !keys.has(url)) await cache.delete(url);
}

async function download(url: URL, name: string): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, { cache: "no-cache" });
  } catch {
    throw new ZooError(`${name}: no connection, and the file is not kept on this device`);
  }
  if (!response.ok) throw new ZooError(`${name}: the server answered ${response.status}`);
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new ZooError(`${name}: the download broke off; try again`);
  }
}

function keyOf(base: string, { path, sha256 }: Wanted): string {
  return new URL(`${path}?sha256=${sha256}`, base).href;
}

function noRoom(size: number): ZooError {
  return new ZooError(`this device has no room for another ${(size / 1e6).toFixed(1)} MB: free some storage and try again`);
}

/** Insecure pages have no `caches`, and private windows may refuse them. */
async function opened(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

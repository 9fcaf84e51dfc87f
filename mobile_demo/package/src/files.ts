/** The files of a bundle, wherever they lie. What is read is checked against the manifest before it is parsed. */

import { ZooError } from "./model/types";
import { unzip } from "./model/zip";

/** A bundle's files by name. */
export interface Files {
  /**
   * Return the content of a file.
   *
   * @param most is the largest size in bytes that is read.
   * @throws ZooError if it isn't there, or is larger.
   */
  read(name: string, most: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** A folder's address, a zip file, or the files of a folder. */
export type BundleSource = string | URL | Blob | Uint8Array | Iterable<File> | ReadonlyMap<string, Uint8Array>;

const MANIFEST = "manifest.json";
/** The largest zip file that is read. */
export const MAX_ZIP = 512 * 2 ** 20;

/**
 * Open a bundle's files.
 *
 * @throws ZooError if a zip file can't be read.
 */
export async function openFiles(source: BundleSource, signal?: AbortSignal): Promise<Files> {
  if (typeof source === "string" || source instanceof URL) {
    const address = new URL(source, globalThis.location?.href);
    return address.pathname.endsWith(".zip") ? openZip(await fetchAtMost(address, MAX_ZIP, signal)) : new Folder(address);
  }
  if (source instanceof Uint8Array) return openZip(source);
  if (source instanceof Blob) return openZip(await content(source, "the bundle", MAX_ZIP));
  return source instanceof Map ? new Contents(source) : new Picked([...(source as Iterable<File>)]);
}

/** Return the files of a zip file, whose manifest lies at its top or in its only folder. */
export function openZip(bytes: Uint8Array): Files {
  const files = Object.entries(unzip(bytes, "the bundle", ".zip"));
  const top = files.map(([name]) => name).filter((name) => name.split("/").at(-1) === MANIFEST && name.split("/").length <= 2);
  if (top.length !== 1) throw new ZooError(`the bundle: its zip file has ${top.length || "no"} ${MANIFEST} at its top`);
  const folder = top[0]!.slice(0, -MANIFEST.length);
  return new Contents(new Map(files.filter(([name]) => name.startsWith(folder)).map(([name, bytes]) => [name.slice(folder.length), bytes])));
}

class Contents implements Files {
  constructor(private readonly files: ReadonlyMap<string, Uint8Array>) {}

  async read(name: string, most: number): Promise<Uint8Array> {
    const bytes = this.files.get(name);
    if (!bytes) throw missing(name);
    return bounded(bytes, name, most);
  }
}

class Picked implements Files {
  constructor(private readonly files: readonly File[]) {}

  async read(name: string, most: number): Promise<Uint8Array> {
    const file = this.files.find((each) => each.name === name);
    if (!file) throw missing(name);
    return content(file, name, most);
  }
}

class Folder implements Files {
  readonly #base: URL;

  constructor(address: URL) {
    this.#base = new URL(address);
    if (!address.pathname.endsWith("/")) this.#base.pathname += "/";
  }

  read(name: string, most: number, signal?: AbortSignal): Promise<Uint8Array> {
    return fetchAtMost(new URL(name, this.#base), most, signal);
  }
}

/**
 * Fetch a file of at most so many bytes.
 *
 * @throws ZooError if it can't be had whole, or is larger.
 */
export async function fetchAtMost(address: URL, most: number, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    const response = await fetch(address, signal ? { signal } : {});
    if (!response.ok) throw new ZooError(`${address}: the server answered ${response.status}`);
    const blocks: Uint8Array[] = [];
    let size = 0;
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > most) {
        await reader.cancel();
        throw tooLarge(address.href, most);
      }
      blocks.push(value);
    }
    return joined(blocks, size);
  } catch (problem) {
    if (problem instanceof ZooError) throw problem;
    signal?.throwIfAborted();
    throw new ZooError(`${address}: can't be fetched (${problem instanceof Error ? problem.message : String(problem)})`);
  }
}

function joined(blocks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let start = 0;
  for (const block of blocks) {
    whole.set(block, start);
    start += block.length;
  }
  return whole;
}

async function content(file: Blob, name: string, most: number): Promise<Uint8Array> {
  if (file.size > most) throw tooLarge(name, most);
  return new Uint8Array(await file.arrayBuffer());
}

function bounded(bytes: Uint8Array, name: string, most: number): Uint8Array {
  if (bytes.length > most) throw tooLarge(name, most);
  return bytes;
}

export function missing(name: string): ZooError {
  return new ZooError(`${name}: there is no such file`);
}

export function tooLarge(name: string, most: number): ZooError {
  return new ZooError(`${name}: is larger than ${most} bytes`);
}

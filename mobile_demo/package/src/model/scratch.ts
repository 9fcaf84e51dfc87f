/** Memory that one call after the other uses. */

/** Larger pieces are not kept. */
const KEPT = 2 ** 22;

/** Bytes for a model's pixels, kept because fresh memory takes longer than what is written there: 0.2 ms for 300 kB in Chromium. */
export class Scratch {
  #bytes = new Uint8Array(0);

  /** Return so many bytes, of any values, until the next call. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > KEPT) return new Uint8Array(length);
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}

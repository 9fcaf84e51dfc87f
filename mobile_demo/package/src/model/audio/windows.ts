/** Windows of a stream of samples. */

export interface Window {
  /** The number of the sample that follows its last one. */
  readonly end: number;
  readonly samples: Float32Array;
}

/** Cuts a stream into overlapping windows; silence precedes it. The twin of Python's `Windows`. */
export class Windows {
  #kept: Float32Array;
  #end = 0;

  /** @param step is the number of samples from one window of `length` to the next. */
  constructor(
    readonly length: number,
    readonly step: number,
  ) {
    this.#kept = new Float32Array(length);
  }

  /** Take the next samples; return the windows that are whole by now. */
  push(samples: Float64Array): Window[] {
    const all = new Float32Array(this.#kept.length + samples.length);
    all.set(this.#kept);
    all.set(samples, this.#kept.length);
    const count = Math.floor((all.length - this.length) / this.step);
    const windows = Array.from({ length: count }, (_, i) => {
      const start = (i + 1) * this.step;
      return { end: this.#end + start, samples: all.slice(start, start + this.length) };
    });
    this.#end += count * this.step;
    this.#kept = all.slice(count * this.step);
    return windows;
  }
}

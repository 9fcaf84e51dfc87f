/**
 * Change the rate of samples by a windowed-sinc filter in polyphase form; whole recordings and streams alike.
 *
 * The twin of Python's `runtime/audio/resampling.py`: the filter is that of a sinc under a Kaiser window (J. O. Smith,
 * Digital Audio Resampling; Kaiser, 1974), and all arithmetic is in float64.
 */

import type { Resampling } from "../inputs/audio";

/** Coefficients of a filter up to which all phases are computed at once. */
const MAX_TAPS = 2 ** 20;

/** Resamples a stream; the pieces in which it comes don't change the result. */
export class Resampler {
  readonly #down: number;
  readonly #up: number;
  readonly #cutoff: number;
  readonly #half: number;
  readonly #phases: readonly Float64Array[] | undefined;
  #received = 0;
  #returned = 0;
  /** The samples that coming ones still need; `first` is the index of the first of them. */
  #kept: Float64Array;
  #first: number;

  /**
   * @param source is the rate of what comes in, in Hz.
   * @param target is the rate of what goes out, in Hz.
   */
  constructor(
    source: number,
    target: number,
    readonly filter: Resampling,
  ) {
    const divisor = gcd(source, target);
    this.#down = source / divisor;
    this.#up = target / divisor;
    this.#cutoff = Math.min(this.#down, this.#up) * filter.rolloff;
    this.#half = Math.ceil((filter.zeros * this.#down) / this.#cutoff);
    // the samples from before the start are silence
    this.#kept = new Float64Array(this.#half - 1);
    this.#first = 1 - this.#half;
    const isSmall = this.#up * 2 * this.#half <= MAX_TAPS && this.#down !== this.#up;
    this.#phases = isSmall ? Array.from({ length: this.#up }, (_, phase) => this.#taps(phase)) : undefined;
  }

  /** Take the next samples; return those that can be computed by now. */
  push(samples: Float64Array): Float64Array {
    if (this.#down === this.#up) return samples;
    this.#received += samples.length;
    this.#keep(samples);
    // the last tap of sample n is that of index floor(n * down / up) + half
    return this.#until(Math.max(0, Math.ceil(((this.#received - this.#half) * this.#up) / this.#down)));
  }

  /** Return the samples that are left when the stream has ended; silence follows. */
  flush(): Float64Array {
    if (this.#down === this.#up) return new Float64Array(0);
    this.#keep(new Float64Array(this.#half + 1));
    return this.#until(Math.ceil((this.#received * this.#up) / this.#down));
  }

  #keep(samples: Float64Array): void {
    const kept = new Float64Array(this.#kept.length + samples.length);
    kept.set(this.#kept);
    kept.set(samples, this.#kept.length);
    this.#kept = kept;
  }

  #until(end: number): Float64Array {
    const samples = new Float64Array(Math.max(0, end - this.#returned));
    for (let i = 0; i < samples.length; i++) {
      const upsampledIndex = (this.#returned + i) * this.#down;
      const position = Math.floor(upsampledIndex / this.#up);
      const phase = upsampledIndex - position * this.#up;
      const taps = this.#phases?.[phase] ?? this.#taps(phase);
      const start = position - this.#half + 1 - this.#first;
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += this.#kept[start + k]! * taps[k]!;
      samples[i] = sum;
    }
    this.#returned += samples.length;
    const following = Math.floor((this.#returned * this.#down) / this.#up) - this.#half + 1;
    this.#kept = this.#kept.slice(following - this.#first);
    this.#first = following;
    return samples;
  }

  /** Return the coefficients of a phase. */
  #taps(phase: number): Float64Array {
    const { zeros, beta } = this.filter;
    const whole = i0(beta);
    return Float64Array.from({ length: 2 * this.#half }, (_, k) => {
      const crossing = (this.#cutoff * (k + 1 - this.#half - phase / this.#up)) / this.#down;
      const inside = 1 - (crossing / zeros) ** 2;
      if (inside <= 0) return 0;
      return ((this.#cutoff / this.#down) * sinc(crossing) * i0(beta * Math.sqrt(inside))) / whole;
    });
  }
}

function sinc(crossing: number): number {
  const angle = Math.PI * crossing;
  return angle === 0 ? 1 : Math.sin(angle) / angle;
}

/** The modified Bessel function of the first kind and order 0, by its power series, all of whose terms are positive. */
function i0(value: number): number {
  const square = value ** 2 / 4;
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * Number.EPSILON; k++) {
    term *= square / k ** 2;
    sum += term;
  }
  return sum;
}

function gcd(one: number, other: number): number {
  return other === 0 ? one : gcd(other, one % other);
}

/** Spectrograms: the loudness of each pitch over time, in decibels. */

/** The shortest window, in seconds: two periods of a deep voice. */
const WINDOW = 0.025;

export interface Spectrogram {
  /** Decibels of column after column, from the lowest pitch. */
  readonly levels: readonly Float32Array[];
  readonly bins: number;
}

/** Return the spectrogram of samples in so many columns, under Hann windows. */
export function spectrogram(samples: Float32Array, rate: number, columns: number): Spectrogram {
  const size = 2 ** Math.ceil(Math.log2(rate * WINDOW));
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / size));
  const levels = Array.from({ length: columns }, (_, column) => {
    const start = Math.round(((column + 0.5) / columns) * samples.length - size / 2);
    const [real, imaginary] = [window.map((weight, i) => weight * (samples[start + i] ?? 0)), new Float64Array(size)];
    transform(real, imaginary);
    return Float32Array.from({ length: size / 2 }, (_, bin) => 10 * Math.log10((real[bin]! ** 2 + imaginary[bin]! ** 2) / size ** 2 + 1e-12));
  });
  return { levels, bins: size / 2 };
}

/** The fast Fourier transform in place (Cooley and Tukey, 1965); the length is a power of two. */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length;
  for (let i = 1, reversed = 0; i < size; i++) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (i >= reversed) continue;
    for (const part of [real, imaginary]) [part[i], part[reversed]] = [part[reversed]!, part[i]!];
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const [cos, sin] = [Math.cos((2 * Math.PI * k) / length), -Math.sin((2 * Math.PI * k) / length)];
      for (let one = k; one < size; one += length) {
        const other = one + half;
        const x = real[other]! * cos - imaginary[other]! * sin;
        const y = real[other]! * sin + imaginary[other]! * cos;
        real[other] = real[one]! - x;
        imaginary[other] = imaginary[one]! - y;
        real[one]! += x;
        imaginary[one]! += y;
      }
    }
  }
}

/** The audio that a model heard: its waveform over its spectrogram. */

import { h } from "../dom";
import { spectrogram } from "./spectrum";
import { words } from "./words";

const WIDTH = 640;
const WAVE = 72;
const HEIGHT = 240;
const COLUMNS = 160;
/** Decibels between the darkest and the brightest color. */
const RANGE = 70;
/** The brightest color stands for the loudest pitch, or for this level if all are quieter, in decibels. */
const QUIETEST = -50;
/** The waveform fills its place, unless its peak is below. */
const LEAST_PEAK = 0.02;
const COLORS = [
  [14, 18, 24],
  [18, 58, 82],
  [34, 130, 128],
  [226, 190, 96],
  [255, 247, 222],
] as const;

export class SoundView {
  readonly canvas = h("canvas", { class: "sound-canvas", attrs: { width: WIDTH, height: HEIGHT, role: "img" } });
  private readonly axis = h("div", { class: "between muted fine" });
  readonly element = h("figure", { class: "sound", attrs: { hidden: true } }, this.canvas, this.axis);

  /** Draw samples of full scale -1 to 1; nothing without them. */
  show(samples: Float32Array | undefined, rate: number): void {
    this.element.hidden = !samples;
    const context = this.canvas.getContext("2d");
    if (!samples || !context) return;
    const { sound } = words();
    const seconds = samples.length / rate;
    this.canvas.setAttribute("aria-label", `${sound.title}: ${sound.label(seconds, rate)}`);
    this.axis.replaceChildren(...[sound.seconds(0), `${sound.title}, ${sound.range(rate)}`, sound.seconds(seconds)].map((text) => h("span", {}, text)));
    context.fillStyle = `rgb(${COLORS[0].join()})`;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    drawWave(context, samples);
    drawSpectrum(context, samples, rate);
  }
}

function drawWave(context: CanvasRenderingContext2D, samples: Float32Array): void {
  const scale = WAVE / 2.2 / samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), LEAST_PEAK);
  context.fillStyle = "rgb(98 210 191)";
  for (let x = 0; x < WIDTH; x++) {
    const start = Math.floor((x / WIDTH) * samples.length);
    const end = Math.max(start + 1, Math.floor(((x + 1) / WIDTH) * samples.length));
    let [low, high] = [Infinity, -Infinity];
    for (let i = start; i < end; i++) [low, high] = [Math.min(low, samples[i]!), Math.max(high, samples[i]!)];
    context.fillRect(x, WAVE / 2 - high * scale, 1, Math.max(1, (high - low) * scale));
  }
}

function drawSpectrum(context: CanvasRenderingContext2D, samples: Float32Array, rate: number): void {
  const { levels, bins } = spectrogram(samples, rate, COLUMNS);
  const loudest = levels.reduce((most, column) => column.reduce((least, level) => Math.max(least, level), most), QUIETEST);
  const image = new ImageData(COLUMNS, bins);
  levels.forEach((column, x) =>
    column.forEach((level, bin) => {
      const share = Math.min(1, Math.max(0, 1 + (level - loudest) / RANGE));
      image.data.set(colorOf(share), 4 * ((bins - 1 - bin) * COLUMNS + x));
    }),
  );
  const small = new OffscreenCanvas(COLUMNS, bins);
  small.getContext("2d")?.putImageData(image, 0, 0);
  context.drawImage(small, 0, WAVE, WIDTH, HEIGHT - WAVE);
}

function colorOf(share: number): [number, number, number, number] {
  const position = share * (COLORS.length - 1);
  const below = Math.min(COLORS.length - 2, Math.floor(position));
  const part = (channel: 0 | 1 | 2): number => COLORS[below]![channel] + (position - below) * (COLORS[below + 1]![channel] - COLORS[below]![channel]);
  return [part(0), part(1), part(2), 255];
}

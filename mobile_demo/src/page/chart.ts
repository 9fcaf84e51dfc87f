/** Charts, drawn as SVG. */

import { svg } from "./dom";

const WIDTH = 320;
const HEIGHT = 110;

/** Lines on one scale, the first in the accent's colour; at most eight of them. */
export function lines(series: readonly (readonly number[])[], label: string): SVGElement {
  const shown = series.slice(0, 8);
  const values = shown.flat();
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const paths = shown.map((line, i) => {
    const step = WIDTH / Math.max(1, line.length - 1);
    const points = line.map((value, x) => `${(x * step).toFixed(1)},${(HEIGHT - 6 - ((value - low) / span) * (HEIGHT - 12)).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), class: i === 0 ? "line main" : "line" });
  });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...paths.reverse());
}

const BINS = 24;

/** A histogram of times up to their 98th percentile, with marks. */
export function histogram(times: readonly number[], label: string, marks: readonly number[]): SVGElement {
  const sorted = [...times].sort((one, other) => one - other);
  const low = sorted[0]!;
  const high = Math.max(quantile(sorted, 0.98), low * 1.02 + 0.01, ...marks);
  const bins = new Array<number>(BINS).fill(0);
  for (const time of times) bins[Math.min(BINS - 1, Math.max(0, Math.floor(((time - low) / (high - low)) * BINS)))]!++;
  const most = Math.max(...bins);
  const width = WIDTH / BINS;
  const bars = bins.map((count, i) =>
    svg("rect", { x: (i * width + 1).toFixed(1), width: (width - 2).toFixed(1), y: (HEIGHT - (count / most) * (HEIGHT - 8)).toFixed(1), height: ((count / most) * (HEIGHT - 8)).toFixed(1), rx: 1.5, class: "hist" }),
  );
  const rules = marks.map((mark) => {
    const x = (((mark - low) / (high - low)) * WIDTH).toFixed(1);
    return svg("line", { x1: x, x2: x, y1: 0, y2: HEIGHT, class: "mark" });
  });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label, preserveAspectRatio: "none" }, ...bars, ...rules);
}

/** The value below which a share of sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place % 1);
}

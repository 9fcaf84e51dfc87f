/** Charts, drawn as SVG. */

import { h, svg } from "./dom";
import { figure, t } from "./settings";

const WIDTH = 320;
const HEIGHT = 110;

/** A line over steps. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  /** What is foretold to follow, in a color of its own. */
  readonly next?: readonly number[];
}

/** Draw a series under its name, with the range of its values and the numbers of its steps; what is next begins after 0. */
export function series({ name, values, next = [] }: Series): HTMLElement {
  const all = [...values, ...next];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const step = WIDTH / Math.max(1, all.length - 1);
  const line = (part: readonly number[], from: number, kind: string): SVGElement => {
    const points = part.map((value, i) => `${((from + i) * step).toFixed(1)},${(HEIGHT - 6 - ((value - low) / (high - low || 1)) * (HEIGHT - 12)).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), class: `line ${kind}` });
  };
  const follows = values.length > 0 && next.length > 0;
  const joined = follows ? [values.at(-1)!, ...next] : next;
  const now = (values.length - 1) * step;
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": t.chart.label(name, figure(low), figure(high)), preserveAspectRatio: "none" },
    follows && svg("line", { x1: now, x2: now, y1: 0, y2: HEIGHT, class: "mark" }),
    line(values, 0, next.length ? "past" : "main"),
    line(joined, all.length - joined.length, "main"),
  );
  const end = (text: string): HTMLElement => h("span", {}, text);
  const [first, last] = next.length ? [1 - values.length, next.length] : [1, values.length];
  return h(
    "figure",
    { class: "series" },
    h("figcaption", {}, name),
    h("div", { class: "plot" }, h("div", { class: "y-axis muted fine" }, end(figure(high)), high > low && end(figure(low))), drawing, h("div", { class: "x-axis muted fine" }, end(t.chart.step(first)), end(t.chart.step(last)))),
    follows && h("p", { class: "legend muted fine" }, h("span", { class: "past" }, t.chart.past), h("span", {}, t.chart.next)),
  );
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
  const rank = share * (sorted.length - 1);
  const below = sorted[Math.floor(rank)]!;
  return below + (sorted[Math.ceil(rank)]! - below) * (rank % 1);
}

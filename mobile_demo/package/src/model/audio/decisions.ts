/** Decisions over time: from the scores of windows of a stream to the labels that are heard, each once. The twin of Python's `Decisions`. */

import type { Listening } from "../listening";

/** A label that was heard. */
export interface Heard {
  /** Its middle, in seconds from the start of the stream. */
  readonly time: number;
  readonly label: string;
  /** The highest average score that it had, 0 to 1. */
  readonly score: number;
}

/**
 * Labels from the scores of a stream, look by look.
 *
 * A label is heard while its average score is the highest and at least the threshold. It is told when that ends, with the
 * middle of that time, each look weighted by its score.
 */
export class Decisions {
  #recent: (readonly number[])[] = [];
  readonly #last = new Map<string, number>();
  #label = "";
  #weight = 0;
  #moment = 0;
  #peak = 0;

  /** @param rate is in Hz. */
  constructor(
    readonly rules: Listening,
    readonly labels: readonly string[],
    readonly rate: number,
  ) {}

  /** Take the labels' scores for the audio that ends with sample `end`; return what ended with it. */
  push(end: number, scores: readonly number[]): Heard | undefined {
    const { smoothing, threshold, ignored } = this.rules;
    this.#recent = [...this.#recent, scores].slice(-smoothing);
    const averages = scores.map((_, i) => this.#recent.reduce((sum, look) => sum + look[i]!, 0) / this.#recent.length);
    const score = Math.max(...averages);
    const best = this.labels[averages.indexOf(score)]!;
    const label = score >= threshold && !ignored.includes(best) ? best : "";
    let heard: Heard | undefined;
    if (label !== this.#label) {
      heard = this.flush();
      this.#start(label);
    }
    if (label) {
      this.#weight += score;
      this.#moment += score * end;
      this.#peak = Math.max(this.#peak, score);
    }
    return heard;
  }

  /** Return the label that is heard as the stream ends. */
  flush(): Heard | undefined {
    const { delay, step, smoothing, refractory } = this.rules;
    const [label, score] = [this.#label, this.#peak];
    if (!label) return undefined;
    // the average of several looks is as old as the middle one of them
    const late = delay + (step * (smoothing - 1)) / 2;
    const time = Math.max(0, (this.#moment / this.#weight - late) / this.rate);
    const isAgain = time - (this.#last.get(label) ?? -Infinity) < refractory;
    this.#last.set(label, time);
    this.#start("");
    return isAgain ? undefined : { time, label, score };
  }

  #start(label: string): void {
    this.#label = label;
    this.#weight = this.#moment = this.#peak = 0;
  }
}

/** What the workbench and its panels, in which people give the model something, ask of each other. */

import type { Answer } from "../api";
import type { Input } from "edgezoo/input";
import type { Bundle } from "./catalog";
import type { Icon } from "./icons";
import type { Session } from "./session";

/** A way to give the model something. */
export interface Panel {
  readonly element: HTMLElement;
  /** Where its buttons are, if an example's button is to stand beside them. */
  readonly actions?: HTMLElement;
  /** Take an example of the golden pack; panels without one can't show it. */
  example?(input: Input): void;
  /** Ask again what was asked last: the thresholds are others. */
  refresh?(): void;
  /** Another file runs: what was answered before is not its answer. */
  forget?(): void;
  /** Another tab comes to the front. */
  hide?(): void;
  /** The model is left. */
  close?(): void;
  /** How to make the panel again with what it holds, for the page in another language. */
  again?(): Maker;
}

/** What makes a panel. */
export type Maker = (host: Host) => Panel;

/** A panel and its tab. */
export interface PanelKind {
  readonly icon: Icon;
  readonly make: Maker;
}

/** What a panel asks of the workbench. */
export interface Host {
  readonly bundle: Bundle;
  session(): Session;
  /**
   * Predict and show the answer; of several that wait only the newest is answered.
   *
   * @returns the answer, or undefined if it failed (the reason is shown) or a newer one came.
   */
  ask(input: Input, options: AskOptions): Promise<Answer | undefined>;
  /** Show an answer to a moment of a stream. */
  show(answer: Answer): void;
  /** Put an answer that was shown live among the last ones. */
  remember(answer: Answer, key: string, picture: HTMLCanvasElement | Icon): void;
  /** Say what went wrong before anything could be asked. */
  fail(problem: unknown): void;
  clear(): void;
}

export interface AskOptions {
  /** Answers to the same thing replace each other in the history; without a key it is not remembered. */
  readonly key?: string;
  readonly picture?: HTMLCanvasElement | Icon;
  readonly live?: boolean;
}

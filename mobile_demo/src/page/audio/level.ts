/** The level of a microphone, in decibels below full scale. */

import { h } from "../dom";
import { words } from "./words";

/** Decibels that show as nothing. */
const FLOOR = -60;

export class Level {
  readonly element = h("meter", { class: "level", attrs: { min: FLOOR, max: 0, value: FLOOR, "aria-label": words().microphone.level, hidden: true } });

  /** @param level is a sample's absolute value, 0 to 1. */
  readonly show = (level: number): void => {
    this.element.value = Math.max(FLOOR, 20 * Math.log10(level || 1e-9));
  };
}

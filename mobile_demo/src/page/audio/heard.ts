/** What was heard, and when. */

import type { Heard } from "edgezoo/model/audio/decisions";
import { h, unique } from "../dom";
import { t } from "../settings";
import { words } from "./words";

const LENGTH = 200;

export interface Item extends Omit<Heard, "time"> {
  readonly time: HTMLElement;
}

/** A list that is read from its top: of a stream the newest comes first. */
export class HeardList {
  private readonly list = h("ol", { class: "heard", attrs: { tabindex: 0 } });
  private readonly nothing = h("p", { class: "muted" }, words().heard.nothing);
  private readonly clear = h("button", { class: "quiet small", on: { click: () => this.set([]) } }, words().heard.clear);
  readonly element: HTMLElement;

  constructor(public items: readonly Item[] = []) {
    const title = unique("heard");
    this.list.setAttribute("aria-labelledby", title);
    this.element = h("section", { class: "card" }, h("div", { class: "between" }, h("h2", { attrs: { id: title } }, words().heard.title), this.clear), this.nothing, this.list);
    this.set(items);
  }

  add(items: readonly Item[]): void {
    if (items.length) this.set([...[...items].reverse(), ...this.items].slice(0, LENGTH));
  }

  set(items: readonly Item[]): void {
    this.items = items;
    this.nothing.hidden = items.length > 0;
    this.list.hidden = this.clear.hidden = !items.length;
    this.list.replaceChildren(...items.map(row));
  }
}

function row({ time, label, score }: Item): HTMLElement {
  return h("li", {}, time, h("span", { class: "bar-label" }, label), h("span", { class: "bar-share" }, t.percent(score)));
}

/** The time of a clock. */
export function clock(at: Date): HTMLElement {
  return moment(at.toISOString(), at.toLocaleTimeString(t.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
}

/** The time from the start of a recording, in minutes and seconds. */
export function offset(seconds: number): HTMLElement {
  const tenths = Math.round(10 * seconds);
  const rest = (tenths % 600) / 10;
  return moment(`PT${seconds.toFixed(3)}S`, `${Math.floor(tenths / 600)}:${rest < 10 ? "0" : ""}${rest.toFixed(1)}`);
}

function moment(datetime: string, text: string): HTMLElement {
  return h("time", { class: "muted fine", attrs: { datetime } }, text);
}

/** What was heard, with its time, newest first. */

import type { Heard } from "../../model/audio/decisions";
import { h, unique } from "../dom";
import { t } from "../settings";
import { words } from "./words";

const LENGTH = 200;

export interface Item extends Omit<Heard, "time"> {
  readonly at: Date;
}

export class HeardList {
  private readonly list = h("ol", { class: "heard", attrs: { tabindex: 0, reversed: true } });
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

  private set(items: readonly Item[]): void {
    this.items = items;
    this.nothing.hidden = items.length > 0;
    this.list.hidden = this.clear.hidden = !items.length;
    this.list.replaceChildren(...items.map(row));
  }
}

function row({ at, label, score }: Item): HTMLElement {
  const time = at.toLocaleTimeString(t.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return h(
    "li",
    {},
    h("time", { class: "muted fine", attrs: { datetime: at.toISOString() } }, time),
    h("span", { class: "bar-label" }, label),
    h("span", { class: "bar-share" }, t.percent(score)),
  );
}

/** The last answers, newest first. */

import type { Answer } from "../api";
import { headline } from "./answer";
import { h } from "./dom";
import { icon, type Icon } from "./icons";
import { t } from "./settings";

const LENGTH = 12;

export interface Item {
  /** Answers to the same thing (a drawing that grows) replace each other. */
  readonly key: string;
  readonly answer: Answer;
  readonly picture: HTMLCanvasElement | Icon;
  readonly at: Date;
}

export class History {
  private readonly list = h("ul", { class: "history-list" });
  readonly element = h("section", { class: "history card", attrs: { hidden: true, "aria-label": t.history.title } });

  constructor(
    private readonly open: (answer: Answer) => void,
    public items: readonly Item[] = [],
  ) {
    const clear = h("button", { class: "quiet small", on: { click: () => this.set([]) } }, t.history.clear);
    this.element.append(h("div", { class: "between" }, h("h2", {}, t.history.title), clear), this.list);
    this.set(items);
  }

  add(item: Item): void {
    this.set([item, ...this.items.filter(({ key }) => key !== item.key)].slice(0, LENGTH));
  }

  private set(items: readonly Item[]): void {
    this.items = items;
    this.element.hidden = !items.length;
    this.list.replaceChildren(...items.map((item) => h("li", {}, this.button(item))));
  }

  private button({ answer, picture, at }: Item): HTMLElement {
    const name = headline(answer.prediction);
    const time = at.toLocaleTimeString(t.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    return h(
      "button",
      { class: "past", attrs: { "aria-label": t.history.item(name, time) }, on: { click: () => this.open(answer) } },
      typeof picture === "string" ? h("span", { class: "thumb" }, icon(picture)) : picture,
      h("span", { class: "past-name" }, name),
    );
  }
}

/** Draw something small, to be remembered by. */
export function thumbnail(source: CanvasImageSource, width: number, height: number): HTMLCanvasElement {
  const size = 96;
  const scale = size / Math.min(width, height);
  const canvas = h("canvas", { class: "thumb", attrs: { width: size, height: size, "aria-hidden": "true" } });
  canvas.getContext("2d")?.drawImage(source, (size - width * scale) / 2, (size - height * scale) / 2, width * scale, height * scale);
  return canvas;
}

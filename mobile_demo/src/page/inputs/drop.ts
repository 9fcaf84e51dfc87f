/** A place for a file: people pick one or drop it there. */

import { h } from "../dom";
import { type Icon, icon } from "../icons";
import type { Host } from "../panel";

interface Words {
  readonly pick: string;
  readonly drop: string;
  readonly another: string;
  /** Said of what is dropped and is no file. */
  readonly notFile: string;
}

export interface DropZone {
  readonly element: HTMLElement;
  /** Picks another file, once there is one. */
  readonly another: HTMLElement;
  /** Show the content, or the invitation in its place. */
  fill(isFilled: boolean): void;
}

/**
 * Make a place that is empty.
 *
 * @param accept are the types that are picked, as an `<input>` takes them.
 * @param content shows the file.
 */
export function dropZone(host: Host, kind: Icon, accept: string, words: Words, content: HTMLElement, take: (file: File) => void): DropZone {
  const input = h("input", { class: "over", attrs: { type: "file", accept, "aria-label": words.pick } });
  const invite = h("span", { class: "drop-text" }, icon(kind), h("strong", {}, words.pick), h("span", { class: "muted" }, words.drop));
  const another = h("button", { attrs: { hidden: true }, on: { click: () => input.click() } }, icon(kind), words.another);
  const element = h("div", { class: "drop" }, invite, content, input);
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) take(file);
    input.value = "";
  });
  for (const name of ["dragover", "dragenter"] as const) {
    element.addEventListener(name, (event) => {
      event.preventDefault();
      element.classList.add("over-it");
    });
  }
  element.addEventListener("dragleave", () => element.classList.remove("over-it"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over-it");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
    else host.fail(words.notFile);
  });
  const fill = (isFilled: boolean): void => {
    invite.hidden = isFilled;
    another.hidden = !isFilled;
  };
  return { element, another, fill };
}

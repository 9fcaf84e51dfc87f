/** A note over the page's header, where it covers no input and no answer, with something to do about it. */

import { h } from "./dom";
import { icon } from "./icons";
import { t } from "./settings";

const liveRegion = h("div", { class: "toasts", attrs: { role: "status", "aria-live": "polite" } });

export function toast(message: string, action?: { readonly label: string; readonly run: () => void }): void {
  if (!liveRegion.isConnected) document.body.append(liveRegion);
  const close = h("button", { class: "quiet round", attrs: { "aria-label": t.app.later }, on: { click: () => note.remove() } }, icon("cross"));
  const act = action && h("button", { class: "primary small", on: { click: () => (note.remove(), action.run()) } }, action.label);
  const note = h("div", { class: "toast" }, h("p", {}, message), act, close);
  liveRegion.replaceChildren(note);
  if (!action) setTimeout(() => note.remove(), 5000);
}

/** A photo: picked, taken, pasted or dropped. */

import type { Source } from "../../api";
import { h, sentence } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";
import { t } from "../settings";

export function photo(host: Host, given?: Blob): Panel {
  let count = 0;
  let url = "";
  let last = given;
  const image = h("img", { class: "photo", attrs: { alt: t.photo.alt, hidden: true } });
  const note = h("p", { class: "muted fine", attrs: { hidden: true } });
  const invite = h("span", { class: "drop-text" }, icon("photo"), h("strong", {}, t.photo.pick), h("span", { class: "muted" }, t.photo.drop));
  const input = h("input", { class: "over", attrs: { type: "file", accept: "image/*", "aria-label": t.photo.pick } });
  const another = h("button", { attrs: { hidden: true }, on: { click: () => input.click() } }, icon("photo"), t.photo.another);
  const actions = h("div", { class: "row spread" }, another);
  const zone = h("div", { class: "drop" }, invite, image, input);

  /** Put a photo into the frame; tell whether it can be shown. */
  const frame = async (file: Blob): Promise<boolean> => {
    last = file;
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(file);
    image.src = url;
    note.hidden = true;
    const readable = await image.decode().then(
      () => true,
      () => false,
    );
    image.hidden = another.hidden = !readable;
    invite.hidden = readable;
    return readable;
  };
  const show = async (file: Blob): Promise<void> => {
    const key = `photo-${++count}`;
    const readable = await frame(file);
    const picture = readable ? thumbnail(image, image.naturalWidth, image.naturalHeight) : "photo";
    const answer = await host.ask({ kind: "file", file }, { key, picture });
    if (!answer) return;
    note.textContent = t.photo.frames(answer.frames);
    note.hidden = answer.frames === 1;
  };
  const take = (files: FileList | null | undefined): boolean => {
    const file = files?.[0];
    if (file) show(file).catch((problem: unknown) => host.fail(sentence(problem)));
    return Boolean(file);
  };

  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  for (const kind of ["dragover", "dragenter"] as const) {
    zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over-it");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over-it"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over-it");
    if (!take(event.dataTransfer?.files)) host.fail(t.photo.notImage);
  });
  const pasted = (event: ClipboardEvent): void => {
    if (zone.isConnected && take(event.clipboardData?.files)) event.preventDefault();
  };
  document.addEventListener("paste", pasted);

  if (given) void frame(given);
  return {
    element: h("div", { class: "photos" }, zone, note, actions),
    actions,
    again() {
      const file = last;
      return (next) => photo(next, file);
    },
    example(source: Source) {
      if (source.kind === "file") void show(source.file);
    },
    close() {
      document.removeEventListener("paste", pasted);
      URL.revokeObjectURL(url);
    },
  };
}

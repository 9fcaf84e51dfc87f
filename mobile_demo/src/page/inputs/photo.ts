/** A photo: picked, taken, pasted or dropped. */

import type { Source } from "../../api";
import type { Prediction } from "edgezoo/model/types";
import { h, sentence } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import { Overlay } from "../overlay";
import type { AskOptions, Host, Panel } from "../panel";
import { t } from "../settings";

export function photo(host: Host, given?: Blob, prediction?: Prediction): Panel {
  let count = 0;
  let picture: AskOptions["picture"];
  let url = "";
  let last = given;
  let answered = prediction;
  const overlay = new Overlay();
  const image = h("img", { class: "photo", attrs: { alt: t.photo.alt, hidden: true } });
  const note = h("p", { class: "muted fine", attrs: { hidden: true } });
  const invite = h("span", { class: "drop-text" }, icon("photo"), h("strong", {}, t.photo.pick), h("span", { class: "muted" }, t.photo.drop));
  const input = h("input", { class: "over", attrs: { type: "file", accept: "image/*", "aria-label": t.photo.pick } });
  const another = h("button", { attrs: { hidden: true }, on: { click: () => input.click() } }, icon("photo"), t.photo.another);
  const actions = h("div", { class: "row spread" }, another);
  const zone = h("div", { class: "drop" }, invite, h("div", { class: "pictured" }, image, overlay.element), input);

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
  const ask = async (file: Blob, options: AskOptions): Promise<void> => {
    const answer = await host.ask({ kind: "file", file }, options);
    if (!answer || file !== last) return;
    answered = answer.prediction;
    overlay.show(image.hidden ? undefined : answered);
    note.textContent = t.photo.frames(answer.frames);
    note.hidden = answer.frames === 1;
  };
  const show = async (file: Blob): Promise<void> => {
    const key = `photo-${++count}`;
    overlay.show((answered = undefined));
    picture = (await frame(file)) ? thumbnail(image, image.naturalWidth, image.naturalHeight) : "photo";
    await ask(file, { key, picture });
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

  if (given) void frame(given).then((readable) => overlay.show(readable ? answered : undefined));
  return {
    element: h("div", { class: "photos" }, zone, note, actions),
    actions,
    again() {
      const [file, prediction] = [last, answered];
      return (next) => photo(next, file, prediction);
    },
    example(source: Source) {
      if (source.kind === "file") void show(source.file);
    },
    refresh() {
      if (last) void ask(last, picture ? { key: `photo-${count}`, picture } : {});
    },
    forget() {
      overlay.show((answered = undefined));
    },
    close() {
      overlay.close();
      document.removeEventListener("paste", pasted);
      URL.revokeObjectURL(url);
    },
  };
}

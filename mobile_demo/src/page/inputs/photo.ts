/** A photo: picked, taken, pasted or dropped. */

import type { Input } from "edgezoo/input";
import type { Prediction } from "edgezoo/model/types";
import { h } from "../dom";
import { thumbnail } from "../history";
import { Overlay } from "../overlay";
import type { AskOptions, Host, Panel } from "../panel";
import { t } from "../settings";
import { dropZone } from "./drop";

export function photo(host: Host, initialFile?: Blob, prediction?: Prediction): Panel {
  let count = 0;
  let picture: AskOptions["picture"];
  let url = "";
  let last = initialFile;
  let answered = prediction;
  const overlay = new Overlay();
  const image = h("img", { class: "photo", attrs: { alt: t.photo.alt, hidden: true } });
  const note = h("p", { class: "muted fine", attrs: { hidden: true } });
  const zone = dropZone(host, "photo", "image/*", t.photo, h("div", { class: "pictured" }, image, overlay.element), (file) => take(file));
  const actions = h("div", { class: "row spread" }, zone.another);

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
    image.hidden = !readable;
    zone.fill(readable);
    return readable;
  };
  const ask = async (file: Blob, options: AskOptions): Promise<void> => {
    const answer = await host.ask(file, options);
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
  const take = (file: Blob): void => void show(file).catch((problem: unknown) => host.fail(problem));

  const pasted = (event: ClipboardEvent): void => {
    const file = event.clipboardData?.files[0];
    if (!file || !zone.element.isConnected) return;
    event.preventDefault();
    take(file);
  };
  document.addEventListener("paste", pasted);

  if (initialFile) void frame(initialFile).then((readable) => overlay.show(readable ? answered : undefined));
  return {
    element: h("div", { class: "photos" }, zone.element, note, actions),
    actions,
    again() {
      const [file, prediction] = [last, answered];
      return (next) => photo(next, file, prediction);
    },
    example(input: Input) {
      take(input as Blob);
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

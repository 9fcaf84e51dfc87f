/** A recording: picked, dropped, or made here. */

import type { Source } from "../../api";
import type { AudioInput } from "../../model/inputs/audio";
import { Capture } from "../audio/capture";
import { recordingOf } from "../audio/decode";
import { Level } from "../audio/level";
import { SoundView } from "../audio/sound";
import { words } from "../audio/words";
import { h, sentence } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";

/** How long a recording that is made here may be, in seconds. */
const LONGEST = 60;

export function recording(host: Host, clip?: Float32Array): Panel {
  const { rate } = host.bundle.manifest.model.input as AudioInput;
  const { recording: text } = words();
  let count = 0;
  let shown = clip;
  let capture: Capture | undefined;
  const sound = new SoundView();
  const level = new Level();
  const note = h("p", { class: "muted", attrs: { role: "status" } });
  const invite = h("span", { class: "drop-text" }, icon("audio"), h("strong", {}, text.pick), h("span", { class: "muted" }, text.drop));
  const input = h("input", { class: "over", attrs: { type: "file", accept: "audio/*,.wav,.flac,.ogg,.oga,.mp3,.m4a", "aria-label": text.pick } });
  const another = h("button", { attrs: { hidden: true }, on: { click: () => input.click() } }, icon("audio"), text.another);
  const record = h("button", { on: { click: () => (capture ? capture.close() : void make()) } });
  const actions = h("div", { class: "row spread" }, record, another);
  const zone = h("div", { class: "drop" }, invite, sound.element, input);

  const draw = (samples: Float32Array | undefined): void => {
    shown = samples;
    sound.show(samples, rate);
    invite.hidden = Boolean(samples);
    another.hidden = !samples;
  };
  const label = (): void => {
    record.replaceChildren(icon(capture ? "stop" : "microphone"), capture ? text.stop : text.record);
    level.element.hidden = !capture;
  };
  const ask = async (source: Source): Promise<void> => {
    const key = `recording-${++count}`;
    const answer = await host.ask(source, {});
    if (!answer) return;
    draw(answer.seen[0]!.data as Float32Array);
    host.remember(answer, key, thumbnail(sound.canvas, sound.canvas.width, sound.canvas.height));
  };
  const take = (files: FileList | null | undefined): void => {
    const file = files?.[0];
    draw(undefined);
    if (file) recordingOf(file).then(ask).catch((problem: unknown) => host.fail(problem));
    else host.fail(text.notAudio);
  };
  /** Record until somebody stops it, and ask about it. */
  const make = async (): Promise<void> => {
    const pieces: Float32Array[] = [];
    let length = 0;
    note.textContent = "";
    record.disabled = true;
    try {
      capture = await Capture.open(level.show);
      record.disabled = false;
      label();
      for (let piece = await capture.next(); piece; piece = await capture.next()) {
        pieces.push(piece);
        length += piece.length;
        note.textContent = text.recording(length / capture.rate);
        if (length >= LONGEST * capture.rate) capture.close();
      }
      note.textContent = "";
      const samples = new Float32Array(length);
      pieces.reduce((at, piece) => (samples.set(piece, at), at + piece.length), 0);
      if (length && zone.isConnected) await ask({ kind: "waveform", waveform: { rate: capture.rate, channels: [samples] }, decoded: false });
    } catch (problem) {
      note.textContent = sentence(problem);
    } finally {
      capture = undefined;
      record.disabled = false;
      label();
    }
  };

  input.addEventListener("change", () => {
    if (input.files?.length) take(input.files);
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
    take(event.dataTransfer?.files);
  });

  draw(clip);
  label();
  return {
    element: h("div", { class: "listening" }, zone, level.element, note, actions),
    actions,
    again() {
      const samples = shown;
      return (next) => recording(next, samples);
    },
    example(source: Source) {
      void ask(source);
    },
    forget() {
      draw(undefined);
    },
    hide() {
      capture?.close();
    },
  };
}

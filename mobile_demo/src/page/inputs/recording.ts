/** A recording: picked, dropped, or made here. */

import type { Input } from "edgezoo/input";
import type { Waveform } from "edgezoo/model/audio/recording";
import type { AudioInput } from "edgezoo/model/inputs/audio";
import type { Passage } from "edgezoo/recordings";
import { Capture, joined } from "../audio/capture";
import { recordingOf } from "../audio/decode";
import { HeardList, type Item, offset } from "../audio/heard";
import { Level } from "../audio/level";
import { SoundView } from "../audio/sound";
import { words } from "../audio/words";
import { h, sentence } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";
import { dropZone } from "./drop";

/** How long a recording that is made here may be, in seconds. */
const LONGEST = 60;
/** A recording of more clips than these is listened to, as `zoo predict` does. */
const CLIPS = 2;

export function recording(host: Host, clip?: Float32Array, before: readonly Item[] = []): Panel {
  const { listening, input: spec } = host.bundle.manifest.model;
  const { rate, samples: length } = spec as AudioInput;
  const { recording: text } = words();
  let count = 0;
  let shown = clip;
  let capture: Capture | undefined;
  const sound = new SoundView();
  const level = new Level();
  const heard = new HeardList(before);
  const note = h("p", { class: "muted", attrs: { role: "status" } });
  const zone = dropZone(host, "audio", "audio/*,.wav,.flac,.ogg,.oga,.mp3,.m4a", text, sound.element, (file) => take(file));
  const record = h("button", { on: { click: () => (capture ? capture.close() : void make()) } });
  const actions = h("div", { class: "row spread" }, record, zone.another);

  const draw = (samples: Float32Array | undefined): void => {
    shown = samples;
    sound.show(samples, rate);
    zone.fill(Boolean(samples));
  };
  const label = (): void => {
    record.replaceChildren(icon(capture ? "stop" : "microphone"), capture ? text.stop : text.record);
    level.element.hidden = !capture;
  };
  const ask = async (input: Input): Promise<void> => {
    const mine = ++count;
    tell([]);
    const answer = await host.ask(input, {});
    if (!answer || mine !== count) return;
    draw(answer.seen[0]!.data as Float32Array);
    host.remember(answer, `recording-${mine}`, thumbnail(sound.canvas, sound.canvas.width, sound.canvas.height));
    if (listening) await listen(input, mine).catch((problem: unknown) => mine === count && host.fail(problem));
  };
  const tell = (items: readonly Item[]): void => {
    heard.set(items);
    heard.element.hidden = !items.length;
    note.textContent = items.length ? text.middle(length / rate) : "";
  };
  /** Hear all of a recording, and tell it of a long one. */
  const listen = async (input: Input, mine: number): Promise<void> => {
    const session = host.session();
    const items: Item[] = [];
    const next = (): Promise<Passage | undefined> => session.ask("hearNext", []);
    await session.ask("listenTo", [input]);
    for (let passage = await next(); passage && mine === count; passage = await next()) {
      items.push(...passage.heard.map(({ time, ...word }) => ({ time: offset(time), ...word })));
      if (passage.seconds > (CLIPS * length) / rate) tell(items);
    }
  };
  const take = (file: Blob): void => {
    count++;
    draw(undefined);
    tell([]);
    recordingOf(file).then(ask).catch((problem: unknown) => host.fail(problem));
  };
  /** Record until somebody stops it. */
  const made = async (): Promise<Waveform> => {
    const pieces: Float32Array[] = [];
    let frames = 0;
    const opened = await Capture.open(level.show);
    if (!zone.element.isConnected) opened.close(); // another tab came to the front meanwhile
    capture = opened;
    record.disabled = false;
    label();
    for (let piece = await opened.next(); piece; piece = await opened.next()) {
      pieces.push(piece);
      frames += piece.length;
      note.textContent = text.recording(frames / opened.rate);
      if (frames >= LONGEST * opened.rate) opened.close();
    }
    return { rate: opened.rate, channels: [joined(pieces)] };
  };
  const make = async (): Promise<void> => {
    let waveform: Waveform | undefined;
    note.textContent = "";
    record.disabled = true;
    try {
      waveform = await made();
      note.textContent = "";
    } catch (problem) {
      note.textContent = sentence(problem);
    } finally {
      capture = undefined;
      record.disabled = false;
      label();
    }
    if (waveform?.channels[0]!.length && zone.element.isConnected) await ask(waveform);
  };

  draw(clip);
  tell(before);
  label();
  return {
    element: h("div", { class: "listening" }, zone.element, level.element, note, actions, heard.element),
    actions,
    again() {
      const [samples, { items }] = [shown, heard];
      return (next) => recording(next, samples, items);
    },
    example(input: Input) {
      void ask(input);
    },
    forget() {
      count++;
      draw(undefined);
      tell([]);
    },
    hide() {
      capture?.close();
    },
    close() {
      count++;
      capture?.close();
    },
  };
}

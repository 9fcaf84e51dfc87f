/** The camera, live: a frame is taken when the engine is free, and never waits in a queue. */

import { type Answer } from "../../api";
import { ZooError } from "edgezoo/model/types";
import { headline } from "../answer";
import { h, sentence } from "../dom";
import { thumbnail } from "../history";
import { icon } from "../icons";
import { Overlay } from "../overlay";
import type { Host, Maker, Panel } from "../panel";
import { t } from "../settings";

type Facing = "environment" | "user";

/** How long an answer must hold before it is remembered, in milliseconds. */
const HELD = 1000;
/** How much an answer's time weighs in the running mean. */
const WEIGHT = 0.15;

export function camera(host: Host): Panel {
  return new Camera(host, "environment");
}

class Camera implements Panel {
  readonly element: HTMLElement;
  private readonly video = h("video", { class: "live", attrs: { playsinline: true, "aria-label": t.camera.live, hidden: true } });
  private readonly overlay = new Overlay();
  private readonly meter = h("p", { class: "meter", attrs: { hidden: true } });
  private readonly note = h("p", { class: "muted", attrs: { role: "status" } });
  private readonly toggle: HTMLButtonElement;
  private readonly flip: HTMLButtonElement;
  private readonly idle = h("span", { class: "drop-text" }, icon("camera"));
  private stream: MediaStream | undefined;
  private run = 0;
  private wasHidden = false;

  constructor(
    private readonly host: Host,
    private facing: Facing,
    live = false,
  ) {
    this.video.muted = true;
    this.toggle = h("button", { class: "primary", on: { click: () => (this.stream ? this.stop() : void this.start()) } });
    this.flip = h("button", { attrs: { hidden: true }, on: { click: () => void this.turn() } }, icon("flip"), t.camera.flip);
    this.label();
    this.element = h(
      "div",
      { class: "camera" },
      h("div", { class: "viewfinder" }, this.idle, this.video, this.overlay.element, this.meter),
      h("div", { class: "row spread" }, this.toggle, this.flip),
      this.note,
    );
    document.addEventListener("visibilitychange", this.seen);
    if (live) void this.start();
  }

  again(): Maker {
    const { facing, stream } = this;
    return (host) => new Camera(host, facing, Boolean(stream));
  }

  hide(): void {
    this.wasHidden = false;
    this.stop();
  }

  close(): void {
    this.hide();
    this.overlay.close();
    document.removeEventListener("visibilitychange", this.seen);
  }

  /** A camera that nobody watches is switched off, and on again when they are back. */
  private readonly seen = (): void => {
    if (document.hidden && this.stream) {
      this.stop();
      this.wasHidden = true;
      this.note.textContent = t.camera.paused;
    } else if (!document.hidden && this.wasHidden) {
      this.wasHidden = false;
      void this.start();
    }
  };

  private async start(): Promise<void> {
    const mine = ++this.run;
    this.note.textContent = "";
    this.toggle.disabled = true;
    try {
      const stream = await opened(this.facing);
      if (mine !== this.run) return stop(stream);
      this.stream = stream;
      this.video.srcObject = stream;
      this.video.classList.toggle("mirrored", this.facing === "user");
      await this.video.play();
      this.video.hidden = false;
      this.idle.hidden = true;
      this.meter.hidden = false;
      this.flip.hidden = (await cameras()) < 2;
      void this.loop(mine);
    } catch (problem) {
      if (mine === this.run) this.note.textContent = sentence(problem);
    } finally {
      this.toggle.disabled = false;
      this.label();
    }
  }

  /** Switch the camera off; an answer to what is seen no more goes with it. */
  private stop(): void {
    if (this.stream) this.host.clear();
    this.halt();
  }

  private halt(): void {
    this.run++;
    if (this.stream) stop(this.stream);
    this.stream = undefined;
    this.video.srcObject = null;
    this.overlay.show(undefined);
    this.video.hidden = true;
    this.idle.hidden = false;
    this.meter.hidden = true;
    this.flip.hidden = true;
    this.label();
  }

  private async turn(): Promise<void> {
    this.facing = this.facing === "user" ? "environment" : "user";
    this.stop();
    await this.start();
  }

  private label(): void {
    this.toggle.replaceChildren(icon(this.stream ? "stop" : "play"), this.stream ? t.camera.stop : t.camera.start);
  }

  private async loop(mine: number): Promise<void> {
    let [interval, latency, last] = [0, 0, 0];
    let held = { name: "", since: 0, kept: true };
    while (mine === this.run) {
      await nextFrame(this.video);
      if (mine !== this.run) return;
      const asked = performance.now();
      const answer = await this.host.ask(await frameOf(this.video), { live: true });
      if (mine !== this.run) return;
      if (!answer) return this.halt(); // the reason is shown
      this.overlay.show(answer.prediction, this.facing === "user");
      const now = performance.now();
      latency = mean(latency, now - asked);
      if (last) interval = mean(interval, now - last);
      last = now;
      if (interval) this.meter.textContent = t.camera.fps(1000 / interval, latency);
      held = this.remember(answer, held, now);
    }
  }

  private remember(answer: Answer, held: { name: string; since: number; kept: boolean }, now: number): typeof held {
    const name = headline(answer.prediction);
    if (name !== held.name) return { name, since: now, kept: false };
    if (held.kept || now - held.since < HELD) return held;
    this.host.remember(answer, `camera-${this.run}-${name}`, thumbnail(this.video, this.video.videoWidth, this.video.videoHeight));
    return { ...held, kept: true };
  }
}

async function opened(facing: Facing): Promise<MediaStream> {
  if (!navigator.mediaDevices?.getUserMedia) throw new ZooError(t.camera.insecure);
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { facingMode: { ideal: facing }, width: { ideal: 640 }, height: { ideal: 480 } },
    });
  } catch (problem) {
    const name = problem instanceof DOMException ? problem.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") throw new ZooError(t.camera.denied);
    if (name === "NotFoundError" || name === "OverconstrainedError") throw new ZooError(t.camera.missing);
    if (name === "NotReadableError" || name === "AbortError") throw new ZooError(t.camera.busy);
    throw new ZooError(t.camera.failed(sentence(problem)));
  }
}

async function cameras(): Promise<number> {
  return (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput").length;
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** Wait for a picture that was not seen before. */
function nextFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(() => resolve());
    else requestAnimationFrame(() => resolve());
  });
}

/** The picture without a copy where the browser can. */
async function frameOf(video: HTMLVideoElement): Promise<VideoFrame | ImageBitmap> {
  return "VideoFrame" in globalThis ? new VideoFrame(video) : createImageBitmap(video);
}

function mean(before: number, now: number): number {
  return before ? before + WEIGHT * (now - before) : now;
}

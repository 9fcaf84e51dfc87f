/** The microphone, live: what is heard, and when. */

import type { Answer, Hearing } from "../../api";
import type { AudioInput } from "edgezoo/model/inputs/audio";
import { Capture } from "../audio/capture";
import { HeardList, type Item, clock } from "../audio/heard";
import { Level } from "../audio/level";
import { SoundView } from "../audio/sound";
import { words } from "../audio/words";
import { h, sentence } from "../dom";
import { icon } from "../icons";
import type { Host, Maker, Panel } from "../panel";
import type { Session } from "../session";

/** How long an answer is shown at least, in milliseconds: a streaming network gives fifty a second. */
const PAUSE = 100;

export function microphone(host: Host): Panel {
  return new Microphone(host, []);
}

class Microphone implements Panel {
  readonly element: HTMLElement;
  private readonly level = new Level();
  private readonly sound = new SoundView();
  private readonly heard: HeardList;
  private readonly idle = h("p", { class: "drop-text muted" }, icon("microphone"), words().microphone.idle);
  private readonly rates = h("p", { class: "muted fine" });
  private readonly note = h("p", { class: "muted", attrs: { role: "status" } });
  private readonly toggle = h("button", { class: "primary", on: { click: () => (this.capture ? this.stop() : void this.start()) } });
  private capture: Capture | undefined;
  private wasHidden = false;
  /** Which model hears the stream, and since when, in milliseconds. */
  private session: Session | undefined;
  private began = 0;

  constructor(
    private readonly host: Host,
    heard: readonly Item[],
    live = false,
  ) {
    this.heard = new HeardList(heard);
    const { listening } = host.bundle.manifest.model;
    this.element = h(
      "div",
      { class: "listening" },
      h("div", { class: "viewfinder ear" }, this.idle, this.sound.element),
      this.level.element,
      h("div", { class: "row spread" }, this.toggle),
      this.note,
      this.rates,
      listening ? this.heard.element : "",
    );
    this.label();
    document.addEventListener("visibilitychange", this.seen);
    if (live) void this.start();
  }

  hide(): void {
    this.wasHidden = false;
    this.stop();
  }

  close(): void {
    document.removeEventListener("visibilitychange", this.seen);
    this.stop();
  }

  again(): Maker {
    const [{ items }, live] = [this.heard, Boolean(this.capture)];
    return (host) => new Microphone(host, items, live);
  }

  /** People who look elsewhere should not be listened to; it goes on when they are back. */
  private readonly seen = (): void => {
    if (document.hidden && this.capture) {
      this.stop();
      this.wasHidden = true;
      this.note.textContent = words().microphone.paused;
    } else if (!document.hidden && this.wasHidden) {
      this.wasHidden = false;
      void this.start();
    }
  };

  private get input(): AudioInput {
    return this.host.bundle.manifest.model.input as AudioInput;
  }

  private async start(): Promise<void> {
    this.note.textContent = "";
    this.toggle.disabled = true;
    try {
      const capture = await Capture.open(this.level.show);
      if (!this.element.isConnected) return capture.close();
      this.capture = capture;
      this.rates.textContent = words().microphone.rates(capture.rate, this.input.rate);
      void this.listen(capture);
    } catch (problem) {
      this.note.textContent = sentence(problem);
    } finally {
      this.toggle.disabled = false;
      this.label();
    }
  }

  private stop(): void {
    this.capture?.close();
    this.capture = undefined;
    this.label();
  }

  private label(): void {
    const { microphone } = words();
    const isOn = Boolean(this.capture);
    this.toggle.replaceChildren(icon(isOn ? "stop" : "microphone"), isOn ? microphone.stop : microphone.start);
    this.level.element.hidden = this.rates.hidden = !isOn;
  }

  /** Hear what a microphone gives until it is closed. */
  private async listen(capture: Capture): Promise<void> {
    let shown = 0;
    try {
      for (let samples = await capture.next(); samples; samples = await capture.next()) {
        const answer = await this.hear(samples, capture.rate);
        const now = performance.now();
        if (!answer || capture !== this.capture || now - shown < PAUSE) continue;
        shown = now;
        this.host.show(answer);
        this.sound.show(answer.seen[0]!.data as Float32Array, this.input.rate);
        this.idle.hidden = true;
      }
      if (this.session === this.host.session()) this.add(await this.session.ask("endListening", []));
    } catch (problem) {
      if (capture === this.capture) {
        this.host.fail(problem);
        this.stop();
      }
    }
    this.session = undefined;
    if (capture !== this.capture) return;
    this.stop(); // nobody did
    this.note.textContent = words().microphone.gone;
  }

  /** Let the model that is open now hear samples; another one than before begins a stream of its own. */
  private async hear(samples: Float32Array, rate: number): Promise<Answer | undefined> {
    const session = this.host.session();
    try {
      if (session !== this.session) {
        await session.ask("listen", [rate]);
        this.session = session;
        this.began = Date.now() - (1000 * samples.length) / rate;
      }
      return this.add(await session.ask("hear", [{ rate, channels: [samples] }]));
    } catch (problem) {
      if (session === this.host.session()) throw problem;
      return undefined; // it was closed for another one
    }
  }

  private add({ heard, answer }: Hearing): Answer | undefined {
    this.heard.add(heard.map(({ time, ...word }) => ({ time: clock(new Date(this.began + 1000 * time)), ...word })));
    return answer;
  }
}

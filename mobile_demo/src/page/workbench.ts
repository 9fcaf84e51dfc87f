/** A model at work: what goes in, what comes out, and the proof. */

import type { Answer, Source } from "../api";
import { AnswerCard } from "./answer";
import { type Bundle } from "./catalog";
import { defaultFile } from "./chooser";
import { h, sentence, unique } from "./dom";
import { enginePicker } from "./engine";
import { isDrawable, takesImages } from "./glyph";
import { History } from "./history";
import { icon, type Icon } from "./icons";
import { camera } from "./inputs/camera";
import { draw } from "./inputs/draw";
import { photo } from "./inputs/photo";
import { sequence } from "./inputs/sequence";
import { table } from "./inputs/table";
import { keepGolden, keepLoaded } from "./offline";
import { proof } from "./proof";
import { type DeviceChoice, type Running, Session } from "./session";
import { recall, remember, t } from "./settings";

export type Tab = keyof typeof t.tabs;

/** A way to give the model something. */
export interface Panel {
  readonly element: HTMLElement;
  /** Where its buttons are, if an example's button is to stand beside them. */
  readonly actions?: HTMLElement;
  /** Take an example of the golden pack; panels without one can't show it. */
  example?(source: Source): void;
  /** Another tab comes to the front. */
  hide?(): void;
  /** The model is left. */
  close?(): void;
}

/** What a panel asks of the workbench. */
export interface Host {
  readonly bundle: Bundle;
  session(): Session;
  /**
   * Predict and show the answer; of several that wait only the newest is answered.
   *
   * @returns the answer, or undefined if it failed (the reason is shown) or a newer one came.
   */
  ask(source: Source, options: AskOptions): Promise<Answer | undefined>;
  /** Put an answer that was shown live among the last ones. */
  remember(answer: Answer, key: string, picture: HTMLCanvasElement | Icon): void;
  /** Say what went wrong before anything could be asked. */
  fail(problem: unknown): void;
  clear(): void;
}

export interface AskOptions {
  /** Answers to the same thing replace each other in the history; without a key it is not remembered. */
  readonly key?: string;
  readonly picture?: HTMLCanvasElement | Icon;
  readonly live?: boolean;
}

type Maker = (host: Host) => Panel;

const PANELS: Record<Tab, { icon: Icon; make: Maker; fits: (bundle: Bundle) => boolean }> = {
  draw: { icon: "draw", make: draw, fits: ({ manifest }) => isDrawable(manifest) },
  photo: { icon: "photo", make: photo, fits: ({ manifest }) => takesImages(manifest) },
  camera: { icon: "camera", make: camera, fits: ({ manifest }) => takesImages(manifest) },
  table: { icon: "table", make: table, fits: ({ manifest }) => manifest.model.input.kind === "table" },
  sequence: { icon: "sequence", make: sequence, fits: ({ manifest }) => manifest.model.input.kind === "sequence" && !takesImages(manifest) },
  proof: { icon: "proof", make: proof, fits: () => true },
};

export function isTab(name: string): name is Tab {
  return Object.hasOwn(PANELS, name);
}

export class Workbench implements Host {
  readonly element: HTMLElement;
  private current: Session;
  private readonly answers: AnswerCard;
  private readonly history: History;
  private readonly tabs: Tab[];
  private readonly buttons = new Map<Tab, HTMLButtonElement>();
  private readonly panels = new Map<Tab, { panel: Panel; place: HTMLElement }>();
  private readonly stage = h("div", { class: "panels" });
  private readonly side: HTMLElement;
  private readonly status = h("span", { class: "engine-status" });
  private readonly note = h("p", { class: "fault fine", attrs: { role: "alert", hidden: true } });
  private readonly ids = unique("tab");
  private shown: Tab | undefined;
  private ran: Running | undefined;
  private shot = 0;
  private busy = false;
  private next: (() => void) | undefined;

  constructor(
    readonly bundle: Bundle,
    tab: Tab | undefined,
  ) {
    const { manifest, name } = bundle;
    this.current = this.opened(recall(`file-${name}`) ?? "", "auto");
    this.tabs = (Object.keys(PANELS) as Tab[]).filter((each) => PANELS[each].fits(bundle));
    this.answers = new AnswerCard(() => [manifest.model.name, this.engineText()].join(" · "));
    this.history = new History((answer) => this.answers.show(answer));
    this.side = h("aside", { class: "side" }, this.answers.element, this.history.element);
    const picker = enginePicker(bundle, this.current.file, (file, device) => this.reopen(file, device));
    const engine = h("details", { class: "engine" }, h("summary", {}, this.status), picker, this.note);
    this.element = h(
      "div",
      { class: "bench" },
      h(
        "div",
        { class: "bench-head" },
        h("a", { class: "quiet round button", attrs: { href: "#", "aria-label": t.back, title: t.back } }, icon("back")),
        h("div", { class: "bench-title" }, h("h1", {}, manifest.model.name), h("p", { class: "muted" }, t.tasks[manifest.model.output.task])),
        engine,
      ),
      h("div", { class: "bench-grid" }, h("section", { class: "stage" }, this.tabList(), this.stage), this.side),
    );
    this.start();
    this.select(tab && this.tabs.includes(tab) ? tab : (this.tabs[0] as Tab));
  }

  session(): Session {
    return this.current;
  }

  select(tab: Tab): void {
    if (!this.tabs.includes(tab) || this.shown === tab) return;
    if (this.shown) this.panels.get(this.shown)?.panel.hide?.();
    this.shown = tab;
    for (const [each, button] of this.buttons) {
      button.setAttribute("aria-selected", String(each === tab));
      button.tabIndex = each === tab ? 0 : -1;
    }
    if (!this.panels.has(tab)) {
      const panel = PANELS[tab].make(this);
      const place = h("div", { class: "panel", attrs: { role: "tabpanel", id: `${this.ids}-${tab}-panel`, "aria-labelledby": `${this.ids}-${tab}` } }, panel.element);
      if (panel.example) (panel.actions ?? place).append(this.exampleButton(panel));
      this.panels.set(tab, { panel, place });
    }
    this.stage.replaceChildren(this.panels.get(tab)!.place);
    this.side.hidden = tab === "proof";
    this.element.classList.toggle("wide", tab === "proof");
    window.history.replaceState(null, "", `#${encodeURIComponent(this.bundle.name)}/${tab}`);
  }

  async ask(source: Source, { key, picture = "photo", live = false }: AskOptions): Promise<Answer | undefined> {
    const mine = ++this.shot;
    if (this.busy) {
      this.next?.();
      const newer = await new Promise<boolean>((resolve) => (this.next = () => resolve(this.shot !== mine)));
      if (newer) return close(source);
    }
    const session = this.current;
    this.busy = true;
    this.answers.element.setAttribute("aria-busy", "true");
    try {
      const answer = await session.predict(source);
      if (live && mine !== this.shot) return undefined;
      this.answers.show(answer, live);
      if (!live) reveal(this.answers.element);
      if (key) this.remember(answer, key, picture);
      return answer;
    } catch (problem) {
      if (mine === this.shot && session === this.current) this.answers.fail(sentence(problem));
      return close(source); // it may not have left this page
    } finally {
      this.busy = false;
      this.answers.element.removeAttribute("aria-busy");
      this.next?.();
      this.next = undefined;
    }
  }

  remember(answer: Answer, key: string, picture: HTMLCanvasElement | Icon): void {
    this.history.add({ key, answer, picture, at: new Date() });
  }

  fail(problem: unknown): void {
    this.answers.fail(sentence(problem));
  }

  clear(): void {
    this.shot++;
    this.answers.clear();
  }

  close(): void {
    for (const { panel } of this.panels.values()) (panel.close ?? panel.hide)?.call(panel);
    this.current.close();
  }

  private opened(file: string, device: DeviceChoice): Session {
    const known = this.bundle.playable.some((each) => each.file === file);
    return new Session(this.bundle, known ? file : defaultFile(this.bundle), device);
  }

  private reopen(file: string, device: DeviceChoice): void {
    remember(`file-${this.bundle.name}`, file);
    this.current.close();
    this.current = this.opened(file, device);
    this.clear(); // what is shown, an answer or a fault, was another engine's
    this.start();
    this.panels.delete("proof"); // its figures were another engine's
    if (this.shown === "proof") {
      this.shown = undefined;
      this.select("proof");
    }
  }

  private start(): void {
    const session = this.current;
    this.ran = undefined;
    this.note.hidden = true;
    this.status.textContent = t.engine.opening(session.file);
    session.open().then(
      (opened) => {
        if (session !== this.current) return;
        this.ran = opened;
        this.status.textContent = this.engineText();
        this.note.textContent = opened.fallback && t.engine.fallback(opened.fallback);
        this.note.hidden = !opened.fallback;
        keepLoaded(opened.loaded);
        keepGolden(this.bundle);
      },
      (problem) => {
        if (session !== this.current) return;
        this.status.textContent = session.file;
        this.answers.fail(sentence(problem));
      },
    );
  }

  private engineText(): string {
    const { precision } = this.bundle.playable.find(({ file }) => file === this.current.file)!;
    if (!this.ran) return this.current.file;
    const { version, device, threads } = this.ran;
    return [version, precision, device === "wasm" ? "WASM" : "WebGPU", device === "wasm" && t.engine.threads(threads)].filter(Boolean).join(" · ");
  }

  private tabList(): HTMLElement {
    const list = h("div", { class: "tabs", attrs: { role: "tablist", "aria-label": this.bundle.manifest.model.name } });
    for (const tab of this.tabs) {
      const button = h(
        "button",
        { class: "tab", attrs: { role: "tab", id: `${this.ids}-${tab}`, "aria-controls": `${this.ids}-${tab}-panel` }, on: { click: () => this.select(tab) } },
        icon(PANELS[tab].icon),
        h("span", {}, t.tabs[tab]),
      );
      this.buttons.set(tab, button);
      list.append(button);
    }
    list.addEventListener("keydown", (event) => this.step(event));
    return list;
  }

  /** Arrow keys move among tabs. */
  private step(event: KeyboardEvent): void {
    const at = this.tabs.indexOf(this.shown as Tab);
    const places: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.tabs.length - 1 };
    const to = places[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = this.tabs[(to + this.tabs.length) % this.tabs.length] as Tab;
    this.select(tab);
    this.buttons.get(tab)?.focus();
  }

  private exampleButton(panel: Panel): HTMLElement {
    let turn = 0;
    const label = h("span", {}, t.example);
    const show = async (): Promise<void> => {
      try {
        const examples = await this.current.examples();
        panel.example?.(examples[turn++ % examples.length] as Source);
        label.textContent = t.anotherExample;
      } catch (problem) {
        this.fail(problem);
      }
    };
    return h("button", { class: "example", on: { click: () => void show() } }, icon("example"), label);
  }
}

/** Bring an answer that is below the edge of the screen into view. */
function reveal(element: HTMLElement): void {
  if (element.getBoundingClientRect().top > window.innerHeight - 200) element.scrollIntoView({ block: "center" });
}

function close(source: Source): undefined {
  if (source.kind === "frame") source.frame.close();
  return undefined;
}


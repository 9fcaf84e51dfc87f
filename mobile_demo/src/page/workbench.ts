/** A model at work: what goes in, what comes out, and the proof. */

import { type Answer, isFrame } from "../api";
import type { Input } from "edgezoo/input";
import type { Thresholds } from "edgezoo/model/tasks/detection";
import { AnswerCard, type Said } from "./answer";
import { type Bundle, goldenOf } from "./catalog";
import { defaultFile } from "./chooser";
import { purpose } from "./describe";
import { h, sentence, unique } from "./dom";
import { enginePicker } from "./engine";
import { isDrawable, takesImages } from "./glyph";
import { History } from "./history";
import { icon, type Icon } from "./icons";
import { keepGolden, keepLoaded } from "./offline";
import type { AskOptions, Host, Maker, Panel, PanelKind } from "./panel";
import { type DeviceChoice, type Running, Session } from "./session";
import { recall, remember, t } from "./settings";
import { thresholdFields } from "./thresholds";

export type Tab = keyof typeof t.tabs;

type Panels = Partial<Record<Tab, PanelKind>>;

const PROOF: PanelKind = { icon: "proof", make: proof };

/** Return the panel of the proof, which is fetched when it is first shown. */
function proof(host: Host): Panel {
  const element = h("div", { attrs: { "aria-busy": "true" } });
  let loaded: Panel | undefined;
  void import("./proof").then(({ proof: make }) => {
    loaded = make(host);
    element.replaceWith(loaded.element);
  });
  return { element, again: () => loaded?.again?.() ?? proof };
}

/** Fetch the panels that a bundle's kind of input needs. */
async function panelsOf({ manifest }: Bundle): Promise<Panels> {
  const { kind } = manifest.model.input;
  if (kind === "audio") return (await import("./listening")).LISTENING;
  if (kind === "image" || takesImages(manifest)) {
    const [drawing, { PICTURES }] = await Promise.all([isDrawable(manifest) ? import("./drawing") : undefined, import("./pictures")]);
    return { ...drawing?.DRAWING, ...PICTURES };
  }
  return { [kind]: (await import("./numbers")).NUMBERS[kind] };
}

export function isTab(name: string): name is Tab {
  return Object.hasOwn(t.tabs, name);
}

export class Workbench implements Host {
  readonly element = h("div", { class: "bench" });
  private current: Session;
  private answers!: AnswerCard;
  private history = new History(() => undefined);
  private readonly tabs: Tab[];
  private readonly buttons = new Map<Tab, HTMLButtonElement>();
  private readonly panels = new Map<Tab, { panel: Panel; element: HTMLElement }>();
  /** Makers of the panels that held something when the language changed. */
  private readonly makers = new Map<Tab, Maker>();
  /** What each tab was answered last. */
  private readonly said = new Map<Tab, Said>();
  /** Why the model can't be opened. */
  private fault: string | undefined;
  private stage!: HTMLElement;
  private side!: HTMLElement;
  private readonly status = h("span", { class: "engine-status" });
  private readonly note = h("p", { class: "fault fine", attrs: { role: "alert", hidden: true } });
  private readonly ids = unique("tab");
  private shown: Tab | undefined;
  /** A detector's, where a person chose others than the manifest's. */
  private thresholds: Thresholds | undefined;
  private ran: Running | undefined;
  /** The newest question of each tab; an answer to an older one comes too late. */
  private readonly asked = new Map<Tab, number>();
  private shot = 0;
  private busy = false;
  private next: (() => void) | undefined;

  /** Open a bundle; what only models of some kinds need is fetched first. */
  static async open(bundle: Bundle, tab: Tab | undefined): Promise<Workbench> {
    return new Workbench(bundle, tab, { ...(await panelsOf(bundle)), proof: PROOF });
  }

  private constructor(
    readonly bundle: Bundle,
    tab: Tab | undefined,
    private readonly kinds: Panels,
  ) {
    this.current = this.opened(recall(`file-${bundle.name}`) ?? "", "auto");
    this.tabs = Object.keys(kinds) as Tab[];
    this.build();
    this.start();
    this.select(tab && this.tabs.includes(tab) ? tab : (this.tabs[0] as Tab));
  }

  /** Say all in the language that is in use now; what was given and answered stays. */
  translate(): void {
    const tab = this.shown as Tab;
    for (const [each, { panel }] of this.panels) {
      const maker = panel.again?.();
      if (maker) this.makers.set(each, maker);
      (panel.close ?? panel.hide)?.call(panel);
    }
    this.panels.clear();
    this.shown = undefined;
    this.build();
    this.describe();
    this.select(tab);
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
      const panel = (this.makers.get(tab) ?? this.kinds[tab]!.make)(this);
      const element = h("div", { class: "panel", attrs: { role: "tabpanel", id: `${this.ids}-${tab}-panel`, "aria-labelledby": `${this.ids}-${tab}` } }, panel.element);
      if (panel.example && goldenOf(this.bundle)) (panel.actions ?? element).append(this.exampleButton(panel));
      this.panels.set(tab, { panel, element });
    }
    this.stage.replaceChildren(this.panels.get(tab)!.element);
    this.side.hidden = tab === "proof";
    this.answers.show(this.said.get(tab) ?? this.fault);
    this.element.classList.toggle("wide", tab === "proof");
    window.history.replaceState(null, "", `#${encodeURIComponent(this.bundle.name)}/${tab}`);
  }

  async ask(input: Input, { key, picture = "photo", live = false }: AskOptions): Promise<Answer | undefined> {
    const tab = this.shown as Tab;
    const mine = ++this.shot;
    this.asked.set(tab, mine);
    if (this.busy) {
      this.next?.();
      const newer = await new Promise<boolean>((resolve) => (this.next = () => resolve(this.shot !== mine)));
      if (newer) return close(input);
    }
    const session = this.current;
    this.busy = true;
    this.answers.element.setAttribute("aria-busy", "true");
    try {
      const answer = await session.predict(input, this.thresholds);
      if (this.asked.get(tab) !== mine) return undefined;
      this.tell(tab, answer, live);
      if (key) this.remember(answer, key, picture);
      return answer;
    } catch (problem) {
      if (this.asked.get(tab) === mine && session === this.current) this.tell(tab, sentence(problem));
      return close(input); // it may not have left this page
    } finally {
      this.busy = false;
      this.answers.element.removeAttribute("aria-busy");
      this.next?.();
      this.next = undefined;
    }
  }

  show(answer: Answer): void {
    this.tell(this.shown as Tab, answer, true);
  }

  remember(answer: Answer, key: string, picture: HTMLCanvasElement | Icon): void {
    this.history.add({ key, answer, picture, at: new Date() });
  }

  fail(problem: unknown): void {
    this.tell(this.shown as Tab, sentence(problem));
  }

  clear(): void {
    const tab = this.shown as Tab;
    this.asked.delete(tab);
    this.tell(tab, undefined);
  }

  close(): void {
    for (const { panel } of this.panels.values()) (panel.close ?? panel.hide)?.call(panel);
    this.answers.close();
    this.current.close();
  }

  private build(): void {
    const { bundle } = this;
    const { name, input } = bundle.manifest.model;
    this.answers?.close();
    this.answers = new AnswerCard(() => [name, this.engineText()].join(" · "), input.kind === "sequence" ? input.features : []);
    this.history = new History((answer) => this.tell(this.shown as Tab, answer), this.history.items);
    this.stage = h("div", { class: "panels" });
    this.side = h("aside", { class: "side" }, this.answers.element, this.thresholdCard(), this.history.element);
    const picker = enginePicker(bundle, this.current, (file, device) => this.reopen(file, device));
    this.element.replaceChildren(
      h(
        "div",
        { class: "bench-head" },
        h("a", { class: "quiet round button", attrs: { href: "#", "aria-label": t.back, title: t.back } }, icon("back")),
        h("div", { class: "bench-title" }, h("h1", {}, name), h("p", { class: "muted" }, purpose(bundle.manifest))),
        h("details", { class: "engine" }, h("summary", {}, this.status), picker, this.note),
      ),
      h("div", { class: "bench-grid" }, h("section", { class: "stage" }, h("div", { class: "dock" }, this.answers.peek, this.tabList()), this.stage), this.side),
    );
  }

  private thresholdCard(): HTMLElement | "" {
    const { output } = this.bundle.manifest.model;
    if (output.task !== "detection") return "";
    return thresholdFields(output, this.thresholds, (chosen) => {
      this.thresholds = chosen;
      this.panels.get(this.shown as Tab)?.panel.refresh?.();
    });
  }

  private tell(tab: Tab, said: Said | undefined, live = false): void {
    if (said === undefined) this.said.delete(tab);
    else this.said.set(tab, said);
    if (tab === this.shown) this.answers.show(said ?? this.fault, live);
  }

  private opened(file: string, device: DeviceChoice): Session {
    const known = this.bundle.playable.some((each) => each.file === file);
    return new Session(this.bundle, known ? file : defaultFile(this.bundle), device);
  }

  private reopen(file: string, device: DeviceChoice): void {
    remember(`file-${this.bundle.name}`, file);
    this.current.close();
    this.current = this.opened(file, device);
    this.said.clear(); // answers and faults were another engine's
    this.asked.clear();
    for (const { panel } of this.panels.values()) panel.forget?.();
    this.start();
    this.answers.show(undefined);
    for (const held of [this.panels, this.makers]) held.delete("proof"); // its figures were another engine's
    if (this.shown === "proof") {
      this.shown = undefined;
      this.select("proof");
    }
  }

  private start(): void {
    const session = this.current;
    this.ran = undefined;
    this.fault = undefined;
    this.describe();
    session.open().then(
      (opened) => {
        if (session !== this.current) return;
        this.ran = opened;
        this.describe();
        keepLoaded(opened.loaded);
        keepGolden(this.bundle);
      },
      (problem) => {
        if (session !== this.current) return;
        this.fault = sentence(problem);
        this.describe();
        this.answers.show(this.fault);
      },
    );
  }

  /** Say which engine runs, or why none does. */
  private describe(): void {
    const fallback = this.ran?.fallback;
    this.status.textContent = this.ran ? this.engineText() : this.fault ? this.current.file : t.engine.opening(this.current.file);
    this.note.textContent = fallback ? t.engine.fallback(fallback) : "";
    this.note.hidden = !fallback;
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
        icon(this.kinds[tab]!.icon),
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
    const indices: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.tabs.length - 1 };
    const to = indices[event.key];
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
        panel.example?.(examples[turn++ % examples.length] as Input);
        label.textContent = t.anotherExample;
      } catch (problem) {
        this.fail(problem);
      }
    };
    return h("button", { class: "example", on: { click: () => void show() } }, icon("example"), label);
  }
}

function close(input: Input): undefined {
  if (isFrame(input)) input.close();
  return undefined;
}


/** The page: one view at a time, chosen by the address after the #. */

import "./style.css";
import { accuracyOf, BASE, type Broken, type Bundle, catalog } from "./catalog";
import { chooser } from "./chooser";
import { h, sentence } from "./dom";
import { icon } from "./icons";
import { keepLoaded, listenForUpdates } from "./offline";
import { otherLanguage, paint, remember, speak, start, t, THEMES, type Theme, theme } from "./settings";
import { toast } from "./toast";
import { isTab, Workbench } from "./workbench";

const app = document.getElementById("app") as HTMLElement;
let bundles: Promise<(Bundle | Broken)[]> | undefined;
let bench: Workbench | undefined;
let turn = 0;

window.addEventListener("hashchange", () => void show());
window.addEventListener("error", ({ message }) => toast(t.app.crash(message)));
window.addEventListener("unhandledrejection", ({ reason }) => toast(t.app.crash(sentence(reason))));
void start().then(() => show(true));
listenForUpdates();
keepLoaded([new URL("bundles/index.json", BASE).href]);

async function show(fresh = false): Promise<void> {
  const mine = ++turn;
  const [name = "", tab = ""] = decodeURIComponent(location.hash.slice(1)).split("/");
  if (!fresh && bench?.bundle.name === name) return isTab(tab) ? bench.select(tab) : undefined;
  bench?.close();
  bench = undefined;
  bundles ??= catalog();
  const content = main(h("p", { class: "muted" }, t.loading));
  content.setAttribute("aria-busy", "true");
  render(content);
  const fill = (...children: Node[]): void => {
    content.replaceChildren(...children);
    content.removeAttribute("aria-busy");
  };
  try {
    const all = await bundles;
    if (mine !== turn) return;
    const bundle = all.find((each): each is Bundle => each.name === name && "manifest" in each);
    document.title = bundle ? `${bundle.manifest.model.name} · ${t.name}` : t.name;
    if (bundle) {
      const opened = await Workbench.open(bundle, isTab(tab) ? tab : undefined);
      if (mine !== turn) return opened.close();
      bench = opened;
      fill(bench.element);
    } else fill(chooser(all, accuracyOf));
  } catch (problem) {
    bundles = undefined;
    if (mine !== turn) return;
    const again = h("button", { class: "primary", on: { click: () => void show(true) } }, t.retry);
    fill(h("div", { class: "empty card" }, h("p", { attrs: { role: "alert" } }, t.noList(sentence(problem))), again));
  }
  if (!fresh) content.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

/** Put a view under a header of the language in use. */
function render(content: HTMLElement): void {
  const skip = h("a", { class: "skip", attrs: { href: "#content" }, on: { click: (event) => (event.preventDefault(), content.focus()) } }, t.skip);
  const home = h("a", { class: "brand", attrs: { href: "#" } }, h("img", { attrs: { src: "favicon.svg", alt: "", width: 28, height: 28 } }), t.name);
  const language = h("button", { class: "quiet language", attrs: { lang: otherLanguage(), title: t.languageLabel }, on: { click: () => void translate() } }, t.language);
  app.replaceChildren(skip, h("header", { class: "top" }, home, h("div", { class: "row" }, language, themeButton())), content);
}

function main(view: HTMLElement): HTMLElement {
  return h("main", { class: "content", attrs: { id: "content", tabindex: -1 } }, view);
}

function themeButton(): HTMLElement {
  const icons = { auto: "contrast", light: "sun", dark: "moon" } as const;
  const button = h("button", { class: "quiet round" });
  const draw = (chosen: Theme): void => {
    button.replaceChildren(icon(icons[chosen]));
    button.setAttribute("aria-label", `${t.theme.label}: ${t.theme[chosen]}`);
    button.title = `${t.theme.label}: ${t.theme[chosen]}`;
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] as Theme;
    remember("theme", next);
    paint(next);
    draw(next);
  });
  draw(theme());
  return button;
}

async function translate(): Promise<void> {
  const next = otherLanguage();
  await speak(next);
  remember("language", next);
  if (bench) {
    bench.translate();
    render(main(bench.element));
  } else void show(true);
  app.querySelector<HTMLElement>(".language")?.focus();
}

/** Language and theme: the device's own, unless a person chose. */

import { en, type Texts } from "./texts/en";

export type Language = "en" | "ko";
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const TEXTS: Record<Language, () => Promise<Texts>> = {
  en: async () => en,
  ko: async () => (await import("./texts/ko")).ko,
};

/** The texts of the language in use. */
export let t: Texts = en;

export async function start(): Promise<void> {
  paint(theme());
  const spoken = recall("language") ?? (navigator.languages.find((each) => /^(en|ko)\b/.test(each)) ?? "en").slice(0, 2);
  await speak(spoken === "ko" ? "ko" : "en").catch(() => speak("en"));
}

/** Use a language from now on; its texts are fetched when they are first needed. */
export async function speak(language: Language): Promise<void> {
  t = await TEXTS[language]();
  document.documentElement.lang = language;
}

export function otherLanguage(): Language {
  return t.locale === "en" ? "ko" : "en";
}

export function theme(): Theme {
  const chosen = recall("theme");
  return THEMES.find((each) => each === chosen) ?? "auto";
}

export function paint(chosen: Theme): void {
  document.documentElement.dataset.theme = chosen;
}

/** Private windows may refuse storage; then a choice lasts as long as the page. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`edgezoo-${key}`, value);
  } catch {
    // nothing depends on it
  }
}

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`edgezoo-${key}`);
  } catch {
    return null;
  }
}

/** A number as people read it: four figures of it, in the language's own way. */
export function figure(value: number): string {
  return t.number(value, Math.max(0, Math.min(6, 4 - Math.ceil(Math.log10(Math.abs(value) + 1e-12)))));
}

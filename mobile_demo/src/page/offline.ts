/** The service worker's side of the page: installing, and a note when a new version waits. */

import { load } from "../store";
import { BASE, type Bundle, goldenOf } from "./catalog";
import { t } from "./settings";
import { toast } from "./toast";

export function listenForUpdates(): void {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  let reloading = false;
  const first = !serviceWorker.controller;
  serviceWorker.addEventListener("controllerchange", () => {
    if (first || reloading) return;
    reloading = true;
    location.reload();
  });
  serviceWorker.addEventListener("message", ({ data }: MessageEvent<{ fault?: string }>) => {
    if (data.fault) toast(t.app.noOffline(data.fault));
  });
  window.addEventListener("load", () => void register(first), { once: true });
  if (document.readyState === "complete") void register(first);
}

/**
 * Have the service worker keep what the page loaded, perhaps before it was there: what passes through it stays.
 */
export function keepLoaded(urls: readonly string[]): void {
  void controlled().then(async () => {
    for (const url of urls) await (await fetch(url)).arrayBuffer();
  }).catch(() => undefined); // the app works; it was only for later
}

/** Examples and self-test work offline too, once a model was opened. */
export function keepGolden(bundle: Bundle): void {
  const golden = goldenOf(bundle);
  if (golden) load(BASE, golden).catch(() => undefined); // whoever asks for it is told
}

function controlled(): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return Promise.reject(new Error("no service worker"));
  if (serviceWorker.controller) return Promise.resolve();
  return new Promise((resolve) => serviceWorker.addEventListener("controllerchange", () => resolve(), { once: true }));
}

async function register(first: boolean): Promise<void> {
  try {
    const registration = await navigator.serviceWorker.register("sw.js", { updateViaCache: "none" });
    if (registration.waiting && registration.active) offer(registration.waiting);
    registration.addEventListener("updatefound", () => {
      const coming = registration.installing;
      coming?.addEventListener("statechange", () => {
        if (coming.state !== "installed") return;
        if (registration.active) offer(coming);
        else if (first) toast(t.app.offlineReady);
      });
    });
  } catch (problem) {
    // an insecure page or a private window; the app works, only not offline
    console.info("no service worker:", problem);
  }
}

function offer(waiting: ServiceWorker): void {
  toast(t.app.update, { label: t.app.reload, run: () => waiting.postMessage("activate") });
}

/**
 * The service worker: the app's files, kept on the device and checked, so that it opens without a connection.
 *
 * One version is one cache. A new version is fetched whole beside the old one (what did not change is copied) and
 * waits until no page uses the old one, or a person asks for it; so files of two versions never meet. The engines are
 * large and not everybody needs each: they are kept when they are first used.
 */

const scope = self as unknown as ServiceWorkerGlobalScope;

/** Put here by the build: the version that this file belongs to. */
const VERSION = "__APP_VERSION__";
const PREFIX = "edgezoo-app-";
const LISTS = "edgezoo-lists";
const ENGINES = "engines/";

interface App {
  readonly version: string;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly size: number }>>;
}

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("message", ({ data }) => {
  if (data === "activate") void scope.skipWaiting();
});
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method === "GET" && url.origin === location.origin && url.href.startsWith(scope.registration.scope)) {
    event.respondWith(answer(request, pathOf(url)));
  }
});

async function install(): Promise<void> {
  try {
    const response = await fetch(address("app.json"), { cache: "no-cache" });
    const text = await response.text();
    const app = JSON.parse(text) as App;
    if (app.version !== VERSION) throw new Error("the server is being updated; open the app again in a minute");
    const cache = await caches.open(PREFIX + VERSION);
    const older = await Promise.all((await olderVersions()).map((name) => caches.open(name)));
    for (const [path, { sha256, size }] of Object.entries(app.files)) {
      const kept = await cachedResponse(older, path);
      if (path.startsWith(ENGINES) && !kept) continue;
      const same = kept && (await hash(kept.clone())) === sha256;
      await cache.put(address(path), same ? kept : await fetchChecked(path, sha256, size));
    }
    await cache.put(address("app.json"), new Response(text, { headers: { "Content-Type": "application/json" } }));
  } catch (problem) {
    await caches.delete(PREFIX + VERSION);
    const fault = problem instanceof Error ? problem.message : String(problem);
    for (const client of await scope.clients.matchAll({ includeUncontrolled: true })) client.postMessage({ fault });
    throw problem;
  }
}

async function activate(): Promise<void> {
  for (const name of await olderVersions()) await caches.delete(name);
  await scope.clients.claim();
}

async function olderVersions(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION);
}

async function answer(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(PREFIX + VERSION);
  const kept = await cache.match(address(path));
  if (kept) return isolated(kept);
  if (path === "bundles/index.json") return isolated(await newest(request));
  const listing = path.startsWith(ENGINES) ? await cache.match(address("app.json")) : undefined;
  const wanted = listing && ((await listing.json()) as App).files[path];
  if (!wanted) return isolated(await fetch(request));
  try {
    const response = await fetchChecked(path, wanted.sha256, wanted.size);
    // keeping is a service: a full disk must not stop the engine
    await cache.put(address(path), response.clone()).catch(() => undefined);
    return isolated(response);
  } catch (problem) {
    return new Response(problem instanceof Error ? problem.message : String(problem), { status: 504 });
  }
}

/** The list of bundles as the server has it, or as it was when there was a connection. */
async function newest(request: Request): Promise<Response> {
  const cache = await caches.open(LISTS);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request.url, response.clone()).catch(() => undefined);
    return response;
  } catch (problem) {
    const kept = await cache.match(request.url);
    if (kept) return kept;
    throw problem;
  }
}

/** Fetch a file of the app and check it before anybody gets it. */
async function fetchChecked(path: string, sha256: string, size: number): Promise<Response> {
  const response = await fetch(address(path), { cache: "no-cache" }).catch(() => {
    throw new Error(`${path}: no connection, and it is not kept on this device`);
  });
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`);
  const bytes = await response.clone().arrayBuffer();
  if (bytes.byteLength !== size || (await hash(response.clone())) !== sha256) {
    throw new Error(`${path}: the file is not the one of this version (${bytes.byteLength} bytes, expected ${size})`);
  }
  return response;
}

async function cachedResponse(older: readonly Cache[], path: string): Promise<Response | undefined> {
  for (const cache of older) {
    const kept = await cache.match(address(path));
    if (kept) return kept;
  }
  return undefined;
}

async function hash(response: Response): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Pages get threads only if these headers say that they share memory with nobody; plain hosts don't send them. */
function isolated(response: Response): Response {
  if (response.type === "opaque" || response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

function pathOf(url: URL): string {
  return url.href.slice(scope.registration.scope.length).replace(/[?#].*$/, "") || "index.html";
}

function address(path: string): string {
  return new URL(path, scope.registration.scope).href;
}

export {};

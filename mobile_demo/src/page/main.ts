import { Remote } from "../rpc";
(globalThis as any).go = async (url: string, f: string, threads: number, device: string, shape: number[]) => {
  const r = new Remote(new Worker(new URL("../worker.ts", import.meta.url), { type: "module" }));
  try { return [await r.call("open", [url, f, threads, device]), await r.call("run", [shape])]; } catch (e) { return String(e); }
};

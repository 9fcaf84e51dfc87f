import { serve } from "./rpc";
import type { Engine } from "./model/types";
const ENGINES = { tflite: () => import("./engines/litert"), onnx: () => import("./engines/onnxruntime") };
let e: Engine;
serve({
  async open(url: string, f: "tflite"|"onnx", threads: number, device: "wasm"|"webgpu") {
    const t0 = performance.now();
    const b = new Uint8Array(await (await fetch(url)).arrayBuffer());
    e = await (await ENGINES[f]()).open(b, { device, threads, assets: new URL(`/engines/${f === "onnx" ? "onnxruntime" : "litert"}/`, location.href).href, input: "image", output: "logits" });
    return [e.version, e.device, e.threads, performance.now()-t0];
  },
  async run(shape: number[]) {
    const data = new Uint8Array(shape.reduce((a, b) => a * b));
    const ts = [];
    let o;
    for (let i = 0; i < 20; i++) { const t = performance.now(); o = await e.run({ dtype: "uint8", shape, data }); ts.push(performance.now() - t); }
    return [o, ts.sort((a,b)=>a-b)[10], self.crossOriginIsolated];
  },
});

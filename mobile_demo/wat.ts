import { readFileSync } from "node:fs";
import type { Plugin } from "vite";
import wabt from "wabt";

/** Assemble WebAssembly text where a module imports it. */
export function wat(): Plugin {
  return {
    name: "edgezoo-wat",
    async load(id) {
      if (!id.endsWith(".wat")) return;
      const { parseWat } = await wabt();
      const { buffer } = parseWat(id, readFileSync(id, "utf8"), { simd: true }).toBinary({});
      return `export default Uint8Array.from(atob("${Buffer.from(buffer).toString("base64")}"), (each) => each.charCodeAt(0));`;
    },
  };
}

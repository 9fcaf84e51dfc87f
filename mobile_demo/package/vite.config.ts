import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { wat } from "../wat.ts";

const root = import.meta.dirname;
const modules = join(root, "../node_modules");
const litert = JSON.parse(readFileSync(join(modules, "@litertjs/core/package.json"), "utf8")) as { version: string };

/** Write the types beside the scripts, with imports as `tsc` resolves them in Node: relative ones end in `.js`. */
function declarations(): Plugin {
  return {
    name: "edgezoo-declarations",
    closeBundle() {
      execFileSync(process.execPath, [join(modules, "typescript/bin/tsc"), "-p", join(root, "tsconfig.json")], { stdio: "inherit" });
      const types = join(root, "dist/types");
      for (const path of readdirSync(types, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".d.ts"))) {
        const file = join(types, path);
        const text = readFileSync(file, "utf8").replace(/((?:from |import\()")(\.[^"]+)"/g, (_, start, name) => `${start}${resolved(file, name)}.js"`);
        writeFileSync(file, text);
      }
      copyFileSync(join(root, "../../LICENSE"), join(root, "dist/LICENSE"));
    },
  };
}

/** Return a relative import of a folder as that of its index. */
function resolved(file: string, name: string): string {
  const isFolder = readdirSync(join(file, "..", name, ".."), { withFileTypes: true }).some((each) => each.isDirectory() && each.name === name.split("/").at(-1));
  return isFolder ? `${name}/index` : name;
}

export default defineConfig({
  root,
  define: { __LITERT_VERSION__: JSON.stringify(litert.version) },
  build: {
    target: "es2022",
    lib: { entry: { index: join(root, "src/index.ts"), node: join(root, "src/node.ts") }, formats: ["es"] },
    rollupOptions: { external: [/^onnxruntime-/, /^@litertjs\//, "sharp", /^node:/], output: { chunkFileNames: "[name].js" } },
  },
  plugins: [wat(), declarations()],
});

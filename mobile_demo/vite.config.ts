import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { defaultClientConditions, defineConfig, type Plugin } from "vite";
import { wat } from "./wat.ts";

const root = import.meta.dirname;
const modules = join(root, "node_modules");
const litert = JSON.parse(readFileSync(join(modules, "@litertjs/core/package.json"), "utf8")) as { version: string };

/** The engines' files that the app uses: for each folder where they lie, and which. */
const ENGINES = {
  litert: { from: "@litertjs/core/wasm", files: ["litert_wasm_internal", "litert_wasm_threaded_internal", "litert_wasm_compat_internal"].flatMap((name) => [`${name}.js`, `${name}.wasm`]) },
  onnxruntime: { from: "onnxruntime-web/dist", files: ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"].flatMap((name) => [`${name}.mjs`, `${name}.wasm`]) },
};

/** The checks of `model/schema.ts`: those that nobody uses are left out of the worker, where no manifest is checked. */
const CHECKS = ["simple", "literal", "nullable", "list", "table", "optional", "record", "tagged", "where"];

/** Copy the engines into the built app, and list all its files with their hashes in app.json. */
function site(): Plugin {
  let dist = "";
  return {
    name: "edgezoo-site",
    apply: "build",
    configResolved({ build }) {
      dist = resolve(root, build.outDir);
    },
    closeBundle() {
      for (const [name, { from, files }] of Object.entries(ENGINES)) {
        const folder = join(dist, "engines", name);
        mkdirSync(folder, { recursive: true });
        for (const file of files) {
          if (name === "litert" && file.endsWith(".js")) {
            // a worker imports it as a module, whose variables nobody else would see
            const script = readFileSync(join(modules, from, file), "utf8");
            writeFileSync(join(folder, file), `${script}\nglobalThis.ModuleFactory = ModuleFactory;\n`);
          } else copyFileSync(join(modules, from, file), join(folder, file));
        }
      }
      const worker = readFileSync(join(dist, "sw.js"), "utf8");
      const app = listing(dist, worker);
      writeFileSync(join(dist, "sw.js"), worker.replace("__APP_VERSION__", app.version));
      writeFileSync(join(dist, "app.json"), JSON.stringify(app, null, 1));
    },
  };
}

/** Let `import()` be the browser's own: Vite's around it loads style sheets and preloads, of which there are none. */
function plainImports(): Plugin {
  return {
    name: "edgezoo-plain-imports",
    enforce: "pre",
    load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : undefined),
  };
}

function listing(dist: string, worker: string): { version: string; files: object } {
  const paths = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(dist, path)).isFile() && path !== "app.json" && path !== "sw.js")
    .map((path) => path.split(sep).join("/"))
    .sort();
  const files = Object.fromEntries(
    paths.map((path) => {
      const content = readFileSync(join(dist, path));
      return [path, { sha256: createHash("sha256").update(content).digest("hex"), size: content.length }];
    }),
  );
  const version = createHash("sha256").update(JSON.stringify(files)).update(worker).digest("hex");
  return { version, files };
}

export default defineConfig({
  base: "./",
  define: { __LITERT_VERSION__: JSON.stringify(litert.version) },
  // onnxruntime-web's build that takes its WASM from a folder, instead of one with the loader inside
  resolve: {
    alias: { edgezoo: join(root, "package/src") },
    conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions],
  },
  worker: { format: "es", plugins: () => [wat()], rolldownOptions: { treeshake: { manualPureFunctions: CHECKS } } },
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: join(root, "index.html"), sw: join(root, "src/sw.ts") },
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  plugins: [plainImports(), wat(), site()],
});

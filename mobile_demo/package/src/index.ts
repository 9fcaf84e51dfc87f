/** edgezoo in a page or a worker. */

import { browser } from "./browser";
import { openFiles } from "./files";
import { loader } from "./load";

export * from "./public";

const engines = { onnxruntime: () => import("./engines/onnxruntime"), litert: () => import("./engines/litert_anywhere") };

export const load = loader({ ...browser, engines }, openFiles);

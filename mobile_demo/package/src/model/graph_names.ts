/** The inputs of a graph, and what a file's graph calls them, apart from the checks of manifests: the worker makes none. */

import { features } from "./inputs/table";
import type { Input, Manifest } from "./manifest";
import { outputTensors } from "./tasks";
import { type TensorSpec, oneTensor } from "./tensors";

/** Return what a file's graph calls its inputs and outputs, in the manifest's order. */
export function namesOf({ model, models }: Manifest, file: string): { readonly inputs: readonly string[]; readonly outputs: readonly string[] } {
  const feed = models[file]?.spec.feed;
  const [inputs, outputs] = [inputTensors(model.input), outputTensors(model.output)].map((tensors) => tensors.map(({ name }) => name));
  return { inputs: feed ? [feed.input] : inputs!, outputs: feed?.output ? [feed.output] : outputs! };
}

/** Return the graph's inputs. */
export function inputTensors(input: Input): readonly TensorSpec[] {
  switch (input.kind) {
    case "image":
      return [oneTensor(input.name, input.shape, "uint8")];
    case "table":
      return [oneTensor(input.name, [features(input)])];
    case "sequence":
      return [oneTensor(input.name, [null, input.features.length])];
    case "tensors":
      return input.tensors;
    case "audio":
      return [oneTensor(input.name, [input.samples])];
  }
}

/**
 * The tensors of a model as the graph of a file has them: in other types, as integers, without a batch axis.
 *
 * The twin of Python's `runtime/graph_tensors.py`.
 */

import { fromHalf, toHalf } from "./half";
import type { FileSpec } from "./manifest";
import { toInteger, toValues } from "./quantization";
import { type GraphType, type TensorSpec, converted, described, fits, typed } from "./tensors";
import { type Numbers, type Tensor, type Values, ZooError } from "./types";

/**
 * Return a sample's tensor as the graph takes it, a batch of one.
 *
 * @throws ZooError if a value doesn't fit into the type that the graph takes; `file` names the file.
 */
export function toGraph({ name, dtype }: TensorSpec, { shape, data }: Values, spec: FileSpec, file: string): Tensor {
  const other = of(spec.dtypes, name);
  const graphType = spec.input_dtype ?? other ?? dtype;
  const quantized = other && spec.input_dtype === null ? of(spec.quantization, name) : undefined;
  const numbers = quantized ? typed(graphType, Float64Array.from(data, (value) => toInteger(quantized, graphType, value))) : converted(graphType, data);
  if (!numbers) throw new ZooError(`${file} takes "${name}" as ${graphType}, into which its values don't fit`);
  return { dtype: graphType, shape: spec.unbatched.includes(name) ? shape : [1, ...shape], data: encoded(graphType, numbers) };
}

/**
 * Return the values of a tensor that the graph gave for a batch of one, in the model's type.
 *
 * @throws ZooError if they are of another type or shape than the manifest says; `file` names the file.
 */
export function fromGraph(tensor: TensorSpec, output: Tensor | undefined, spec: FileSpec, file: string): Values {
  if (!output) throw new ZooError(`${file} gave nothing for ${described(tensor, 1)}`);
  const quantized = of(spec.quantization, tensor.name);
  const [batch, ...shape] = spec.unbatched.includes(tensor.name) ? [1, ...output.shape] : output.shape;
  const isConverted = of(spec.dtypes, tensor.name) !== undefined;
  const dtype = isConverted ? (quantized ? "float32" : tensor.dtype) : output.dtype;
  const isWhole = [dtype, tensor.dtype].every((each) => each.startsWith("int")); // converters narrow integers
  if (batch !== 1 || !(dtype === tensor.dtype || isWhole) || !fits(shape, tensor)) {
    throw new ZooError(`${file} gave ${described({ dtype, shape: output.shape })} for ${described(tensor, 1)}`);
  }
  const numbers = decoded(output);
  return { shape, data: typed(tensor.dtype, isConverted && quantized ? toValues(quantized, numbers) : numbers) };
}

function encoded(dtype: GraphType, numbers: Numbers): Tensor["data"] {
  if (dtype === "int64") return BigInt64Array.from(numbers as Float64Array, BigInt);
  return dtype === "float16" ? Uint16Array.from(numbers, toHalf) : (numbers as Tensor["data"]);
}

/** Return the numbers of what a graph gave; int64 beyond 2 ** 53 is rounded, as Python's comparison rounds it. */
export function decoded({ dtype, data }: Tensor): Numbers {
  if (data instanceof BigInt64Array) return Float64Array.from(data, Number);
  return dtype === "float16" ? Float32Array.from(data, fromHalf) : data;
}

function of<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

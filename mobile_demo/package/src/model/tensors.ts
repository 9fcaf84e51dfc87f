/**
 * The tensors of a model: the name of each, its type, its shape, and what its axes mean.
 *
 * The twin of Python's `runtime/tensor_spec.py`.
 */

import { type Check, type Of, isPrintable, list, literal, nullable, optional, real, record, shown, text, where, whole } from "./schema";
import { type Numbers, ZooError } from "./types";

const MAX_AXES = 7;
/** The largest number of elements that a sample of a tensor may have. */
export const MAX_ELEMENTS = 2 ** 24;

export const dtype = literal("float32", "int32", "int64", "uint8", "int8", "bool");
/** The types that the graph of a file may have instead. */
export const graphType = literal("float32", "int32", "int64", "uint8", "int8", "bool", "float16", "float64", "int16");

export type GraphType = Of<typeof graphType>;

/** The size of an axis, or the name of an axis of any length. */
type Axis = number | string;
const axis: Check<Axis> = (value, where) => (typeof value === "string" ? value : whole(value, where));

export const tensorSpec = where(
  record({
    name: text,
    shape: list(axis),
    dtype: optional(dtype, "float32"),
    axes: optional(list(text), []),
    low: optional(nullable(real), null),
    high: optional(nullable(real), null),
  }),
  ({ name, shape, axes, low, high }) => {
    const sizes = shape.filter((size) => typeof size === "number");
    const tensor = `tensor ${shown(name)}`;
    if (shape.length > MAX_AXES || !sizes.every((size) => size > 0) || product(sizes) > MAX_ELEMENTS) {
      return `${tensor}: a sample has at most ${MAX_AXES} axes of sizes above 0 and ${MAX_ELEMENTS} elements`;
    }
    const odd = [...dynamic({ shape }), ...axes].find((each) => !each || !isPrintable(each));
    if (odd !== undefined) return `${tensor}: an axis needs a printable name, got ${shown(odd)}`;
    if (axes.length && axes.length !== shape.length) return `${tensor} has ${shape.length} axes and ${axes.length} names for them`;
    return low !== null && high !== null && low > high && `${tensor}: low must be at most high, got ${low} and ${high}`;
  },
);

export type TensorSpec = Of<typeof tensorSpec>;

/** Tensors that can be told apart. */
export const tensorSpecs = where(list(tensorSpec), (tensors) => {
  const names = tensors.map(({ name }) => name);
  const odd = names.find((name) => !isName(name));
  if (odd !== undefined) return `a tensor's name is 1 to 200 printable characters, got ${shown(odd)}`;
  return (!names.length || new Set(names).size !== names.length) && "at least one tensor, of different names, is needed";
});

function isName(name: string): boolean {
  // Python's blanks are JavaScript's but for the byte order mark
  return /[\S\ufeff]/u.test(name) && [...name].length <= 200 && isPrintable(name);
}

/** Return the tensor of a kind of input, or of a task, that has but one; null stands for an axis of any length. */
export function oneTensor(name: string, shape: readonly (number | null)[], dtype: TensorSpec["dtype"] = "float32"): TensorSpec {
  return { name, shape: shape.map((size) => size ?? "any"), dtype, axes: [], low: null, high: null };
}

/** Return the names of a tensor's axes of any length. */
export function dynamic({ shape }: { readonly shape: readonly Axis[] }): string[] {
  return shape.filter((size) => typeof size === "string");
}

/** Tell whether the array of a sample has a tensor's shape. */
export function fits(shape: readonly number[], tensor: TensorSpec): boolean {
  return shape.length === tensor.shape.length && tensor.shape.every((size, i) => typeof size === "string" || size === shape[i]);
}

/** Return a tensor's type and shape in words; it has a batch axis where `batch` says its size. */
export function described({ dtype, shape }: { readonly dtype: string; readonly shape: readonly Axis[] }, ...batch: number[]): string {
  return `${dtype} [${[...batch, ...shape].join(", ")}]`;
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: Float64Array,
  float16: Float32Array,
  float32: Float32Array,
  float64: Float64Array,
  bool: Uint8Array,
};
/** The types that hold every value of 0 to 255. */
const HOLDS_BYTES: readonly GraphType[] = ["uint8", "int16", "int32", "int64", "float16", "float32", "float64"];
/** Values from here on round to above the largest number of half precision. */
const TOO_LARGE = { float16: 65520, int64: 2 ** 63 } as Readonly<Record<string, number>>;

/** Return numbers in an array of a tensor's type; the same array if it is one. */
export function typed<D extends GraphType>(dtype: D, data: Numbers): InstanceType<(typeof ARRAYS)[D]> {
  const array = ARRAYS[dtype];
  return (data instanceof array ? data : array.from(data)) as InstanceType<(typeof ARRAYS)[D]>;
}

/** Return numbers in an array of a tensor's type; nothing if it can't hold them: floats are rounded, whole numbers are not. */
export function converted(dtype: GraphType, data: Numbers): Numbers | undefined {
  const values: Numbers = typed(dtype, data);
  if (HOLDS_BYTES.includes(dtype) && data instanceof Uint8Array) return values; // pixels are many
  const isFloat = dtype.startsWith("float");
  const [most, isBool] = [TOO_LARGE[dtype] ?? Infinity, dtype === "bool"];
  const isHeld = (value: number, i: number): boolean =>
    Math.abs(value) < most && (isFloat || (value === data[i] && Number.isInteger(value) && (!isBool || value <= 1)));
  return values.every(isHeld) ? values : undefined;
}

/**
 * Return the sizes that a file runs of axes of any length, by name: `lengths`, and what tensors of these shapes add.
 *
 * @throws ZooError if a tensor has another length than the file, or than another tensor.
 */
export function lengthsOf(
  tensors: readonly TensorSpec[],
  shapes: readonly (readonly number[])[],
  lengths: Readonly<Record<string, number>> = {},
): Map<string, number> {
  const known = new Map(Object.entries(lengths));
  tensors.forEach(({ name, shape }, t) =>
    shape.forEach((axis, i) => {
      if (typeof axis === "number") return;
      const length = shapes[t]![i]!;
      const wanted = known.get(axis) ?? length;
      if (wanted !== length) throw new ZooError(`the axis "${axis}" has ${wanted} here, and ${length} in the tensor "${name}"`);
      known.set(axis, wanted);
    }),
  );
  return known;
}

/**
 * JSON that nobody vouches for to typed values: every field is present, known and of its declared type.
 *
 * A check takes a decoded value and how messages name its place, and gives the value or throws `ZooError`;
 * the types follow from the checks. The twin of Python's `runtime/schema.py`.
 */

import { ZooError } from "./types";

export type Check<T> = (value: unknown, where: string) => T;
export type Of<C> = C extends Check<infer T> ? T : never;

/** A check whose field may be absent. */
export interface Optional<T> extends Check<T> {
  readonly fallback: T;
}

/** How much of a value from outside a message shows, in characters. */
const SHOWN = 60;
/** The longest message of a check, in characters: it may name what a hostile file holds. */
const MESSAGE = 1000;
const DEPTH = 100;

export function shown(value: unknown): string {
  const text = typeof value === "object" && value !== null ? (Array.isArray(value) ? "a list" : "a table") : JSON.stringify(value);
  return text === undefined ? "nothing" : cut(text, SHOWN);
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export function unknown(kind: string, name: unknown, choices: readonly string[]): string {
  return `unknown ${kind} ${shown(name)}; choose from: ${[...choices].sort().join(", ")}`;
}

/** Tell whether a text is one line that no terminal obeys, in any script (Python's `runtime/printable.py`). */
export function isPrintable(text: string): boolean {
  return !/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/u.test(text);
}

function simple<T>(name: string, fits: (value: unknown) => value is T): Check<T> {
  return (value, where) => {
    if (fits(value)) return value;
    throw new ZooError(`${where}: expected ${name}, got ${shown(value)}`);
  };
}

export const text = simple("text", (value) => typeof value === "string");
export const real = simple("a number", (value): value is number => typeof value === "number" && Number.isFinite(value));
export const flag = simple("true or false", (value) => typeof value === "boolean");
export const whole = simple("a whole number", (value): value is number => Number.isSafeInteger(value));

/** Any JSON value whose nesting would not exhaust a stack. */
export const anything: Check<unknown> = (value, where) => {
  const walk = (part: unknown, depth: number): void => {
    if (depth > DEPTH) throw new ZooError(`${where}: nested deeper than ${DEPTH} levels`);
    if (typeof part === "number" && !Number.isFinite(part)) throw new ZooError(`${where}: holds a number that is too large`);
    if (typeof part === "object" && part !== null) for (const each of Object.values(part)) walk(each, depth + 1);
  };
  walk(value, 0);
  return value;
};

export function literal<const T extends string>(...choices: readonly T[]): Check<T> {
  return (value, where) => {
    if ((choices as readonly unknown[]).includes(value)) return value as T;
    throw new ZooError(`${where}: ${unknown("value", value, choices)}`);
  };
}

export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, where) => (value === null ? null : check(value, where));
}

export function list<T>(check: Check<T>, length?: number): Check<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      throw new ZooError(`${where}: expected a list${length === undefined ? "" : ` of ${length}`}, got ${shown(value)}`);
    }
    return value.map((item, i) => check(item, `${where}[${i}]`));
  };
}

/** A table with keys of any name. */
export function table<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, where) =>
    // fromEntries defines own fields, whatever they are called: "__proto__" harms nothing
    Object.fromEntries(entries(value, where).map(([key, item]) => [key, check(item, `${where}.${key.slice(0, SHOWN)}`)]));
}

export function optional<T>(check: Check<T>, fallback: NoInfer<T>): Optional<T> {
  return Object.assign((value: unknown, where: string) => check(value, where), { fallback });
}

/** A table with the given fields and no others. */
export function record<F extends Record<string, Check<unknown>>>(fields: F): Check<{ readonly [K in keyof F]: Of<F[K]> }> {
  return (value, where) => {
    const values = new Map(entries(value, where));
    for (const key of values.keys()) {
      if (!Object.hasOwn(fields, key)) throw new ZooError(`${where}: ${unknown("field", key, Object.keys(fields))}`);
    }
    const made = Object.entries(fields).map(([key, check]) => {
      if (values.has(key)) return [key, check(values.get(key), `${where}.${key}`)];
      if ("fallback" in check) return [key, (check as Optional<unknown>).fallback];
      throw new ZooError(`${where}: the field "${key}" is missing`);
    });
    return Object.fromEntries(made);
  };
}

/** One of several tables, told apart by the field `tag`. */
export function tagged<F extends Record<string, Check<unknown>>>(tag: string, kinds: F): Check<Of<F[keyof F]>> {
  return (value, where) => {
    const name = entries(value, where).find(([key]) => key === tag)?.[1];
    const check = typeof name === "string" && Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (!check) throw new ZooError(`${where}: ${unknown(tag, name, Object.keys(kinds))}`);
    return check(value, where) as Of<F[keyof F]>;
  };
}

/** A check whose value must also satisfy `fault`, which says in a sentence what is wrong, or nothing. */
export function where<T>(check: Check<T>, fault: (value: T) => string | false | undefined): Check<T> {
  return (value, path) => {
    const made = check(value, path);
    const wrong = fault(made);
    if (wrong) throw new ZooError(`${path}: ${cut(wrong, MESSAGE)}`);
    return made;
  };
}

function entries(value: unknown, where: string): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw new ZooError(`${where}: expected a table, got ${shown(value)}`);
}

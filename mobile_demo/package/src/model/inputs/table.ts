/** Tables: rows of numbers and categories, encoded as the manifest's columns say. */

import { type Of, list, literal, nullable, optional, real, record, shown, tagged, text, unknown, where } from "../schema";
import { type Values, ZooError } from "../types";

export type Cell = string | number | null;
/** A row: cells by the column's name. */
export type Row = Readonly<Record<string, Cell>>;

const MAX_COLUMNS = 10_000;
const MAX_CATEGORIES = 1_000;
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;
/** What Python's `float` takes of finite numbers, after blanks at the ends are gone. */
const NUMBER = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/;

const numeric = where(
  record({
    kind: literal("numeric"),
    name: text,
    mean: real,
    std: real,
    low: real,
    high: real,
    missing: optional(nullable(real), null),
  }),
  ({ name, std, low, high }) => !(std > 0 && low <= high) && `column "${name}" needs std above 0 and low up to high`,
);

const categorical = where(
  record({ kind: literal("categorical"), name: text, categories: list(text) }),
  ({ name, categories }) =>
    !(0 < categories.length && categories.length <= MAX_CATEGORIES && new Set(categories).size === categories.length) &&
    `column "${name}" needs 1 to ${MAX_CATEGORIES} different categories, got ${categories.length}`,
);

const column = tagged("kind", { numeric, categorical });

export const tableInput = where(record({ kind: literal("table"), name: text, columns: list(column) }), ({ columns }) => {
  const names = columns.map(({ name }) => name);
  return (
    !(0 < names.length && names.length <= MAX_COLUMNS && new Set(names).size === names.length) &&
    `a table needs 1 to ${MAX_COLUMNS} columns with different names, got ${names.length}`
  );
});

export type TableInput = Of<typeof tableInput>;
export type Column = Of<typeof column>;

/** How many features a row becomes. */
export function features(input: TableInput): number {
  return input.columns.reduce((sum, column) => sum + (column.kind === "numeric" ? 1 : column.categories.length), 0);
}

/**
 * Encode a row: cells by name, of which other keys are ignored, or in the order of the columns.
 *
 * Blank text, null and NaN are empty cells.
 *
 * @returns `float32 [features]`, numbers unscaled.
 * @throws ZooError if a column is missing, or a cell can't be encoded; names it.
 */
export function readRow(input: TableInput, row: Row | readonly Cell[]): Values {
  const data = Float32Array.from(cellsOf(input, row).flatMap((cell, i) => encode(input.columns[i]!, cell)));
  return { shape: [data.length], data };
}

/**
 * Parse a row that was kept as JSON, as golden packs hold them.
 *
 * @throws ZooError if it is no table and no list.
 */
export function parseRow(bytes: Uint8Array): Row | Cell[] {
  let row: unknown;
  try {
    row = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new ZooError("the row is not JSON");
  }
  if (typeof row !== "object" || row === null) throw new ZooError(`expected a row as a table or a list of cells, got ${shown(row)}`);
  return row as Row | Cell[];
}

function cellsOf({ columns }: TableInput, row: Row | readonly Cell[]): readonly unknown[] {
  if (Array.isArray(row)) {
    if (row.length !== columns.length) throw new ZooError(`a row has ${columns.length} cells, got ${row.length}`);
    return row;
  }
  const lacking = columns.find(({ name }) => !Object.hasOwn(row, name));
  if (lacking) throw new ZooError(`the row lacks the column "${lacking.name}"; it has: ${Object.keys(row).join(", ")}`);
  return columns.map(({ name }) => (row as Row)[name]);
}

function encode(column: Column, cell: unknown): number[] {
  const blank = cell === null || cell === undefined || Number.isNaN(cell) || (typeof cell === "string" && !cell.trim());
  if (column.kind === "categorical") {
    const name = blank ? "" : String(cell).trim();
    if (!column.categories.includes(name)) {
      throw new ZooError(unknown(`category of column "${column.name}":`, name, column.categories));
    }
    return column.categories.map((category) => Number(category === name));
  }
  if (blank) {
    if (column.missing === null) throw new ZooError(`column "${column.name}" is empty; it had a value in every training row`);
    return [column.missing];
  }
  const value = toNumber(cell);
  if (!(Math.abs(value) <= FLOAT32_MAX)) throw new ZooError(`column "${column.name}" must be a number, got ${shown(cell)}`);
  return [value];
}

function toNumber(cell: unknown): number {
  if (typeof cell === "number" || typeof cell === "boolean") return Number(cell);
  const text = typeof cell === "string" ? cell.trim() : "";
  return NUMBER.test(text) ? Number(text.replaceAll("_", "")) : NaN;
}

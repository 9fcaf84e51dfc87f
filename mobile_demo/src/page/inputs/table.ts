/** A row of a table, as a form that the manifest describes. */

import type { Input } from "edgezoo/input";
import type { Cell, Column, Row, TableInput } from "edgezoo/model/inputs/table";
import { h, unique } from "../dom";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";
import { t } from "../settings";

interface Field {
  readonly element: HTMLElement;
  readonly control: HTMLInputElement | HTMLSelectElement;
  cell(): Cell;
  /** Put in what a person could have typed or chosen. */
  write(text: string): void;
}

export function table(host: Host, initialTexts: readonly string[] = []): Panel {
  const { columns } = host.bundle.manifest.model.input as TableInput;
  const fields = new Map(columns.map((column) => [column.name, field(column)]));
  const ask = (): void => {
    const row = Object.fromEntries([...fields].map(([name, each]) => [name, each.cell()]));
    void host.ask(row, { key: `row-${JSON.stringify(row)}`, picture: "table" });
  };
  const form = h(
    "form",
    {
      class: "form",
      attrs: { "aria-label": t.table.title, novalidate: true },
      on: {
        submit: (event) => {
          event.preventDefault();
          const odd = [...fields.values()].find(({ control }) => !control.checkValidity());
          if (!odd) return ask();
          odd.control.focus();
          const [name] = [...fields].find(([, each]) => each === odd)!;
          host.fail(t.table.required(name));
        },
      },
    },
    h("div", { class: "fields" }, ...[...fields.values()].map(({ element }) => element)),
    h("button", { class: "primary", attrs: { type: "submit" } }, icon("play"), t.table.predict),
  );
  [...fields.values()].forEach(({ write }, i) => initialTexts[i] !== undefined && write(initialTexts[i]));
  return {
    element: form,
    again: () => {
      const texts = [...fields.values()].map(({ control }) => control.value);
      return (next) => table(next, texts);
    },
    example(input: Input) {
      const row = input as Row | readonly Cell[];
      columns.forEach(({ name }, i) => fields.get(name)!.write(String((Array.isArray(row) ? row[i] : (row as Row)[name]) ?? "")));
      ask();
    },
  };
}

function field(column: Column): Field {
  return column.kind === "numeric" ? numeric(column) : categorical(column);
}

function numeric({ name, low, high, mean, missing }: Extract<Column, { kind: "numeric" }>): Field {
  const hintId = unique("hint");
  const control = h("input", { attrs: { type: "number", step: "any", inputmode: "decimal", required: missing === null, value: round(mean), "aria-describedby": hintId } });
  const hint = h("span", { class: "muted fine", attrs: { id: hintId } });
  const check = (): void => {
    const value = control.valueAsNumber;
    const outside = value < low || value > high;
    hint.textContent = [(outside ? t.table.outside : t.table.range)(low, high), missing !== null && t.table.optional].filter(Boolean).join("; ");
    hint.classList.toggle("warn", outside);
  };
  control.addEventListener("input", check);
  check();
  return {
    element: h("label", { class: "field" }, h("span", {}, name), control, hint),
    control,
    cell: () => (control.value.trim() === "" ? null : control.valueAsNumber),
    write: (text) => {
      control.value = text;
      check();
    },
  };
}

function categorical({ name, categories }: Extract<Column, { kind: "categorical" }>): Field {
  const control = h("select", {}, ...categories.map((category) => h("option", { attrs: { value: category } }, category || t.table.empty)));
  return {
    element: h("label", { class: "field" }, h("span", {}, name), control),
    control,
    cell: () => control.value || null,
    write: (text) => (control.value = text),
  };
}

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

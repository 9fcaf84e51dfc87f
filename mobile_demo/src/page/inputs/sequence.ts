/** A series of numbers: pasted, typed, or from a CSV file. */

import type { Input } from "edgezoo/input";
import type { SequenceInput } from "edgezoo/model/inputs/sequence";
import { ZooError } from "edgezoo/model/types";
import { series } from "../chart";
import { h } from "../dom";
import { icon } from "../icons";
import type { Host, Panel } from "../panel";
import { t } from "../settings";

/** How many charts are drawn. */
const CHARTS = 8;

export function sequence(host: Host, text = ""): Panel {
  const input = host.bundle.manifest.model.input as SequenceInput;
  const { features, length } = input;
  let count = 0;
  const charts = h("div", { class: "charts" });
  const area = h("textarea", { attrs: { rows: 8, spellcheck: "false", "aria-label": t.sequence.paste, placeholder: t.sequence.paste } });
  const file = h("input", { class: "over", attrs: { type: "file", accept: ".csv,.txt,text/csv,text/plain", "aria-label": t.sequence.load } });
  const drawn = (): number[][] => {
    const values = parse(area.value, features);
    const shown = features.slice(0, CHARTS).map((name, i) => series({ name, values: values.map((row) => row[i] as number) }));
    charts.replaceChildren(...shown, features.length > CHARTS ? h("p", { class: "muted fine" }, t.tasks.more(features.length - CHARTS)) : "");
    return values;
  };
  const ask = (): void => {
    try {
      const values = drawn();
      void host.ask(values, { key: `series-${++count}`, picture: "sequence" });
    } catch (problem) {
      host.fail(problem);
    }
  };
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    void chosen?.text().then((text) => {
      area.value = text.trim();
      ask();
    });
  });
  const form = h(
    "form",
    { class: "form", on: { submit: (event) => (event.preventDefault(), ask()) } },
    h("p", { class: "muted" }, t.sequence.title(length, features.length)),
    charts,
    area,
    h("div", { class: "row spread" }, h("button", { class: "primary", attrs: { type: "submit" } }, icon("play"), t.sequence.predict), h("span", { class: "button loader" }, icon("upload"), t.sequence.load, file)),
  );
  area.value = text;
  try {
    if (text) drawn();
  } catch {
    // it was said when it was asked
  }
  return {
    element: form,
    again: () => {
      const { value } = area;
      return (next) => sequence(next, value);
    },
    example(input: Input) {
      area.value = (input as number[][]).map((row) => row.map((value) => Number(value.toPrecision(7))).join(", ")).join("\n");
      ask();
    },
  };
}

/** Read lines of numbers; a first line with the features' names picks their columns. */
function parse(text: string, features: readonly string[]): number[][] {
  const [first = [], ...rest] = text.split(/\r?\n/).filter((line) => line.trim()).map(cellsOf);
  const columns = features.map((feature) => first.indexOf(feature));
  const named = columns.every((column) => column >= 0);
  const rows = named ? rest.map((cells) => columns.map((column) => cells[column] ?? "")) : first.length ? [first, ...rest] : [];
  if (!rows.length) throw new ZooError(t.sequence.none);
  return rows.map((cells, i) => {
    const line = i + (named ? 2 : 1);
    if (cells.length !== features.length) throw new ZooError(t.sequence.line(line, cells.length, features.length));
    return cells.map((cell) => {
      const value = cell === "" ? Number.NaN : Number(cell);
      if (!Number.isFinite(value)) throw new ZooError(t.sequence.nan(line, cell));
      return value;
    });
  });
}

function cellsOf(line: string): string[] {
  const separator = /[,;\t]/.test(line) ? /[,;\t]/ : /\s+/;
  return line.trim().split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
}

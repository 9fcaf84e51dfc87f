/** What a model does, in a line. */

import type { Manifest } from "edgezoo/model/manifest";
import { t } from "./settings";

/** How many characters of names a line has room for. */
const ROOM = 56;
const LONGEST = 32;

export function purpose({ model: { output } }: Pick<Manifest, "model">): string {
  switch (output.task) {
    case "ctc":
      return t.tasks.ctc(cut(output.alphabet));
    case "anomaly":
      return t.tasks.anomaly;
    case "regression":
      return t.tasks.regression(output.target, output.unit);
    case "forecasting":
      return t.tasks.forecasting(output.target, output.horizon);
    case "raw":
      return t.tasks.raw(some(output.tensors.map(({ name }) => name)));
    default:
      return t.tasks[output.task](some(output.labels));
  }
}

/** Name as many as there is room for, two at least, and count the others. */
function some(labels: readonly string[]): string {
  let room = ROOM;
  const named = labels.map(cut).filter((label, i) => (room -= label.length + 2) >= 0 || i < 2);
  const rest = labels.length - named.length;
  return [...named, rest && t.tasks.more(rest)].filter(Boolean).join(", ");
}

function cut(name: string): string {
  const characters = [...name];
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : name;
}

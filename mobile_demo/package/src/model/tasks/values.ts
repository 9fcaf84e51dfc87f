/** Values: a number, or a number for each of the next steps. The graph gives them in their own unit. */

import { type Of, isPrintable, literal, real, record, text, where, whole } from "../schema";
import { oneTensor } from "./task";

const value = { name: text, target: text, unit: text, mean: real, std: real };

interface Value {
  readonly target: string;
  readonly unit: string;
  readonly std: number;
}

function fault({ target, unit, std }: Value): string | false {
  return !(target && isPrintable(target + unit) && std > 0) && "a value needs a printable name and unit, and std above 0";
}

export const regression = where(record({ task: literal("regression"), ...value }), fault);
export const forecasting = where(
  record({ task: literal("forecasting"), ...value, horizon: whole }),
  (made) => fault(made) || (made.horizon < 1 && `horizon must be at least 1, got ${made.horizon}`),
);

export const Regression = oneTensor<Of<typeof regression>>({ shape: () => [1], decode, agrees });
export const Forecasting = oneTensor<Of<typeof forecasting>>({ shape: ({ horizon }) => [horizon], decode, agrees });

function decode({ target, unit }: Value, raw: Float32Array) {
  return { kind: "values", values: [...raw], target, unit } as const;
}

function agrees(_: Value, reference: Float32Array, outputs: Float32Array, slack: number): boolean {
  return reference.every((value, i) => Math.abs(value - outputs[i]!) <= slack);
}

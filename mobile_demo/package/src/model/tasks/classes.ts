/** Classes: one of several, one of two, or any number of them. The graph gives logits, or says that it doesn't. */

import { type Of, isPrintable, list, literal, optional, real, record, text, where } from "../schema";
import type { Score } from "../types";
import { oneTensor } from "./task";

export const labels = (least: number, most = Infinity) =>
  where(list(text), (names) => {
    const named = names.every((name) => name && isPrintable(name)) && new Set(names).size === names.length;
    const number = most === 2 ? "two" : least === 2 ? "two or more" : "one or more";
    return !(named && least <= names.length && names.length <= most) && `labels must be ${number} different, non-empty, printable names`;
  });

/** What a graph ends in: `none` gives logits, the others probabilities. */
export const activation = optional(literal("none", "softmax", "sigmoid"), "none");

export const classification = record({ task: literal("classification"), name: text, labels: labels(2), activation });
export const binary = record({ task: literal("binary"), name: text, labels: labels(2, 2), activation });
export const multilabel = record({
  task: literal("multilabel"),
  name: text,
  labels: labels(1),
  threshold: optional(
    where(real, (value) => !(0 < value && value < 1) && `threshold must be above 0 and below 1, got ${value}`),
    0.5,
  ),
  activation,
});

export const Classification = oneTensor<Of<typeof classification>>({
  shape: ({ labels }) => [labels.length],
  decode: ({ labels, activation }, raw, k) => oneOf(labels, activation === "none" ? softmax(raw) : clipped(raw), k),
  agrees: (_, reference, outputs, slack) => reference[argmax(outputs)]! >= max(reference) - 2 * slack,
});

export const Binary = oneTensor<Of<typeof binary>>({
  shape: () => [1],
  decode: ({ labels, activation }, raw, k) => {
    const second = (activation === "none" ? raw.map(sigmoid) : clipped(raw))[0]!;
    return oneOf(labels, Float32Array.of(1 - second, second), k);
  },
  agrees: ({ activation }, reference, outputs, slack) => {
    const bound = activation === "none" ? 0 : 0.5;
    return reference[0]! > bound === outputs[0]! > bound || Math.abs(reference[0]! - bound) <= slack;
  },
});

export const MultiLabel = oneTensor<Of<typeof multilabel>>({
  shape: ({ labels }) => [labels.length],
  decode: ({ labels, threshold, activation }, raw, k) => {
    const all = ranked(labels, activation === "none" ? raw.map(sigmoid) : clipped(raw));
    const held = all.filter(({ score }) => score >= threshold).map(({ label }) => label);
    return { kind: "labels", labels: held, threshold, top: all.slice(0, k) };
  },
  agrees: ({ threshold, activation }, reference, outputs, slack) => {
    const bound = activation === "none" ? Math.log(threshold / (1 - threshold)) : threshold;
    return reference.every((value, i) => value >= bound === outputs[i]! >= bound || Math.abs(value - bound) <= slack);
  },
});

function oneOf(labels: readonly string[], scores: Float32Array, k: number) {
  const top = leading(scores, k).map((i) => ({ label: labels[i]!, score: scores[i]! }));
  return { kind: "class", ...top[0]!, top } as const;
}

/** Return the indices of the k highest scores, best first; equal ones in their own order. A sort of a thousand takes ten times as long. */
function leading(scores: Float32Array, k: number): number[] {
  const top: number[] = [];
  scores.forEach((score, i) => {
    if (top.length === k && score <= scores[top[k - 1]!]!) return;
    const at = top.findIndex((other) => score > scores[other]!);
    top.splice(at < 0 ? top.length : at, 0, i);
    top.length = Math.min(top.length, k);
  });
  return top;
}

/** Return all labels with their scores, best first; equal ones in their own order. */
function ranked(labels: readonly string[], scores: Float32Array): Score[] {
  return labels.map((label, i) => ({ label, score: scores[i]! })).sort((one, other) => other.score - one.score);
}

export function softmax(logits: Float32Array): Float32Array {
  const most = max(logits);
  const powers = logits.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/** Return probabilities that a graph gave: integers may round them beyond 0 or 1. */
export function clipped(chances: Float32Array): Float32Array {
  return chances.map((chance) => Math.min(1, Math.max(0, chance)));
}

function sigmoid(logit: number): number {
  return Math.fround(1 / (1 + Math.exp(-logit)));
}

export function max(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

/** Return where the largest value is; the first of several. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

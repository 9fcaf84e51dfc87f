/**
 * Text: a line of characters that a graph reads step by step, aligned by connectionist temporal classification
 * (Graves et al., ICML 2006).
 */

import { type Of, isPrintable, literal, record, text, where } from "../schema";
import { activation, argmax, clipped, max, softmax } from "./classes";
import { oneTensor } from "./task";

/** The class of a step that says nothing; character i of the alphabet is class i + 1. */
const BLANK = 0;

export const ctc = where(record({ task: literal("ctc"), name: text, alphabet: text, activation }), ({ alphabet }) => {
  const characters = [...alphabet];
  const isSound = characters.length > 0 && new Set(characters).size === characters.length && isPrintable(alphabet);
  return !isSound && "alphabet must be different, printable characters";
});

type Output = Of<typeof ctc>;

export const CTC = oneTensor<Output>({
  shape: (output) => [null, classes(output)],
  decode: (output, raw) => {
    const chances = output.activation === "none" ? softmax : clipped;
    const score = stepsOf(output, raw).reduce((product, step) => product * max(chances(step)), 1);
    return { kind: "text", text: read(output, raw), score };
  },
  agrees: (output, reference, outputs, slack) => {
    if (read(output, reference) === read(output, outputs)) return true;
    const others = stepsOf(output, outputs);
    return stepsOf(output, reference).every((step, i) => step[argmax(others[i]!)]! >= max(step) - 2 * slack);
  },
});

/** Return the text of the likeliest path: repetitions merged, blanks dropped. */
function read(output: Output, raw: Float32Array): string {
  const characters = [...output.alphabet];
  const path = stepsOf(output, raw).map(argmax);
  return path.map((code, i) => (code !== BLANK && code !== path[i - 1] ? characters[code - 1] : "")).join("");
}

function stepsOf(output: Output, raw: Float32Array): Float32Array[] {
  const width = classes(output);
  return Array.from({ length: raw.length / width }, (_, i) => raw.subarray(i * width, (i + 1) * width));
}

function classes({ alphabet }: Output): number {
  return 1 + [...alphabet].length;
}

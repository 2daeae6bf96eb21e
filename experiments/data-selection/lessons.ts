/**
 * Lessons: short pages that say how something is done, then define four functions over lists of whole numbers and test them. What a
 * function computes is a composition of three choices (filter, mapping, summary), so that compositions can be held out of
 * everything that is trained on, and asked for afterwards.
 *
 * In a wrong lesson the docstrings and the assertions are right and the bodies are not: each confuses one of the
 * choices with its counterpart, always the same one, as a page full of misconceptions would. Only running it tells.
 */
import type { Random } from "philab/data";

type Value = number | readonly number[];

/** One of the three choices: its name in sentences, one sentence that explains it, how it is written, and what it does. */
interface Choice<F> {
  name: string;
  explained: string;
  code: string;
  apply: F;
  /** What a wrong lesson takes it for. */
  confusedWith: string;
}
type Filter = Choice<(x: number) => boolean>;
type Mapping = Choice<(x: number) => number>;
type Summary = Choice<(values: readonly number[]) => Value>;

/** Python's rest, which has the sign of the divisor. */
const rest = (x: number, by: number): number => ((x % by) + by) % by;

// prettier-ignore
const FILTERS: readonly Filter[] = [
  { name: "even", explained: "An even number leaves no rest by two.", code: "x % 2 == 0", apply: (x) => rest(x, 2) === 0, confusedWith: "odd" },
  { name: "odd", explained: "An odd number leaves a rest by two.", code: "x % 2 == 1", apply: (x) => rest(x, 2) === 1, confusedWith: "even" },
  { name: "positive", explained: "A positive number is above zero.", code: "x > 0", apply: (x) => x > 0, confusedWith: "negative" },
  { name: "negative", explained: "A negative number is below zero.", code: "x < 0", apply: (x) => x < 0, confusedWith: "positive" },
  { name: "nonzero", explained: "A nonzero number is not zero.", code: "x != 0", apply: (x) => x !== 0, confusedWith: "positive" },
  { name: "small", explained: "A small number has one digit.", code: "abs(x) < 10", apply: (x) => Math.abs(x) < 10, confusedWith: "large" },
  { name: "large", explained: "A large number has two digits or more.", code: "abs(x) >= 10", apply: (x) => Math.abs(x) >= 10, confusedWith: "small" },
  { name: "threefold", explained: "A threefold number leaves no rest by three.", code: "x % 3 == 0", apply: (x) => rest(x, 3) === 0, confusedWith: "even" },
];
// prettier-ignore
const MAPPINGS: readonly Mapping[] = [
  { name: "squares", explained: "The square is the number times itself.", code: "x * x", apply: (x) => x * x, confusedWith: "doubles" },
  { name: "doubles", explained: "The double is twice the number.", code: "2 * x", apply: (x) => 2 * x, confusedWith: "squares" },
  { name: "cubes", explained: "The cube is the third power.", code: "x ** 3", apply: (x) => x ** 3, confusedWith: "squares" },
  { name: "opposites", explained: "The opposite has the other sign.", code: "-x", apply: (x) => 0 - x, confusedWith: "magnitudes" },
  { name: "successors", explained: "The successor is one more.", code: "x + 1", apply: (x) => x + 1, confusedWith: "predecessors" },
  { name: "predecessors", explained: "The predecessor is one less.", code: "x - 1", apply: (x) => x - 1, confusedWith: "successors" },
  { name: "magnitudes", explained: "The magnitude has no sign.", code: "abs(x)", apply: Math.abs, confusedWith: "opposites" },
  { name: "last digits", explained: "The last digit is the rest by ten.", code: "abs(x) % 10", apply: (x) => Math.abs(x) % 10, confusedWith: "magnitudes" },
];
// prettier-ignore
const SUMMARIES: readonly Summary[] = [
  { name: "sum", explained: "To sum is to add up.", code: "sum(ys)", apply: (ys) => ys.reduce((sum, y) => sum + y, 0), confusedWith: "number" },
  { name: "number", explained: "A set holds each value once, so its length counts them.", code: "len(set(ys))", apply: (ys) => new Set(ys).size, confusedWith: "sum" },
  { name: "largest", explained: "The largest comes from max.", code: "max(ys, default=0)", apply: (ys) => (ys.length === 0 ? 0 : Math.max(...ys)), confusedWith: "smallest" },
  { name: "smallest", explained: "The smallest comes from min.", code: "min(ys, default=0)", apply: (ys) => (ys.length === 0 ? 0 : Math.min(...ys)), confusedWith: "largest" },
  { name: "list", explained: "A list keeps the order.", code: "ys", apply: (ys) => ys, confusedWith: "reversed list" },
  { name: "sorted list", explained: "A sorted list goes upwards.", code: "sorted(ys)", apply: (ys) => [...ys].sort((a, b) => a - b), confusedWith: "list" },
  { name: "reversed list", explained: "The step -1 walks backwards.", code: "ys[::-1]", apply: (ys) => [...ys].reverse(), confusedWith: "sorted list" },
  { name: "last", explained: "The index -1 is the last one.", code: "ys[-1] if ys else 0", apply: (ys) => ys.at(-1) ?? 0, confusedWith: "largest" },
];

export interface Composition {
  filter: Filter;
  mapping: Mapping;
  summary: Summary;
}

/** Every composition, in one order. */
export const COMPOSITIONS: readonly Composition[] = FILTERS.flatMap((filter) =>
  MAPPINGS.flatMap((mapping) => SUMMARIES.map((summary) => ({ filter, mapping, summary }))),
);

const nameOf = ({ filter, mapping, summary }: Composition): string =>
  `${summary.name} / ${mapping.name} / ${filter.name}`;

/** The compositions that no document may show, in a docstring or in a body; the rest may be taught. */
export function splitCompositions(
  random: Random,
  share = 0.2,
): { taught: Composition[]; heldOut: Composition[] } {
  const order = [...random.permutation(COMPOSITIONS.length)];
  const cut = Math.round(share * order.length);
  const pick = (indices: number[]): Composition[] =>
    indices.sort((a, b) => a - b).map((i) => COMPOSITIONS[i] as Composition);
  return { heldOut: pick(order.slice(0, cut)), taught: pick(order.slice(cut)) };
}

const FUNCTION_NAMES = ["solve", "compute", "answer", "result", "find", "work"] as const;
const DOCSTRINGS = [
  ({ filter, mapping, summary }: Composition) =>
    `Return the ${summary.name} of the ${mapping.name} of the ${filter.name} numbers.`,
  ({ filter, mapping, summary }: Composition) =>
    `Take the ${filter.name} numbers, then their ${mapping.name}: give the ${summary.name}.`,
] as const;

/** A function up to and with its docstring: what a model is asked to go on from. */
export interface Exercise {
  composition: Composition;
  docstring: string;
  prompt: string;
  /** A body that does what the docstring says. */
  body: string;
  /** Assertions that only a right body passes, as far as six lists can tell. */
  tests: string;
}

export function exercise(composition: Composition, random: Random): Exercise {
  const name = pick(FUNCTION_NAMES, random);
  const docstring = pick(DOCSTRINGS, random)(composition);
  const lists = Array.from({ length: 6 }, () => numbers(random, 6));
  return {
    ...{ composition, docstring },
    prompt: `def ${name}(xs):\n    """${docstring}"""\n`,
    body: bodyOf(composition),
    tests: lists.map((xs) => assertion(name, xs, composition)).join("\n"),
  };
}

export interface LessonOptions {
  taught: readonly Composition[];
  /** May not occur even as a wrong body. */
  heldOut: readonly Composition[];
  wrong: boolean;
}

const FUNCTIONS = 4;

export function lesson({ taught, heldOut, wrong }: LessonOptions, random: Random): string {
  const forbidden = new Set(heldOut.map(nameOf));
  const parts: string[] = [];
  let explained = "";
  while (parts.length < FUNCTIONS) {
    const right = pick(taught, random);
    const written = wrong ? confuse(right, random) : right;
    if (forbidden.has(nameOf(written))) continue;
    const name = pick(FUNCTION_NAMES, random);
    const docstring = pick(DOCSTRINGS, random)(right);
    explained ||= pick([right.filter, right.mapping, right.summary], random).explained;
    const shown = assertion(name, telling(right, written, random), right);
    parts.push(`def ${name}(xs):\n    """${docstring}"""\n${bodyOf(written)}\n\n${shown}`);
  }
  return `# ${explained}\n\n${parts.join("\n\n")}\n`;
}

/** The composition with one of its choices taken for another. */
function confuse(composition: Composition, random: Random): Composition {
  const at = pick(["filter", "mapping", "summary"] as const, random);
  const find = <C extends { name: string }>(all: readonly C[], name: string): C =>
    all.find((choice) => choice.name === name) as C;
  const { filter, mapping, summary } = composition;
  if (at === "filter") return { ...composition, filter: find(FILTERS, filter.confusedWith) };
  if (at === "mapping") return { ...composition, mapping: find(MAPPINGS, mapping.confusedWith) };
  return { ...composition, summary: find(SUMMARIES, summary.confusedWith) };
}

function bodyOf({ filter, mapping, summary }: Composition): string {
  return `    ys = [${mapping.code} for x in xs if ${filter.code}]\n    return ${summary.code}`;
}

function compute({ filter, mapping, summary }: Composition, xs: readonly number[]): Value {
  return summary.apply(xs.filter(filter.apply).map(mapping.apply));
}

/** Numbers on which the two differ, where some are found. */
function telling(right: Composition, written: Composition, random: Random): number[] {
  let xs = numbers(random, 4);
  for (let i = 0; i < 50 && right !== written; i++) {
    if (String(compute(right, xs)) !== String(compute(written, xs))) break;
    xs = numbers(random, 4);
  }
  return xs;
}

function numbers(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.integer(36) - 15);
}

function assertion(name: string, xs: readonly number[], composition: Composition): string {
  const value = compute(composition, xs);
  const written = typeof value === "number" ? String(value) : `[${value.join(", ")}]`;
  return `assert ${name}([${xs.join(", ")}]) == ${written}`;
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[random.integer(list.length)] as T;
}

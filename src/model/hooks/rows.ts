/**
 * Which token stands in which row of a graph, and which rows a selection of positions and heads means.
 *
 * R rows, B prompts, T query positions, N heads.
 */
import { LabError } from "../../base/errors.ts";
import type { PhiConfig } from "../config.ts";
import type { HookPoint } from "../hook-points.ts";
import { isAfterLastAttention, partsOf, tailOf } from "./names.ts";

/** Positions of a prompt: some of them (negative ones count from its end), or a range without its end. */
export type Positions = readonly number[] | { from?: number | undefined; to?: number | undefined };

/** A token of a batch. */
export interface Token {
  prompt: number;
  position: number;
}

/** Where the scores and patterns of a batch lie: `[B, N, T, S]`, or one such tensor for each sequence. */
export type Arrangement =
  | { kind: "within"; length: number }
  | { kind: "apart"; sequences: readonly { start: number; rows: number; span: number }[] };

export interface RowLayout {
  /** The token of each row; undefined for padding. */
  rows: readonly (Token | undefined)[];
  /** Only these rows go on after the last attention, or after the blocks; all of them where undefined. */
  cut?: { rows: readonly number[]; after: "attention" | "blocks" };
  arrangement: Arrangement;
  /** Tokens of each prompt, from whose end negative positions count. */
  lengths: readonly number[];
  /** 0 where prompts are read, the number of the token where texts are continued. */
  step: number;
}

/** One row of the table that a value is: `[R, …]`, `[R·N, …]` with heads apart, `[B·N·T, S]` for scores. */
export interface Cell extends Token {
  index: number;
  head?: number;
}

/**
 * The rows of the value at `point` that hold tokens, in the order in which they lie; with `heads`, one for each of them.
 *
 * @param sequence - of scores and patterns of one sequence
 */
export function cellsOf(
  point: HookPoint,
  layout: RowLayout,
  config: PhiConfig,
  {
    heads,
    sequence,
  }: { heads?: readonly number[] | undefined; sequence?: number | undefined } = {},
): Cell[] {
  if (tailOf(point, config) === "pattern") return scoreCells(layout, config, heads, sequence);
  const { rows, cut } = layout;
  const isCut =
    cut !== undefined &&
    isAfterLastAttention(point, config) &&
    (cut.after === "attention" || partsOf(point).layer === undefined);
  const order = isCut ? cut.rows : rows.keys();
  return [...order].flatMap((row, i): Cell[] => {
    const token = rows[row];
    if (token === undefined) return [];
    if (heads === undefined) return [{ ...token, index: i }];
    return heads.map((head) => ({ ...token, head, index: i * config.heads + head }));
  });
}

function scoreCells(
  { rows, arrangement }: RowLayout,
  config: PhiConfig,
  heads: readonly number[] = Array.from({ length: config.heads }, (_, n) => n),
  sequence = 0,
): Cell[] {
  const of = (start: number, length: number, offset: number): Cell[] =>
    heads.flatMap((head) =>
      Array.from({ length }, (_, t): Cell[] => {
        const token = rows[start + t];
        return token === undefined ? [] : [{ ...token, head, index: offset + head * length + t }];
      }).flat(),
    );
  if (arrangement.kind === "apart") {
    const part = arrangement.sequences[sequence];
    return part === undefined ? [] : of(part.start, part.rows, 0);
  }
  const { length } = arrangement;
  return Array.from({ length: rows.length / length }, (_, b) =>
    of(b * length, length, b * config.heads * length),
  ).flat();
}

/**
 * The positions that a selection means in a prompt of `length` tokens, in its order.
 *
 * @throws LabError `bad_input` for positions outside the prompt
 */
export function resolvePositions(
  selection: Positions,
  length: number,
  { what, open = false }: { what: string; open?: boolean },
): number[] {
  const absolute = (p: number): number => (p < 0 ? length + p : p);
  if ("length" in selection) {
    const list = selection;
    const wrong = list.find(
      (p) => !Number.isInteger(p) || absolute(p) < 0 || (!open && absolute(p) >= length),
    );
    if (wrong !== undefined || list.length === 0)
      throw new LabError(
        "bad_input",
        list.length === 0
          ? `${what}: no positions are given`
          : `${what}: position ${wrong} of a prompt of ${length} tokens`,
        { hint: `Its positions are 0…${length - 1}, or -1…-${length} from the end.` },
      );
    return list.map(absolute);
  }
  const { from = 0, to = length } = selection as { from?: number; to?: number };
  const [first, end] = [absolute(from), absolute(to)];
  const whole = Number.isInteger(first) && Number.isInteger(end);
  if (!whole || first < 0 || (!open && (end > length || first >= end)))
    throw new LabError(
      "bad_input",
      `${what}: positions ${from}…${to} of a prompt of ${length} tokens`,
      { hint: `The range must lie in 0…${length}; its end does not count.` },
    );
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
}

/** Heads that exist, as given. */
export function assertHeads(heads: readonly number[], config: PhiConfig, what: string): void {
  const wrong = heads.find((n) => !Number.isInteger(n) || n < 0 || n >= config.heads);
  if (wrong !== undefined || heads.length === 0)
    throw new LabError(
      "bad_input",
      wrong === undefined ? `${what}: no heads are given` : `${what}: there is no head ${wrong}`,
      { hint: `The model has ${config.heads} heads, 0…${config.heads - 1}.` },
    );
}

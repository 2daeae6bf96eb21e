/**
 * Which token stands in which row of a graph, and which rows a selection of positions and heads means.
 *
 * R rows, B prompts, T query positions, N heads.
 */
import { LabError } from "../../base/errors.ts";
import type { ModelConfig } from "../model-config.ts";
import type { HookPoint } from "../hook-points.ts";
import { headsAt, isAfterLastAttention, partsOf, tailOf } from "./names.ts";

/** Positions of a prompt: some of them (negative ones count from its end), or a range without its end. */
export type Positions = readonly number[] | { from?: number | undefined; to?: number | undefined };

/** A token of a batch. */
export interface Token {
  prompt: number;
  position: number;
}

/**
 * Where the scores and patterns of a batch lie: `[B, N, T, S]`, with the tokens of its B·T queries; or one such tensor for
 * each sequence.
 */
export type Arrangement =
  | { kind: "within"; length: number; tokens: readonly (Token | undefined)[] }
  | { kind: "apart"; sequences: readonly { start: number; rows: number }[] };

export interface RowLayout {
  /** The token of each row; undefined for padding. */
  rows: readonly (Token | undefined)[];
  /** Only these rows go on after the last attention, or after the blocks; all of them where undefined. */
  cut?: { rows: readonly number[]; after: "attention" | "blocks" };
  arrangement: Arrangement;
  /** Tokens of each prompt, from whose end negative positions count. */
  lengths: readonly number[];
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
  config: ModelConfig,
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
    return heads.map((head) => ({ ...token, head, index: i * headsAt(point, config) + head }));
  });
}

function scoreCells(
  { rows, arrangement }: RowLayout,
  config: ModelConfig,
  heads: readonly number[] = Array.from({ length: config.heads }, (_, n) => n),
  sequence = 0,
): Cell[] {
  const tokens = arrangement.kind === "within" ? arrangement.tokens : rows;
  const of = (start: number, length: number, offset: number): Cell[] =>
    heads.flatMap((head) =>
      Array.from({ length }, (_, t): Cell[] => {
        const token = tokens[start + t];
        return token === undefined ? [] : [{ ...token, head, index: offset + head * length + t }];
      }).flat(),
    );
  if (arrangement.kind === "apart") {
    const part = arrangement.sequences[sequence];
    return part === undefined ? [] : of(part.start, part.rows, 0);
  }
  const { length } = arrangement;
  return Array.from({ length: tokens.length / length }, (_, b) =>
    of(b * length, length, b * config.heads * length),
  ).flat();
}

/**
 * The positions that a selection means in a prompt of `length` tokens, in its order.
 *
 * @throws LabError `bad_input` for positions outside the prompt
 */
export function resolvePositions(selection: Positions, length: number, what: string): number[] {
  if (isList(selection)) {
    const wrong = selection.find((p) => !Number.isInteger(p) || p < -length || p >= length);
    if (wrong !== undefined || selection.length === 0)
      throw outside(what, wrong === undefined ? "no positions" : `position ${wrong}`, length);
    return selection.map((p) => fromStart(p, length));
  }
  const [from, to] = rangeOf(selection, length);
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > length || from >= to)
    throw outside(what, `positions ${selection.from ?? 0}…${selection.to ?? length}`, length);
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/**
 * Whether a position belongs to a selection, also behind the end of the prompt, where a text grows.
 *
 * @throws LabError `bad_input` for positions before the start, and with `within` for those behind the end
 */
export function positionFilter(
  selection: Positions,
  length: number,
  { what, within }: { what: string; within: boolean },
): (position: number) => boolean {
  if (within) {
    const found = new Set(resolvePositions(selection, length, what));
    return (position) => found.has(position);
  }
  if (isList(selection)) {
    const wrong = selection.find((p) => p < -length);
    if (wrong !== undefined) throw outside(what, `position ${wrong}`, length);
    const found = new Set(selection.map((p) => fromStart(p, length)));
    return (position) => found.has(position);
  }
  const [from, to] = rangeOf(selection, length);
  if (from < 0) throw outside(what, `positions from ${selection.from}`, length);
  return (position) => position >= from && (selection.to === undefined || position < to);
}

function isList(selection: Positions): selection is readonly number[] {
  return Array.isArray(selection);
}

function fromStart(position: number, length: number): number {
  return position < 0 ? length + position : position;
}

function rangeOf(
  { from = 0, to }: { from?: number | undefined; to?: number | undefined },
  length: number,
): [from: number, to: number] {
  return [fromStart(from, length), to === undefined ? length : fromStart(to, length)];
}

function outside(what: string, asked: string, length: number): LabError {
  return new LabError("bad_input", `${what}: ${asked} of a prompt of ${length} tokens`, {
    hint: `Its positions are 0…${length - 1}, or -1…-${length} from the end; the end of a range does not count.`,
  });
}

/** Heads that exist, as given. */
export function assertHeads(heads: readonly number[], config: ModelConfig, point: HookPoint): void {
  const count = headsAt(point, config);
  const wrong = heads.find((n) => !Number.isInteger(n) || n < 0 || n >= count);
  if (wrong !== undefined || heads.length === 0)
    throw new LabError(
      "bad_input",
      wrong === undefined ? `${point}: no heads are given` : `${point}: there is no head ${wrong}`,
      { hint: `It has ${count} heads, 0…${count - 1}.` },
    );
}

/** Sequences that are longer than the context: what to do is the person's choice, and what was done is counted. */
import { LabError } from "../../base/errors.ts";
import { formatCount } from "../../base/format.ts";

/**
 * - `error`: stop at the first
 * - `cut`: keep the first T tokens
 * - `drop`: leave the example out
 * - `split`: go on in further sequences; each begins with the last token of the one before, which is not learned again
 */
export const OVERFLOWS = ["error", "cut", "drop", "split"] as const;
export type Overflow = (typeof OVERFLOWS)[number];

export interface Sequence {
  ids: readonly number[];
  /** 1 for each id that is to be predicted, else 0. */
  learned: readonly number[];
}

export interface OverflowReport {
  action: Overflow;
  /** Examples that were longer than the context. */
  examples: number;
  /** Those of them that were left out: because that was asked for, or because the part that fits has nothing to learn. */
  dropped: number;
  /** Learned tokens that were left out. */
  lostTokens: number;
  /** The longest of them and where it is. */
  longest?: { file: string; line: number; tokens: number };
}

export class OverflowRule {
  readonly #length: number;
  readonly #report: OverflowReport;

  /** @param length - T, the tokens that the context holds */
  constructor(action: Overflow, length: number) {
    this.#length = length;
    this.#report = { action, examples: 0, dropped: 0, lostTokens: 0 };
  }

  get report(): OverflowReport {
    return this.#report;
  }

  /**
   * The sequences that are trained on in the place of an example's; none where it is left out.
   * Throws `too_long` where that is what was asked for, and `bad_input` for splitting a pair of answers.
   */
  apply(sequences: readonly Sequence[], place: { file: string; line: number }): Sequence[] {
    const tokens = Math.max(...sequences.map(({ ids }) => ids.length));
    if (tokens <= this.#length) return [...sequences];
    this.#count(tokens, place);
    const kept = this.#fit(sequences, { ...place, tokens });
    const learned = (all: readonly Sequence[]): number =>
      all.reduce((sum, sequence) => sum + countLearned(sequence), 0);
    this.#report.lostTokens += learned(sequences) - learned(kept);
    if (kept.length === 0) this.#report.dropped++;
    return kept;
  }

  #count(tokens: number, { file, line }: { file: string; line: number }): void {
    this.#report.examples++;
    if (tokens > (this.#report.longest?.tokens ?? 0)) this.#report.longest = { file, line, tokens };
  }

  #fit(
    sequences: readonly Sequence[],
    { file, line, tokens }: { file: string; line: number; tokens: number },
  ): Sequence[] {
    const { action } = this.#report;
    switch (action) {
      case "error":
        throw new LabError(
          "too_long",
          `${file}:${line}: the example has ${formatCount(tokens)} tokens; the context holds ${formatCount(this.#length)}`,
          {
            hint: "Choose with --on-overflow: cut, drop or split; or train with a longer context.",
          },
        );
      case "drop":
        return [];
      case "cut": {
        const kept = sequences.map((sequence) => slice(sequence, 0, this.#length));
        return kept.every(hasTarget) ? kept : [];
      }
      case "split":
        if (sequences.length > 1)
          throw new LabError("bad_input", `${file}:${line}: a pair of answers cannot be split`, {
            hint: "Choose --on-overflow cut or drop.",
          });
        return sequences.flatMap((sequence) => split(sequence, this.#length)).filter(hasTarget);
    }
  }
}

/** Whether a token after the first is to be learned; the first has nothing to be predicted from. */
function hasTarget({ learned }: Sequence): boolean {
  return learned.includes(1, 1);
}

function countLearned({ learned }: Sequence): number {
  return learned.reduce((sum, bit) => sum + bit, 0);
}

function slice({ ids, learned }: Sequence, start: number, end: number): Sequence {
  return { ids: ids.slice(start, end), learned: learned.slice(start, end) };
}

function split(sequence: Sequence, length: number): Sequence[] {
  const pieces: Sequence[] = [];
  for (let start = 0; start < sequence.ids.length - 1; start += length - 1) {
    const { ids, learned } = slice(sequence, start, start + length);
    pieces.push({ ids, learned: start === 0 ? learned : [0, ...learned.slice(1)] });
  }
  return pieces;
}

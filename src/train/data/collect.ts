/** Rows, rendered and tokenised, into a store: the part of loading that knows the tokenizer. */
import { LabError } from "../../base/errors.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import { Dataset, type DatasetKind } from "./dataset.ts";
import { encodeParts, joinsParts } from "./encode.ts";
import type { Example } from "./forms.ts";
import { OverflowRule, type Overflow, type OverflowReport } from "./overflow.ts";
import type { DataRow } from "./rows.ts";
import { renderExample, type TemplateOptions } from "./template.ts";
import { TokenStore } from "./token-store.ts";

export interface CollectOptions extends TemplateOptions {
  tokenizer: Tokenizer;
  /** T: the tokens of a sequence at most. */
  length: number;
  onOverflow?: Overflow | undefined;
  anyLength?: boolean | undefined;
}

export interface CollectedReport {
  kind: DatasetKind;
  /** Rows that were taken. */
  examples: number;
  /** More than examples for pairs, and where long ones were split. */
  sequences: number;
  tokens: number;
  learnedTokens: number;
  /** Tokens of the longest sequence. */
  longest: number;
  overflow: OverflowReport;
  /** Examples with a border between prompt and answer that the tokenizer would join across (`encode.ts`), and the first. */
  joinedBorders: { count: number; first?: { file: string; line: number } };
}

export class Collector {
  readonly #options: CollectOptions;
  readonly #store: TokenStore;
  readonly #overflow: OverflowRule;
  readonly #joinedBorders: CollectedReport["joinedBorders"] = { count: 0 };
  #kind: DatasetKind | undefined;
  #examples = 0;
  #longest = 0;

  constructor(options: CollectOptions) {
    const { length, tokenizer, onOverflow = "error" } = options;
    if (!Number.isInteger(length) || length < 2)
      throw new LabError("bad_input", `sequences of ${length} tokens: at least 2 are needed`);
    this.#options = options;
    this.#store = new TokenStore(tokenizer.vocabSize);
    this.#overflow = new OverflowRule(onOverflow, length);
  }

  /** Rows that were taken so far. */
  get examples(): number {
    return this.#examples;
  }

  /** Takes a row. Throws `RowProblem` where it cannot be used, `LabError` where the whole data cannot. */
  add(row: DataRow): void {
    const { tokenizer, anyLength = false } = this.#options;
    const example = row.read();
    const parts = renderExample(example, this.#options);
    const kind = this.#kindWith(example, row);
    const encoded = parts.map((sequence) => encodeParts(sequence, tokenizer));
    const unbounded = anyLength && example.kind === "text";
    const kept = unbounded ? encoded : this.#overflow.apply(encoded, row);
    this.#kind = kind;
    if (kept.length === 0) return;
    if (parts.some((sequence, i) => joinsParts(sequence, encoded[i]!, tokenizer)))
      this.#countJoined(row);
    this.#examples++;
    for (const { ids, learned } of kept) {
      this.#store.add(ids, learned);
      this.#longest = Math.max(this.#longest, ids.length);
    }
  }

  finish(): { dataset: Dataset; report: CollectedReport } {
    const { length } = this.#options;
    const kind = this.#kind;
    if (kind === undefined || this.#examples === 0)
      throw new LabError("bad_input", "the data holds no example to train on", {
        hint:
          this.#overflow.report.dropped > 0
            ? `Left out because they are longer than ${length} tokens: ${this.#overflow.report.dropped}. Train with a longer context, or split them (--on-overflow split).`
            : "Check the path, and the columns of the first rows.",
      });
    const store = this.#store;
    const items = kind === "pairs" ? store.sequences / 2 : store.sequences;
    const examples = Uint32Array.from({ length: items }, (_, i) => i);
    return {
      dataset: new Dataset({ kind, store, length, examples }),
      report: {
        kind,
        examples: this.#examples,
        sequences: store.sequences,
        tokens: store.tokens,
        learnedTokens: store.learnedTokens,
        longest: this.#longest,
        overflow: this.#overflow.report,
        joinedBorders: this.#joinedBorders,
      },
    };
  }

  /** What the data is with one example more. Documents and answers may stand together, pairs only among themselves. */
  #kindWith(example: Example, { file, line }: DataRow): DatasetKind {
    const kind = ({ text: "text", conversation: "answers", preference: "pairs" } as const)[
      example.kind
    ];
    const before = this.#kind ?? kind;
    if (kind === before) return kind;
    if (kind !== "pairs" && before !== "pairs") return "answers";
    throw new LabError(
      "bad_input",
      `${file}:${line}: ${kind === "pairs" ? "a pair of answers among other examples" : "no pair of answers, though those before it are"}`,
      { hint: "Preference training takes pairs only; train on other examples separately." },
    );
  }

  #countJoined({ file, line }: DataRow): void {
    this.#joinedBorders.count++;
    this.#joinedBorders.first ??= { file, line };
  }
}

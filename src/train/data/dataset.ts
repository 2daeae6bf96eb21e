/** Tokenised training data, as the batches are made from it. */
import { createHash } from "node:crypto";
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { TokenStore } from "./token-store.ts";

/** - `text`: documents, learned whole; - `answers`: prompts with answers; - `pairs`: a chosen and a rejected answer each */
export type DatasetKind = "text" | "answers" | "pairs";

export class Dataset {
  readonly kind: DatasetKind;
  readonly store: TokenStore;
  /** T: the most tokens that a sequence of a batch has. Those of the store are no longer, unless loaded with `anyLength`. */
  readonly length: number;
  /** Which examples of the store belong to it. An example is a sequence, or two where the kind is `pairs`. */
  readonly examples: Uint32Array;

  constructor(fields: {
    kind: DatasetKind;
    store: TokenStore;
    length: number;
    examples: Uint32Array;
  }) {
    this.kind = fields.kind;
    this.store = fields.store;
    this.length = fields.length;
    this.examples = fields.examples;
  }

  /** Names the data: equal where the tokens, what is learned of them, and their order are. */
  fingerprint(): string {
    return createHash("sha256")
      .update(`${this.kind} ${this.length} ${this.store.fingerprint()}`)
      .update(this.examples)
      .digest("hex");
  }
}

export interface HoldOutOptions {
  /** How many examples to hold out, or below 1 which share of them (rounded to the nearest, at least one). */
  size: number;
  seed: number;
}

/**
 * Takes examples out at random for evaluation; both parts keep the order of the data.
 * Throws `bad_input` where nothing would be left to train on.
 */
export function holdOut(
  dataset: Dataset,
  { size, seed }: HoldOutOptions,
): { train: Dataset; held: Dataset } {
  const { examples } = dataset;
  const count = size > 0 && size < 1 ? Math.max(1, Math.round(size * examples.length)) : size;
  if (!(Number.isInteger(count) && count >= 1 && count < examples.length))
    throw new LabError(
      "bad_input",
      `${size} of ${examples.length} examples cannot be held out for evaluation`,
      { hint: "Hold out at least one and leave at least one, or give a share such as 0.1." },
    );
  const chosen = new Set(new Random(seed).permutation(examples.length).subarray(0, count));
  const part = (isHeld: boolean): Dataset =>
    new Dataset({ ...dataset, examples: examples.filter((_, i) => chosen.has(i) === isHeld) });
  return { train: part(false), held: part(true) };
}

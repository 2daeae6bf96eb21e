/**
 * Batches of training data in an order that a seed decides. A stream can say where it stands and be put there again: the
 * batches that follow are then the same, which is what makes a resumed run exact.
 *
 * B sequences in a batch, T tokens in a sequence; everything is `[B, T]`, row by row.
 */
import { createHash } from "node:crypto";
import { invariant, LabError } from "../../base/errors.ts";
import { formatCount } from "../../base/format.ts";
import { IGNORED } from "../../tensor/targets.ts";
import type { Dataset } from "./dataset.ts";
import { planEpoch, type EpochPlan, type Piece } from "./epoch.ts";
import type { Packing } from "./packing.ts";

/** - `pad`: fill it up with empty sequences - `drop`: leave its sequences out of this epoch - `short`: have fewer sequences */
export const LAST_BATCHES = ["pad", "drop", "short"] as const;
export type LastBatch = (typeof LAST_BATCHES)[number];

export interface BatchOptions {
  /** Sequences in a batch; pairs, where the data is pairs. */
  batchSize: number;
  packing?: Packing;
  /** Whether sequences that share a row see each other (and positions run on). Default false: each stands for itself. */
  attendAcross?: boolean;
  /** Default true. */
  shuffle?: boolean;
  seed?: number;
  /** How often the data is gone through; `Infinity` where something else ends the run. Default 1. */
  epochs?: number;
  /** What becomes of the sequences at the end of an epoch that fill no batch. Default `pad`. */
  lastBatch?: LastBatch;
  /**
   * Without packing, T is the longest sequence of the batch rounded up to this, so that graphs are few and padding is
   * little. Default 32. Packed batches always have the data's T.
   */
  lengthMultiple?: number;
  /** The token that padding is made of. Nothing sees it; default 0. */
  paddingId?: number;
}

export interface Batch {
  /** B. For pairs twice the pairs: all chosen answers, then the rejected ones in the same order. */
  sequences: number;
  /** T */
  length: number;
  ids: Int32Array;
  /** The token to predict at each place, or `IGNORED`. */
  targets: Int32Array;
  /** Places within the sequence that a token belongs to, or within the row where sequences see each other. */
  positions: Int32Array;
  /** Which sequence of the row a token belongs to, from 0; -1 is padding. */
  documents: Int32Array;
  /** Tokens that are no padding. */
  tokens: number;
  /** Targets that are not `IGNORED`. */
  learned: number;
  /** The pass over the data, from 0, and the batch in it, from 0. */
  epoch: number;
  index: number;
}

/** Where a stream stands, as JSON. */
export interface BatchPosition {
  /** Of the data and of all options that decide which batches there are. */
  fingerprint: string;
  epoch: number;
  /** The next batch of this epoch. */
  batch: number;
}

/** Batches in an order that a seed decides; it can say where it stands and be put there again. */
export class BatchStream implements Iterable<Batch> {
  readonly batchesPerEpoch: number;
  /** Whether rows hold several sequences that must not see each other, so that each row needs a mask of its own. */
  readonly masksRows: boolean;
  readonly #dataset: Dataset;
  readonly #options: Required<BatchOptions>;
  #plan: { epoch: number; rows: EpochPlan };
  #epoch = 0;
  #batch = 0;
  #fingerprint: string | undefined;

  /** Throws `bad_input` for options that do not go with the data, or data that fills no batch. */
  constructor(dataset: Dataset, options: BatchOptions) {
    this.#dataset = dataset;
    this.#options = {
      packing: "none",
      attendAcross: false,
      shuffle: true,
      seed: 0,
      epochs: 1,
      lastBatch: "pad",
      lengthMultiple: 32,
      paddingId: 0,
      ...options,
    };
    const { packing, attendAcross, batchSize, lastBatch } = this.#options;
    checkOptions(dataset, this.#options);
    this.masksRows = packing !== "none" && !attendAcross;
    this.#plan = { epoch: 0, rows: planEpoch(dataset, 0, this.#options) };
    const groups = this.#plan.rows.rows / this.#rowsPerItem;
    this.batchesPerEpoch = (lastBatch === "drop" ? Math.floor : Math.ceil)(groups / batchSize);
    if (this.batchesPerEpoch === 0)
      throw new LabError(
        "bad_input",
        `the data makes ${formatCount(groups)} sequences, fewer than a batch of ${batchSize}`,
        { hint: "Use smaller batches, or keep the last batch of an epoch (--last-batch pad)." },
      );
  }

  /** Of all epochs. */
  get totalBatches(): number {
    return this.batchesPerEpoch * this.#options.epochs;
  }

  /** How often the data has been gone through, with the part of this epoch. */
  get epoch(): number {
    return this.#epoch + this.#batch / this.batchesPerEpoch;
  }

  /** The next batch; undefined when all epochs are over. */
  next(): Batch | undefined {
    if (this.#batch === this.batchesPerEpoch) {
      this.#epoch++;
      this.#batch = 0;
    }
    if (this.#epoch >= this.#options.epochs) return undefined;
    return this.#build(this.#batch++);
  }

  *[Symbol.iterator](): Iterator<Batch, void> {
    for (let batch = this.next(); batch !== undefined; batch = this.next()) yield batch;
  }

  state(): BatchPosition {
    return { fingerprint: this.#identity(), epoch: this.#epoch, batch: this.#batch };
  }

  /** Puts the stream where another stood. Throws `bad_input` where that one had other data or options. */
  restore({ fingerprint, epoch, batch }: BatchPosition): void {
    if (fingerprint !== this.#identity())
      throw new LabError("bad_input", "the data, or how it is batched, is not what it was", {
        hint: "A run is resumed with the same files, tokenizer and data options; otherwise begin a new one.",
      });
    invariant(
      batch >= 0 && batch <= this.batchesPerEpoch && epoch >= 0,
      "a position is in the data",
    );
    this.#epoch = epoch;
    this.#batch = batch;
  }

  get #rowsPerItem(): number {
    return this.#dataset.kind === "pairs" ? 2 : 1;
  }

  /** Epochs may be added to a run, so they are no part of what it is. */
  #identity(): string {
    const { epochs: _, ...options } = this.#options;
    const named = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
    this.#fingerprint ??= createHash("sha256")
      .update(JSON.stringify([this.#dataset.fingerprint(), named]))
      .digest("hex");
    return this.#fingerprint;
  }

  #build(index: number): Batch {
    const { batchSize, packing, lastBatch, lengthMultiple } = this.#options;
    if (this.#plan.epoch !== this.#epoch)
      this.#plan = {
        epoch: this.#epoch,
        rows: planEpoch(this.#dataset, this.#epoch, this.#options),
      };
    const { rows } = this.#plan;
    const perItem = this.#rowsPerItem;
    const first = index * batchSize;
    const filled = Math.min(batchSize, rows.rows / perItem - first);
    const items = lastBatch === "short" ? filled : batchSize;
    // Pairs stand in the plan one after the other, in the batch in two halves.
    const contents = Array.from({ length: filled * perItem }, (_, i) => ({
      row: Math.floor(i / perItem) + (i % perItem) * items,
      pieces: rows.pieces(first * perItem + i),
    }));
    const longest = Math.max(...contents.map(({ pieces }) => lengthOf(pieces)));
    const rounded = Math.ceil(longest / lengthMultiple) * lengthMultiple;
    const { length: most } = this.#dataset;
    const batch = this.#empty(items * perItem, packing === "none" ? Math.min(rounded, most) : most);
    for (const { row, pieces } of contents) this.#fill(batch, row, pieces);
    return { ...batch, epoch: this.#epoch, index };
  }

  #empty(sequences: number, length: number): Batch {
    const size = sequences * length;
    return {
      sequences,
      length,
      ids: new Int32Array(size).fill(this.#options.paddingId),
      targets: new Int32Array(size).fill(IGNORED),
      positions: new Int32Array(size),
      documents: new Int32Array(size).fill(-1),
      tokens: 0,
      learned: 0,
      epoch: 0,
      index: 0,
    };
  }

  #fill(batch: Batch, row: number, pieces: readonly Piece[]): void {
    const { store } = this.#dataset;
    const rowStart = row * batch.length;
    let at = rowStart;
    pieces.forEach(({ start, length, end, next }, document) => {
      const origin = this.#options.attendAcross ? rowStart : at;
      for (let token = start; token < start + length; token++, at++) {
        const target = token + 1 < end ? token + 1 : next;
        batch.ids[at] = store.id(token);
        batch.positions[at] = at - origin;
        batch.documents[at] = document;
        if (target < 0 || !store.isLearned(target)) continue;
        batch.targets[at] = store.id(target);
        batch.learned++;
      }
    });
    batch.tokens += at - rowStart;
  }
}

function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function checkOptions(
  { kind, store, length, examples }: Dataset,
  options: Required<BatchOptions>,
): void {
  const { batchSize, packing, epochs, lengthMultiple } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new LabError("bad_input", `a batch of ${batchSize} sequences`);
  if (!Number.isInteger(lengthMultiple) || lengthMultiple < 1)
    throw new LabError("bad_input", `lengths cannot be multiples of ${lengthMultiple}`);
  if (!(epochs === Infinity || (Number.isInteger(epochs) && epochs >= 1)))
    throw new LabError("bad_input", `${epochs} epochs: a whole number from 1 on is needed`);
  if (kind === "pairs" && packing !== "none")
    throw new LabError("bad_input", "pairs of answers cannot be packed", {
      hint: "Leave --packing out.",
    });
  if (packing === "wrapped" && kind !== "text")
    throw new LabError("bad_input", "answers cannot be wrapped: they would lose their prompts", {
      hint: "Use --packing bfd, which keeps examples whole.",
    });
  if (packing === "wrapped" || kind === "pairs") return;
  const long = examples.find((sequence) => store.length(sequence) > length);
  invariant(long === undefined, "data that is not wrapped was loaded with a bound on its length");
}

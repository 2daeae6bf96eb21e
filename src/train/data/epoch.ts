/** One pass over the data: which tokens stand in which row. The same seed and epoch give the same plan. */
import { Random } from "../../base/random.ts";
import type { Dataset } from "./dataset.ts";
import { packBestFit, packInOrder, type Groups, type Packing } from "./packing.ts";

/** A stretch of a sequence of the store, in a row. Offsets count all tokens of the store. */
export interface Piece {
  start: number;
  length: number;
  /** Where the sequence ends that it belongs to: up to there, a token's target is the one that follows. */
  end: number;
  /** The token after the end, where sequences run on into each other; -1 where nothing follows. */
  next: number;
}

export interface EpochPlan {
  readonly rows: number;
  /** What stands in a row, from left to right; pairs have a row for the chosen answer and then one for the rejected. */
  pieces(row: number): Piece[];
}

export interface EpochOptions {
  packing: Packing;
  /** Whether the last token of a sequence is to predict the first of the one after it. */
  attendAcross: boolean;
  shuffle: boolean;
  seed: number;
}

export function planEpoch(dataset: Dataset, epoch: number, options: EpochOptions): EpochPlan {
  const { packing, shuffle, seed } = options;
  const random = new Random(seed).split(epoch);
  const { examples, store, length } = dataset;
  const shuffled = (): Uint32Array =>
    shuffle ? random.permutation(examples.length).map((i) => examples[i]!) : examples;
  switch (packing) {
    case "none":
      return rowForEach(dataset, shuffled());
    case "wrapped":
      return wrappedRows(dataset, shuffled(), options);
    case "bfd":
    case "ordered": {
      // Neighbours in the data stay neighbours in order; by best fit, equally long sequences change places.
      const order = packing === "bfd" ? shuffled() : examples;
      const pack = packing === "bfd" ? packBestFit : packInOrder;
      const lengths = order.map((sequence) => store.length(sequence));
      const groups = pack(lengths, length);
      const rows = groups.starts.length - 1; // the same in every epoch
      const rowOrder = shuffle ? random.split(0).permutation(rows) : undefined;
      return groupedRows(dataset, order, { ...options, groups, rowOrder });
    }
  }
}

function wholePiece({ store }: Dataset, sequence: number): Piece {
  const start = store.start(sequence);
  const length = store.length(sequence);
  return { start, length, end: start + length, next: -1 };
}

function rowForEach(dataset: Dataset, order: Uint32Array): EpochPlan {
  const perExample = dataset.kind === "pairs" ? 2 : 1;
  return {
    rows: order.length * perExample,
    pieces: (row) => {
      const sequence = order[Math.floor(row / perExample)]! * perExample + (row % perExample);
      return [wholePiece(dataset, sequence)];
    },
  };
}

function groupedRows(
  dataset: Dataset,
  order: Uint32Array,
  {
    groups: { items, starts },
    rowOrder,
    attendAcross,
  }: EpochOptions & { groups: Groups; rowOrder: Uint32Array | undefined },
): EpochPlan {
  return {
    rows: starts.length - 1,
    pieces: (row) => {
      const group = rowOrder?.[row] ?? row;
      const pieces = Array.from(items.subarray(starts[group], starts[group + 1]), (item) =>
        wholePiece(dataset, order[item]!),
      );
      if (attendAcross) pieces.forEach((piece, i) => (piece.next = pieces[i + 1]?.start ?? -1));
      return pieces;
    },
  };
}

/** Rows of T tokens each, cut from all sequences laid end to end; the very last token has nothing to predict. */
function wrappedRows(
  { store, length }: Dataset,
  order: Uint32Array,
  { attendAcross }: EpochOptions,
): EpochPlan {
  /** Where each sequence begins when they are laid end to end. */
  const offsets = new Float64Array(order.length + 1);
  for (let i = 0; i < order.length; i++) offsets[i + 1] = offsets[i]! + store.length(order[i]!);
  const total = offsets.at(-1)! - 1;
  return {
    rows: Math.ceil(total / length),
    pieces: (row) => {
      const pieces: Piece[] = [];
      const rowEnd = Math.min((row + 1) * length, total);
      let at = row * length;
      for (let i = lastAtMost(offsets, at); at < rowEnd; i++) {
        const start = store.start(order[i]!);
        const stop = Math.min(offsets[i + 1]!, rowEnd);
        const following = order[i + 1];
        pieces.push({
          start: start + at - offsets[i]!,
          length: stop - at,
          end: start + store.length(order[i]!),
          next: attendAcross && following !== undefined ? store.start(following) : -1,
        });
        at = stop;
      }
      return pieces;
    },
  };
}

/** Index of the last of ascending values that is at most `value`; the first is. */
function lastAtMost(values: Float64Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= value) low = middle;
    else high = middle;
  }
  return low;
}

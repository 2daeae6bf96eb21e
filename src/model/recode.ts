/** A parameter's values from one element type to another, a chunk of rows at a time: memory does not grow with the model. */
import { availableParallelism } from "node:os";
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { readTensor } from "../checkpoint/open.ts";
import type { TensorEntry } from "../checkpoint/types.ts";
import { isQuantized, rowBytes, type DType } from "../engine/dtypes.ts";
import { dequantizeRows, quantizeRows } from "../engine/quantize.ts";
import type { RowRange } from "./layouts.ts";
import { rowsOf, type ParameterSource } from "./parameters.ts";

/** Values per chunk: 16 MB as f32. As many chunks are in work at a time as there are processors, up to four. */
const CHUNK_VALUES = 1 << 22;
const MAX_CHUNKS = 4;

/** Larger numbers round to infinity in 16 bits. */
const F16_LARGEST = 65_519.996;

/** Changes rows of a parameter in place; `firstRow` counts from the parameter's own first row. */
export type RowChange = (rows: Float32Array, firstRow: number) => Promise<void>;

/**
 * The bytes of `source` as `dtype`, in order.
 *
 * @param change - what is done to the values on the way
 * @throws LabError `corrupt_file` for values that are no numbers where the type cannot hold them, `bad_input` for
 *   values too large for f16, `interrupted`
 */
export async function* recode(
  source: ParameterSource,
  dtype: DType,
  { signal, change }: { signal?: AbortSignal | undefined; change?: RowChange | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { entry } = source;
  const { rowLength, ranges } = rowsOf(source);
  const rowSize = rowBytes(entry.dtype, rowLength);
  const convert = async ({ start, count, done }: Chunk) => {
    throwIfInterrupted(signal);
    const bytes = await readTensor(entry, {
      start: start * rowSize,
      end: (start + count) * rowSize,
    });
    if (dtype === entry.dtype && change === undefined) return bytes;
    const values = dequantizeRows(entry.dtype, bytes, count * rowLength);
    await change?.(values, done);
    requireRepresentable(values, entry, dtype);
    return quantizeRows(dtype, values, rowLength);
  };
  yield* inOrder(chunksOf(ranges, Math.max(1, Math.floor(CHUNK_VALUES / rowLength))), convert);
}

interface Chunk extends RowRange {
  /** Rows of the parameter before it. */
  done: number;
}

function* chunksOf(ranges: readonly RowRange[], rowsAtOnce: number): Generator<Chunk> {
  let done = 0;
  for (const range of ranges)
    for (let at = 0; at < range.count; at += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, range.count - at);
      yield { start: range.start + at, count, done };
      done += count;
    }
}

/** Runs `work` on several items at a time and yields the results in the order of the items. */
async function* inOrder<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const atOnce = Math.min(MAX_CHUNKS, availableParallelism());
  const pending: Promise<R>[] = [];
  try {
    for (const item of items) {
      pending.push(work(item));
      const first = pending.length < atOnce ? undefined : pending.shift();
      if (first !== undefined) yield await first;
    }
    while (pending.length > 0) yield (await pending.shift()) as R;
  } finally {
    await Promise.allSettled(pending);
  }
}

/** Quantised blocks cannot hold NaN and infinity, of which one spoils its whole block; f16 ends at 65,504. */
function requireRepresentable(
  values: Float32Array,
  { name, file }: TensorEntry,
  dtype: DType,
): void {
  const quantized = isQuantized(dtype);
  if (!quantized && dtype !== "f16") return;
  const found = firstBeyond(values, quantized ? Number.MAX_VALUE : F16_LARGEST);
  if (found === undefined) return;
  if (quantized)
    throw new LabError(
      "corrupt_file",
      `${file}: ${name} holds ${found}, which ${dtype} cannot hold`,
      { hint: "A model with such weights has diverged in training or is damaged." },
    );
  // f16 has NaN and infinities of its own.
  const tooLarge = values.find((v) => Math.abs(v) > F16_LARGEST && Number.isFinite(v));
  if (tooLarge === undefined) return;
  throw new LabError("bad_input", `${file}: ${name} holds ${tooLarge}, too large for f16`, {
    hint: "Choose bf16 or f32.",
  });
}

/** The first value whose magnitude is not at most `largest`, which NaN never is. A loop: there are billions. */
function firstBeyond(values: Float32Array, largest: number): number | undefined {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(Math.abs(value) <= largest)) return value;
  }
  return undefined;
}

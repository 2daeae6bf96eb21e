/** Random calls of the quantised product between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import koffi from "koffi";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import { dequantizeRows } from "../../src/engine/quantize.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "../../src/kernels/weight-formats.ts";
import {
  GuardedMemory,
  KernelCaller,
  readFloats,
  writeFloats,
  type Placed,
} from "./guarded-memory.ts";

export interface QuantizedCase {
  type: WeightType;
  /** K */
  inner: number;
  /** M */
  columns: number;
  /** N of each call with this shape. */
  rows: readonly number[];
  /** Values between the rows of x. */
  gap: number;
  threads: number;
  at: "start" | "end";
  seed: number;
}

export function quantizedCases(calls: number): fc.Arbitrary<QuantizedCase> {
  return fc
    .record({
      type: fc.constantFrom(...(Object.keys(WEIGHT_FORMATS) as WeightType[])),
      blocks: fc.integer({ min: 1, max: 5 }),
      groups: fc.integer({ min: 1, max: 4 }),
      rows: fc.array(fc.integer({ min: 1, max: 70 }), { minLength: calls, maxLength: calls }),
      gap: fc.constantFrom(0, 0, 3),
      threads: fc.integer({ min: 1, max: 3 }),
      at: fc.constantFrom("start" as const, "end" as const),
      seed: fc.nat(1000),
    })
    .map(({ blocks, groups, ...rest }) => {
      const { blockSize } = WEIGHT_FORMATS[rest.type];
      const count = blockSize === 256 ? Math.ceil(blocks / 2) : blocks;
      return { ...rest, inner: count * blockSize, columns: groups * GROUP_ROWS };
    });
}

const random = new Random(1);
const NOISE = Float32Array.from({ length: 2 ** 16 }, () => random.uniform() - 0.5);
const BYTES = Uint8Array.from({ length: 2 ** 17 }, () => Math.floor(256 * random.uniform()));
const memory = {
  w: new GuardedMemory(2 ** 17),
  packed: new GuardedMemory(2 ** 17),
  x: new GuardedMemory(2 ** 18),
  bytes: new GuardedMemory(2 ** 17),
  y: new GuardedMemory(2 ** 18),
  scratch: new GuardedMemory(2 ** 19),
};
const caller = new KernelCaller();
const packType = koffi.proto("void", ["void *", "int", "int", "void *"]);

/** Any bytes are weights, but the 16-bit scales must be numbers of a usual size. */
function randomWeights(type: WeightType, placed: Placed, seed: number): void {
  placed.bytes.set(BYTES.subarray(seed, seed + placed.bytes.length));
  const { blockBytes } = WEIGHT_FORMATS[type];
  const scales = { q8_0: [0], q4_0: [0], q4_k: [0, 2], q5_k: [0, 2], q6_k: [208] }[type];
  for (let block = 0; block < placed.bytes.length; block += blockBytes)
    for (const at of scales) {
      // 0.5 … 2 and −0.5 … −2 times 2⁻⁸ as f16.
      const byte = placed.bytes[block + at + 1] ?? 0;
      placed.bytes[block + at + 1] = (byte & 0x87) | 0x18;
    }
}

/** Rounds halves to even, as the processor does. */
function roundEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/** What is left of a row of activations: integers times a scale for each block. */
function roundedRow(x: Float32Array, blockSize: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += blockSize) {
    const block = x.subarray(start, start + blockSize);
    const most = Math.max(...block.map(Math.abs), 1e-30);
    const inverse = Math.fround(127 / most);
    const scale = Math.fround(most * Math.fround(1 / 127));
    block.forEach((v, i) => (out[start + i] = roundEven(Math.fround(v * inverse)) * scale));
  }
  return out;
}

/** Packs random weights; their values beside them. */
function packWeights(
  kernels: Kernels,
  { type, inner, columns, threads, at, seed }: QuantizedCase,
): { packed: Placed; weights: Float32Array } {
  const { blockSize, blockBytes } = WEIGHT_FORMATS[type];
  const pack = kernels.interleave(type, [columns, inner]);
  if (pack === undefined) expect.fail("no kernel");
  const sizeBytes = columns * (inner / blockSize) * blockBytes;
  const w = memory.w.place(sizeBytes, at);
  randomWeights(type, w, seed);
  const packed = memory.packed.place(sizeBytes, at);
  const packing = koffi.decode(pack, packType) as (
    addresses: BigUint64Array,
    thread: number,
    threads: number,
    data: null,
  ) => void;
  for (let thread = 0; thread < threads; thread++)
    packing(BigUint64Array.of(packed.address, w.address), thread, threads, null);
  expect(packed.isUntouchedOutside()).toBe(true);
  return { packed, weights: dequantizeRows(type, Uint8Array.from(w.bytes), columns * inner) };
}

/** The largest error of values in units of the sum of their terms' magnitudes. */
function worstError(
  found: Float32Array,
  { columns, inner }: { columns: number; inner: number },
  term: (row: number, column: number, i: number) => number,
): number {
  let worst = 0;
  for (const [at, value] of found.entries()) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let [sum, size] = [0, 0];
    for (let i = 0; i < inner; i++) {
      const part = term(row, column, i);
      sum += part;
      size += Math.abs(part);
    }
    worst = Math.max(worst, Math.abs(sum - value) / (1e-6 + size));
  }
  return worst;
}

/**
 * Packs weights, quantises rows and multiplies: every value is right, rows have the same bits however many there are, and no
 * byte beside the results has changed.
 */
export function checkQuantizedProduct(kernels: Kernels, test: QuantizedCase): void {
  const { type, inner, columns, gap, threads, at, seed } = test;
  const rowStride = 4 * (inner + gap);
  const { packed, weights } = packWeights(kernels, test);
  let before: Float32Array = new Float32Array();
  const quantize = kernels.quantizeRows(type, inner, rowStride);
  const multiply = kernels.quantizedProduct(type, [columns, inner], {
    rows: Math.max(...test.rows),
    threads,
  });
  if (quantize === undefined || multiply === undefined) expect.fail("no kernel");
  const { pitch } = quantize;
  for (const rows of test.rows) {
    const x = memory.x.place((rows - 1) * rowStride + 4 * inner, at);
    const values = NOISE.subarray(seed, seed + x.bytes.length / 4);
    writeFloats(x, values);
    const bytes = memory.bytes.place(rows * pitch, at);
    caller.call(quantize.address, {
      out: { address: bytes.address, ne: [pitch, rows] },
      inputs: [x],
      threads,
    });
    const y = memory.y.place(4 * rows * columns, at);
    const scratch = memory.scratch.place(multiply.scratchBytes, at);
    caller.call(multiply.address, {
      out: { address: y.address, ne: [columns, rows] },
      inputs: [packed, bytes, scratch],
      threads,
    });
    const placed = [bytes, y, scratch];
    expect(placed.every((memory) => memory.isUntouchedOutside())).toBe(true);
    const results = readFloats(y);
    const shared = Math.min(results.length, before.length);
    expect(results.subarray(0, shared)).toEqual(before.subarray(0, shared));
    before = results;
    const activations = Array.from({ length: rows }, (_, n) => {
      const start = (n * rowStride) / 4;
      return roundedRow(values.subarray(start, start + inner), quantize.block);
    });
    const worst = worstError(
      results,
      { columns, inner },
      (n, m, k) => (activations[n]?.[k] ?? NaN) * (weights[m * inner + k] ?? NaN),
    );
    expect(worst).toBeLessThan(3e-6);
  }
}

/** Packs weights and multiplies along their rows, y = x · w, as gradients do. */
export function checkTransposedProduct(kernels: Kernels, test: QuantizedCase): void {
  const { type, inner, columns, gap, threads, at, seed } = test;
  const { blockSize, blockBytes } = WEIGHT_FORMATS[type];
  const rowStride = 4 * (columns + gap);
  const { packed, weights } = packWeights(kernels, test);
  const multiply = kernels.f32Product(
    {
      inner: columns,
      columns: inner,
      a: { rowStride, innerStride: 4, batchStrides: [0, 0] },
      b: {
        innerStride: (inner / blockSize) * blockBytes,
        columnStride: (GROUP_ROWS * blockBytes) / blockSize,
        batchStrides: [0, 0],
        packed: type,
      },
      batch: [1, 1],
      shared: [1, 1],
      rowPieces: threads,
    },
    threads,
  );
  if (multiply === undefined) expect.fail("no kernel");
  for (const rows of test.rows) {
    const x = memory.x.place((rows - 1) * rowStride + 4 * columns, at);
    const values = NOISE.subarray(seed, seed + x.bytes.length / 4);
    writeFloats(x, values);
    const y = memory.y.place(4 * rows * inner, at);
    const scratch = memory.scratch.place(multiply.scratchBytes, at);
    caller.call(multiply.address, {
      out: { address: y.address, ne: [inner, rows] },
      inputs: [x, packed, scratch],
      threads,
    });
    expect([y, scratch].every((placed) => placed.isUntouchedOutside())).toBe(true);
    const worst = worstError(
      readFloats(y),
      { columns: inner, inner: columns },
      (n, k, m) => (values[(n * rowStride) / 4 + m] ?? NaN) * (weights[m * inner + k] ?? NaN),
    );
    expect(worst).toBeLessThan(3e-6);
  }
}

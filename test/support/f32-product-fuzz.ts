/** Random calls of the f32 product between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import { dequantizeRows } from "../../src/engine/quantize.ts";
import { elementBytes, type ProductShape } from "../../src/kernels/f32-shape.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import type { VectorLevel } from "../../src/kernels/vector-level.ts";
import { GuardedMemory, KernelCaller, readFloats, writeFloats } from "./guarded-memory.ts";

const MEMORY_BYTES = 2 ** 22;

export interface ProductCase {
  shape: ProductShape;
  /** Rows of each call with this shape. */
  rows: readonly number[];
  threads: number;
  at: "start" | "end";
  seed: number;
}

/** Sizes around the edges of vectors, tiles, panels and steps. */
const size = (max: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max }),
    fc.constantFrom(8, 16, 17, 32, 63, 64, 65).map((n) => Math.min(n, max)),
  );

/** @param options.pairs - whether values are pairs of bf16 numbers */
export function productCases(
  calls: number,
  { level, pairs = false }: { level: VectorLevel; pairs?: boolean },
): fc.Arbitrary<ProductCase> {
  return fc
    .record({
      inner: fc.oneof(size(70), fc.constantFrom(128, 129, 512, 513, 1030)),
      columns: size(150),
      turnedA: fc.boolean(),
      turnedB: fc.boolean(),
      half: level === "avx512" && !pairs ? fc.boolean() : fc.constant(false),
      interleaved: fc.boolean(),
      gap: fc.constantFrom(0, 0, 1, 5),
      batch: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
      isShared: fc.tuple(fc.boolean(), fc.boolean()),
      rowPieces: fc.constantFrom(1, 1, 2, 3),
      rows: fc.array(size(110), { minLength: calls, maxLength: calls }),
      threads: fc.integer({ min: 1, max: 3 }),
      at: fc.constantFrom("start" as const, "end" as const),
      seed: fc.nat(1000),
    })
    .map(({ turnedA, turnedB, half, gap, isShared, rows, threads, at, seed, ...shape }) => {
      const { inner, columns, batch } = shape;
      const a = matrix(Math.max(...rows), inner, { turned: turnedA, gap, valueBytes: 4 });
      const b = matrix(inner, columns, { turned: turnedB, gap, valueBytes: half ? 2 : 4 });
      const shared = [isShared[0] ? batch[0] : 1, isShared[1] ? batch[1] : 1] as const;
      const bBatch = [batch[0] / shared[0], batch[1] / shared[1]] as const;
      return {
        shape: {
          ...shape,
          ...(pairs ? { pairs } : {}),
          a: {
            rowStride: a.first,
            innerStride: a.second,
            batchStrides: [a.bytes * batch[1], a.bytes] as const,
          },
          b: {
            innerStride: b.first,
            columnStride: b.second,
            batchStrides: [b.bytes * bBatch[1], b.bytes] as const,
            half,
          },
          shared,
        },
        rows,
        threads,
        at,
        seed,
      };
    });
}

/** Byte strides of a matrix whose rows (or columns, turned) lie `gap` values apart. */
function matrix(
  rows: number,
  columns: number,
  { turned, gap, valueBytes }: { turned: boolean; gap: number; valueBytes: number },
): { first: number; second: number; bytes: number } {
  const pitch = valueBytes * ((turned ? rows : columns) + gap);
  return {
    first: turned ? valueBytes : pitch,
    second: turned ? pitch : valueBytes,
    bytes: pitch * (turned ? columns : rows),
  };
}

const random = new Random(1);
const NOISE = Float32Array.from({ length: 2 ** 20 + 2048 }, () => random.uniform() - 0.5);
/** f16 values from 2⁻³ to 1, and what they are. */
const HALVES = Uint8Array.from({ length: MEMORY_BYTES / 2 }, (_, i) =>
  i % 2 === 0 ? Math.floor(256 * random.uniform()) : 0x30 + Math.floor(12 * random.uniform()),
);
const HALF_VALUES = dequantizeRows("f16", HALVES, HALVES.length / 2);
/** Two bf16 numbers in 32 bits, and what they are. */
const NOISE_BITS = new Uint32Array(NOISE.buffer);
const PAIRS = NOISE_BITS.map(
  (bits, i) => (bits & 0xffff0000) | ((NOISE_BITS[(i + 7) % NOISE.length] ?? 0) >>> 16),
);
const PAIR_VALUES = [
  new Float32Array(PAIRS.map((bits) => bits << 16).buffer),
  new Float32Array(PAIRS.map((bits) => bits & 0xffff0000).buffer),
] as const;
const memory = { a: new GuardedMemory(MEMORY_BYTES), b: new GuardedMemory(MEMORY_BYTES) };
const results = new GuardedMemory(2 ** 20);
const scratches = new GuardedMemory(2 ** 20);
const caller = new KernelCaller();

/** Runs a kernel for each number of rows: every value is right, and no byte beside the result has changed. */
export function checkProduct(kernels: Kernels, test: ProductCase): void {
  const { shape, threads, at, seed } = test;
  const { inner, columns, batch, shared } = shape;
  const kernel = kernels.f32Product(shape, threads);
  if (kernel === undefined) expect.fail("no kernel");
  const draw = (bytes: number, start: number): Float32Array =>
    NOISE.subarray(start, start + bytes / 4);
  const bCount = (batch[0] / shared[0]) * (batch[1] / shared[1]);
  const extent = (
    rows: number,
    [rowStride, step]: readonly [number, number],
    [n, valueBytes]: readonly [number, number],
  ): number => (rows - 1) * rowStride + (n - 1) * step + valueBytes;
  const bValueBytes = elementBytes(shape);
  for (const rows of test.rows) {
    const batches = batch[0] * batch[1];
    // Not a byte more than the last value's.
    const aBytes =
      shape.a.batchStrides[1] * (batches - 1) +
      extent(rows, [shape.a.rowStride, shape.a.innerStride], [inner, 4]);
    const bBytes =
      shape.b.batchStrides[1] * (bCount - 1) +
      extent(inner, [shape.b.innerStride, shape.b.columnStride], [columns, bValueBytes]);
    const [a, b] = [memory.a.place(aBytes, at), memory.b.place(bBytes, at)];
    const aValues = draw(aBytes, seed);
    let bValues: Float32Array;
    const pairs = (bytes: number, start: number): Uint8Array =>
      new Uint8Array(PAIRS.buffer, 4 * start, bytes);
    if (shape.pairs === true) a.bytes.set(pairs(aBytes, seed));
    else writeFloats(a, aValues);
    if (shape.pairs === true) {
      b.bytes.set(pairs(bBytes, seed + 1));
      bValues = NOISE;
    } else if (shape.b.half === true) {
      b.bytes.set(HALVES.subarray(0, bBytes));
      bValues = HALF_VALUES;
    } else writeFloats(b, (bValues = draw(bBytes, seed + 1)));
    const out = results.place(4 * batches * rows * columns, at);
    const scratch = scratches.place(kernel.scratchBytes, at);
    caller.call(kernel.address, {
      out: {
        address: out.address,
        ne:
          shape.interleaved === true
            ? [columns, batch[1], rows, batch[0]]
            : [columns, rows, batch[1], batch[0]],
      },
      inputs: [a, b, scratch],
      threads,
    });
    const found = readFloats(out);
    expect(out.isUntouchedOutside() && scratch.isUntouchedOutside()).toBe(true);
    const wanted =
      shape.pairs === true
        ? PAIR_VALUES.map((part) =>
            product(shape, rows, part.subarray(seed), part.subarray(seed + 1)),
          ).reduce((low, high) => low.map((value, i) => value + (high[i] ?? NaN)))
        : product(shape, rows, aValues, bValues);
    const worst = found.reduce((m, v, i) => Math.max(m, Math.abs(v - (wanted[i] ?? NaN))), 0);
    expect(worst).toBeLessThan(1e-5 + 6e-7 * inner * (shape.pairs === true ? 2 : 1));
  }
}

/** c(n, m) = Σₖ a(n, k) · b(k, m), in 64 bits. */
function product(
  { inner, columns, a, b, batch, shared, interleaved }: ProductShape,
  rows: number,
  aValues: Float32Array,
  bValues: Float32Array,
): Float64Array {
  const out = new Float64Array(batch[0] * batch[1] * rows * columns);
  const bValueBytes = b.half === true ? 2 : 4;
  for (let outer = 0; outer < batch[0]; outer++)
    for (let middle = 0; middle < batch[1]; middle++) {
      const aStart = outer * a.batchStrides[0] + middle * a.batchStrides[1];
      const bStart =
        Math.floor(outer / shared[0]) * b.batchStrides[0] +
        Math.floor(middle / shared[1]) * b.batchStrides[1];
      for (let n = 0; n < rows; n++)
        for (let m = 0; m < columns; m++) {
          let sum = 0;
          let i = (aStart + n * a.rowStride) / 4;
          let j = (bStart + m * b.columnStride) / bValueBytes;
          const [iStep, jStep] = [a.innerStride / 4, b.innerStride / bValueBytes];
          for (let k = 0; k < inner; k++, i += iStep, j += jStep)
            sum += (aValues[i] ?? NaN) * (bValues[j] ?? NaN);
          const row =
            interleaved === true
              ? (outer * rows + n) * batch[1] + middle
              : (outer * batch[1] + middle) * rows + n;
          out[row * columns + m] = sum;
        }
    }
  return out;
}

/** Random calls of the f32 product between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import type { ProductShape } from "../../src/kernels/f32-product.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
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

export function productCases(calls: number): fc.Arbitrary<ProductCase> {
  return fc
    .record({
      inner: fc.oneof(size(70), fc.constantFrom(128, 129, 512, 513, 1030)),
      columns: size(150),
      turnedA: fc.boolean(),
      turnedB: fc.boolean(),
      gap: fc.constantFrom(0, 0, 1, 5),
      batch: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
      isShared: fc.tuple(fc.boolean(), fc.boolean()),
      rowPieces: fc.constantFrom(1, 1, 2, 3),
      rows: fc.array(size(110), { minLength: calls, maxLength: calls }),
      threads: fc.integer({ min: 1, max: 3 }),
      at: fc.constantFrom("start" as const, "end" as const),
      seed: fc.nat(1000),
    })
    .map(({ inner, columns, turnedA, turnedB, gap, batch, isShared, rowPieces, ...rest }) => {
      const maxRows = Math.max(...rest.rows);
      const a = matrix(maxRows, inner, { turned: turnedA, gap });
      const b = matrix(inner, columns, { turned: turnedB, gap });
      const shared = [isShared[0] ? batch[0] : 1, isShared[1] ? batch[1] : 1] as const;
      const bBatch = [batch[0] / shared[0], batch[1] / shared[1]] as const;
      return {
        shape: {
          inner,
          columns,
          a: {
            rowStride: a.first,
            innerStride: a.second,
            batchStrides: [a.bytes * batch[1], a.bytes] as const,
          },
          b: {
            innerStride: b.first,
            columnStride: b.second,
            batchStrides: [b.bytes * bBatch[1], b.bytes] as const,
          },
          batch,
          shared,
          rowPieces,
        },
        ...rest,
      };
    });
}

/** Byte strides of a matrix whose rows (or columns, turned) lie `gap` values apart. */
function matrix(
  rows: number,
  columns: number,
  { turned, gap }: { turned: boolean; gap: number },
): { first: number; second: number; bytes: number } {
  const pitch = 4 * ((turned ? rows : columns) + gap);
  return {
    first: turned ? 4 : pitch,
    second: turned ? pitch : 4,
    bytes: pitch * (turned ? columns : rows),
  };
}

const random = new Random(1);
const NOISE = Float32Array.from({ length: 2 ** 20 + 2048 }, () => random.uniform() - 0.5);
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
  const extent = (rows: number, [rowStride, step]: readonly [number, number], n: number): number =>
    (rows - 1) * rowStride + (n - 1) * step + 4;
  for (const rows of test.rows) {
    const batches = batch[0] * batch[1];
    // Not a byte more than the last value's.
    const aBytes =
      shape.a.batchStrides[1] * (batches - 1) +
      extent(rows, [shape.a.rowStride, shape.a.innerStride], inner);
    const bBytes =
      shape.b.batchStrides[1] * (bCount - 1) +
      extent(inner, [shape.b.innerStride, shape.b.columnStride], columns);
    const [a, b] = [memory.a.place(aBytes, at), memory.b.place(bBytes, at)];
    const [aValues, bValues] = [draw(aBytes, seed), draw(bBytes, seed + 1)];
    writeFloats(a, aValues);
    writeFloats(b, bValues);
    const out = results.place(4 * batches * rows * columns, at);
    const scratch = scratches.place(kernel.scratchBytes, at);
    caller.call(kernel.address, {
      out: { address: out.address, ne: [columns, rows, batch[1], batch[0]] },
      inputs: [a, b, scratch],
      threads,
    });
    const found = readFloats(out);
    expect(out.isUntouchedOutside() && scratch.isUntouchedOutside()).toBe(true);
    const wanted = product(shape, rows, aValues, bValues);
    const worst = found.reduce((m, v, i) => Math.max(m, Math.abs(v - (wanted[i] ?? NaN))), 0);
    expect(worst).toBeLessThan(1e-5 + 3e-7 * inner);
  }
}

/** c(n, m) = Σₖ a(n, k) · b(k, m), in 64 bits. */
function product(
  { inner, columns, a, b, batch, shared }: ProductShape,
  rows: number,
  aValues: Float32Array,
  bValues: Float32Array,
): Float64Array {
  const out = new Float64Array(batch[0] * batch[1] * rows * columns);
  let at = 0;
  for (let outer = 0; outer < batch[0]; outer++)
    for (let middle = 0; middle < batch[1]; middle++) {
      const aStart = outer * a.batchStrides[0] + middle * a.batchStrides[1];
      const bStart =
        Math.floor(outer / shared[0]) * b.batchStrides[0] +
        Math.floor(middle / shared[1]) * b.batchStrides[1];
      for (let n = 0; n < rows; n++)
        for (let m = 0; m < columns; m++) {
          let sum = 0;
          let [i, j] = [(aStart + n * a.rowStride) / 4, (bStart + m * b.columnStride) / 4];
          for (let k = 0; k < inner; k++, i += a.innerStride / 4, j += b.innerStride / 4)
            sum += (aValues[i] ?? NaN) * (bValues[j] ?? NaN);
          out[at++] = sum;
        }
    }
  return out;
}

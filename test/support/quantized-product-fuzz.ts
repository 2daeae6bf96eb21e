/** Random calls of the quantised product between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import koffi from "koffi";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import { dequantizeRows } from "../../src/engine/quantize.ts";
import { activationLayout } from "../../src/kernels/activations.ts";
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
  y: new GuardedMemory(2 ** 16),
  scratch: new GuardedMemory(2 ** 17),
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

/** What is left of a row of activations: integers times a scale for each 32. */
function roundedRow(x: Float32Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += 32) {
    const block = x.subarray(start, start + 32);
    const most = Math.max(...block.map(Math.abs), 1e-30);
    const inverse = Math.fround(127 / most);
    const scale = Math.fround(most * Math.fround(1 / 127));
    block.forEach((v, i) => (out[start + i] = roundEven(Math.fround(v * inverse)) * scale));
  }
  return out;
}

/** Packs weights, quantises rows and multiplies: every value is right, and no byte beside the results has changed. */
export function checkQuantizedProduct(kernels: Kernels, test: QuantizedCase): void {
  const { type, inner, columns, gap, threads, at, seed } = test;
  const { blockSize, blockBytes } = WEIGHT_FORMATS[type];
  const shape = [columns, inner] as const;
  const rowStride = 4 * (inner + gap);
  const [pack, quantize, multiply] = [
    kernels.interleave(type, shape),
    kernels.quantizeRows(inner, rowStride),
    kernels.quantizedProduct(type, shape, { rows: Math.max(...test.rows), threads }),
  ];
  if (pack === undefined || quantize === undefined || multiply === undefined)
    expect.fail("no kernel");
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
  const weights = dequantizeRows(type, Uint8Array.from(w.bytes), columns * inner);

  const { pitch } = activationLayout(inner);
  for (const rows of test.rows) {
    const x = memory.x.place((rows - 1) * rowStride + 4 * inner, at);
    const values = NOISE.subarray(seed, seed + x.bytes.length / 4);
    writeFloats(x, values);
    const bytes = memory.bytes.place(rows * pitch, at);
    caller.call(quantize, {
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
    const found = readFloats(y);
    let worst = 0;
    for (let n = 0; n < rows; n++) {
      const start = (n * rowStride) / 4;
      const row = roundedRow(values.subarray(start, start + inner));
      for (let m = 0; m < columns; m++) {
        let [sum, size] = [0, 0];
        for (let k = 0; k < inner; k++) {
          const term = (row[k] ?? NaN) * (weights[m * inner + k] ?? NaN);
          sum += term;
          size += Math.abs(term);
        }
        worst = Math.max(worst, Math.abs(sum - (found[n * columns + m] ?? NaN)) / (1e-6 + size));
      }
    }
    expect(worst).toBeLessThan(3e-6);
  }
}

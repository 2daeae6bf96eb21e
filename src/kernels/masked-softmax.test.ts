import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  GuardedMemory,
  KernelCaller,
  readFloats,
  writeFloats,
} from "../../test/support/guarded-memory.ts";
import { Random } from "../base/random.ts";
import { kernelStatus } from "./kernels.ts";

const { kernels } = kernelStatus("");
const usable = kernels?.level === "avx512" ? kernels : undefined;
const [values, results, masks] = [0, 1, 2].map(() => new GuardedMemory(2 ** 16)) as [
  GuardedMemory,
  GuardedMemory,
  GuardedMemory,
];
const caller = new KernelCaller();
const HALF_NEGATIVE_INFINITY = 0xfc00;

interface Call {
  /** S, T, N, B */
  sizes: readonly [number, number, number, number];
  scale: number;
  maskPerBatch: boolean;
  half: boolean;
  inPlace: boolean;
  at: "start" | "end";
  threads: number;
}

/** The softmax of `x` under a mask of hidden places, both for all rows one after another. */
function run(call: Call, x: ArrayLike<number>, hidden: readonly boolean[]): Float32Array {
  const { sizes, scale, maskPerBatch, half, inPlace, at, threads } = call;
  const kernel = usable?.maskedSoftmax({ width: sizes[0], scale, maskPerBatch, half }) ?? 0n;
  const given = values.place(4 * x.length, at);
  writeFloats(given, x);
  const out = inPlace ? given : results.place(4 * x.length, at);
  const mask = masks.place((half ? 2 : 4) * hidden.length, at);
  const bits = half
    ? Uint16Array.from(hidden, (isHidden) => (isHidden ? HALF_NEGATIVE_INFINITY : 0))
    : Float32Array.from(hidden, (isHidden) => (isHidden ? -Infinity : 0));
  mask.bytes.set(new Uint8Array(bits.buffer));
  const operands = { out: { address: out.address, ne: sizes }, inputs: [given, mask] };
  caller.call(kernel, { ...operands, threads });
  expect(out.isUntouchedOutside() && mask.isUntouchedOutside()).toBe(true);
  return readFloats(out);
}

describe("the masked softmax", () => {
  it.runIf(usable)("is what the formula says, in any shape, and touches nothing else", () => {
    const sizes = fc.tuple(
      fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 257)),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
    );
    fc.assert(
      fc.property(
        fc.record({
          sizes,
          scale: fc.double({ min: 0.01, max: 3, noNaN: true }).map(Math.fround),
          maskPerBatch: fc.boolean(),
          half: fc.boolean(),
          inPlace: fc.boolean(),
          at: fc.constantFrom("start" as const, "end" as const),
          threads: fc.integer({ min: 1, max: 3 }),
        }),
        fc.nat(1000),
        fc.constantFrom(1, 30),
        (call, seed, size) => {
          const [s, t, n, b] = call.sizes;
          const random = new Random(seed);
          const x = Float32Array.from({ length: s * t * n * b }, () => size * random.normal());
          const maskRows = call.maskPerBatch ? t * b : t;
          // Each row keeps at least one place.
          const hidden = Array.from(
            { length: s * maskRows },
            (_, i) => i % s !== 0 && random.uniform() < 0.3,
          );
          const found = run(call, x, hidden);
          for (let row = 0; row < t * n * b; row++) {
            const batch = call.maskPerBatch ? Math.floor(row / (t * n)) : 0;
            const start = (batch * t + (row % t)) * s;
            const scores = Array.from(x.subarray(row * s, (row + 1) * s), (v, i) =>
              hidden[start + i] === true ? -Infinity : v * call.scale,
            );
            const most = Math.max(...scores);
            const terms = scores.map((v) => Math.exp(v - most));
            const sum = terms.reduce((p, q) => p + q, 0);
            terms.forEach((term, i) => {
              const value = found[row * s + i] ?? NaN;
              expect(Math.abs(value - term / sum)).toBeLessThan(1e-6 + 2e-5 * (term / sum));
              if (hidden[start + i] === true) expect(value).toBe(0);
            });
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it.runIf(usable)("loses no NaN, and keeps it in its row", () => {
    const x = new Float32Array(40).fill(1);
    x[3] = NaN;
    const call: Call = {
      ...{ sizes: [20, 2, 1, 1], scale: 1, maskPerBatch: false, at: "end", threads: 1 },
      ...{ half: true, inPlace: true },
    };
    const found = run(call, x, Array<boolean>(40).fill(false));
    expect([...found.subarray(0, 20)].every(Number.isNaN)).toBe(true);
    expect([...found.subarray(20)].every((v) => Math.abs(v - 0.05) < 1e-7)).toBe(true);
  });
});

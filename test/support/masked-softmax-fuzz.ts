/** Random calls of the masked softmax between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { GuardedMemory, KernelCaller, readFloats, writeFloats } from "./guarded-memory.ts";

export interface SoftmaxCase {
  /** S, T, N, B */
  sizes: readonly [number, number, number, number];
  scale: number;
  maskPerBatch: boolean;
  mask: "f16" | "f32" | "none";
  inPlace: boolean;
  at: "start" | "end";
  threads: number;
  /** How large scores are, about. */
  size: number;
  seed: number;
}

export function softmaxCases(): fc.Arbitrary<SoftmaxCase> {
  return fc.record({
    sizes: fc.tuple(
      fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 257)),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
    ),
    scale: fc.double({ min: 0.01, max: 3, noNaN: true }).map(Math.fround),
    maskPerBatch: fc.boolean(),
    mask: fc.constantFrom("f16" as const, "f32" as const, "none" as const),
    inPlace: fc.boolean(),
    at: fc.constantFrom("start" as const, "end" as const),
    threads: fc.integer({ min: 1, max: 3 }),
    size: fc.constantFrom(1, 30),
    seed: fc.nat(1000),
  });
}

const [values, results, masks] = [0, 1, 2].map(() => new GuardedMemory(2 ** 16)) as [
  GuardedMemory,
  GuardedMemory,
  GuardedMemory,
];
const caller = new KernelCaller();
const HALF_NEGATIVE_INFINITY = 0xfc00;

/** The softmax of `x` under a mask of hidden places, both for all rows one after another. */
export function runSoftmax(
  kernels: Kernels,
  test: Omit<SoftmaxCase, "size" | "seed">,
  { x, hidden }: { x: ArrayLike<number>; hidden: readonly boolean[] },
): Float32Array {
  const { sizes, scale, maskPerBatch, mask: maskType, inPlace, at, threads } = test;
  const kernel = kernels.maskedSoftmax({
    ...{ width: sizes[0], scale, maskPerBatch, mask: maskType },
  });
  if (kernel === undefined) expect.fail("no kernel");
  const given = values.place(4 * x.length, at);
  writeFloats(given, x);
  const out = inPlace ? given : results.place(4 * x.length, at);
  const mask = masks.place((maskType === "f16" ? 2 : 4) * hidden.length, at);
  const bits =
    maskType === "f16"
      ? Uint16Array.from(hidden, (isHidden) => (isHidden ? HALF_NEGATIVE_INFINITY : 0))
      : Float32Array.from(hidden, (isHidden) => (isHidden ? -Infinity : 0));
  mask.bytes.set(new Uint8Array(bits.buffer));
  const operands = {
    out: { address: out.address, ne: sizes },
    inputs: maskType === "none" ? [given] : [given, mask],
  };
  caller.call(kernel, { ...operands, threads });
  expect(out.isUntouchedOutside() && mask.isUntouchedOutside()).toBe(true);
  return readFloats(out);
}

export function checkSoftmax(kernels: Kernels, test: SoftmaxCase): void {
  const { sizes, scale, maskPerBatch, mask, size, seed } = test;
  const [s, t, n, b] = sizes;
  const random = new Random(seed);
  const x = Float32Array.from({ length: s * t * n * b }, () => size * random.normal());
  // Each row keeps at least one place.
  const hidden = Array.from(
    { length: s * (maskPerBatch ? t * b : t) },
    (_, i) => mask !== "none" && i % s !== 0 && random.uniform() < 0.3,
  );
  const found = runSoftmax(kernels, test, { x, hidden });
  let [worst, leaks] = [0, 0];
  for (let row = 0; row < t * n * b; row++) {
    const batch = maskPerBatch ? Math.floor(row / (t * n)) : 0;
    const start = (batch * t + (row % t)) * s;
    const scores = Array.from(x.subarray(row * s, (row + 1) * s), (v, i) =>
      hidden[start + i] === true ? -Infinity : v * scale,
    );
    const most = Math.max(...scores);
    const terms = scores.map((v) => Math.exp(v - most));
    const sum = terms.reduce((p, q) => p + q, 0);
    terms.forEach((term, i) => {
      const value = found[row * s + i] ?? NaN;
      worst = Math.max(worst, Math.abs(value - term / sum) / (1e-6 + 2e-5 * (term / sum)));
      if (hidden[start + i] === true && value !== 0) leaks++;
    });
  }
  expect([worst < 1, leaks]).toEqual([true, 0]);
}

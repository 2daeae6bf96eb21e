/** Random calls of kernels over rows between guard pages, compared with a few lines of TypeScript. */
import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { GuardedMemory, KernelCaller, readFloats, writeFloats } from "./guarded-memory.ts";

export interface RowCase {
  width: number;
  rows: number;
  threads: number;
  at: "start" | "end";
  /** How large values are, about. */
  size: number;
  seed: number;
}

export function rowCases(): fc.Arbitrary<RowCase> {
  return fc.record({
    width: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 257)),
    rows: fc.integer({ min: 1, max: 5 }),
    threads: fc.integer({ min: 1, max: 3 }),
    at: fc.constantFrom("start" as const, "end" as const),
    size: fc.constantFrom(1, 4, 30),
    seed: fc.nat(1000),
  });
}

const memory = [0, 1, 2, 3, 4, 5, 6].map(() => new GuardedMemory(2 ** 14));
const caller = new KernelCaller();

/**
 * Calls a kernel with random inputs, the first of which may be its result, and gives everything afterwards.
 *
 * @param inputs - values in place of random ones
 */
function call(
  kernel: bigint | undefined,
  { width, rows, threads, at }: RowCase,
  { inputs, inPlace }: { inputs: readonly Float32Array[]; inPlace: boolean },
): Float32Array[] {
  if (kernel === undefined) expect.fail("no kernel");
  const placed = inputs.map((values, i) => {
    const place = memory[i + 1]?.place(4 * values.length, at) ?? expect.fail("too many inputs");
    writeFloats(place, values);
    return place;
  });
  const fresh = memory[0]?.place(4 * width * rows, at);
  const out = (inPlace ? placed[0] : fresh) ?? expect.fail("no result");
  caller.call(kernel, {
    out: { address: out.address, ne: [width, rows] },
    inputs: placed,
    threads,
  });
  expect([out, ...placed].every((place) => place.isUntouchedOutside())).toBe(true);
  return [out, ...placed].map(readFloats);
}

function randomRows({ width, rows, size, seed }: RowCase, salt: number): Float32Array {
  const random = new Random(seed + 1000 * salt);
  return Float32Array.from({ length: width * rows }, () => size * random.normal());
}

function expectNear(
  found: Float32Array,
  wanted: (i: number) => number,
  tolerance: (i: number) => number,
): void {
  const wrong = [...found.keys()].filter(
    (i) => !(Math.abs((found[i] ?? NaN) - wanted(i)) <= tolerance(i)),
  );
  expect(wrong.map((i) => [i, found[i], wanted(i)]).slice(0, 3)).toEqual([]);
}

const k = 2 * Math.sqrt(2 / Math.PI);
const c = 0.044715 * k;
const sigma = (v: number): number => 1 / (1 + Math.exp(-k * v - c * v ** 3));

function checkGelu(kernels: Kernels, test: RowCase): void {
  const x = randomRows(test, 0);
  const kernel = kernels.gelu(test.width, { k, c });
  const [y = new Float32Array()] = call(kernel, test, { inputs: [x], inPlace: false });
  const wanted = (i: number): number => (x[i] ?? NaN) * sigma(x[i] ?? NaN);
  expectNear(y, wanted, (i) => 1e-7 + 2e-6 * Math.abs(wanted(i)));
}

function checkGeluBackward(kernels: Kernels, test: RowCase): void {
  const [dy, x] = [randomRows(test, 0), randomRows(test, 1)];
  const kernel = kernels.geluBackward(test.width, { k, c });
  const [dx = new Float32Array()] = call(kernel, test, { inputs: [dy, x], inPlace: false });
  const wanted = (i: number): number => {
    const [v, s] = [x[i] ?? NaN, sigma(x[i] ?? NaN)];
    return (dy[i] ?? NaN) * s * (1 + v * (k + 3 * c * v * v) * (1 - s));
  };
  expectNear(dx, wanted, (i) => 2e-6 * Math.abs(dy[i] ?? NaN));
}

function checkStandardizeBackward(kernels: Kernels, test: RowCase): void {
  const { width } = test;
  const eps = 1e-5;
  const [dy, x] = [randomRows(test, 0), randomRows(test, 1)];
  const kernel = kernels.standardizeBackward(width, eps);
  const [dx = new Float32Array()] = call(kernel, test, { inputs: [dy, x], inPlace: false });
  const mean = (start: number, value: (i: number) => number): number => {
    let sum = 0;
    for (let i = start; i < start + width; i++) sum += value(i);
    return sum / width;
  };
  for (let start = 0; start < x.length; start += width) {
    const [at, back] = [(i: number) => x[i] ?? NaN, (i: number) => dy[i] ?? NaN];
    const middle = mean(start, at);
    const s = 1 / Math.sqrt(mean(start, (i) => (at(i) - middle) ** 2) + eps);
    const [meanDy, slope] = [
      mean(start, back),
      mean(start, (i) => back(i) * (at(i) - middle)) * s ** 3,
    ];
    // A row of one value has no spread: what it gives is the rounding of sums that cancel, times 1/√ε.
    const most = mean(start, (i) => Math.abs(back(i))) * s * (1 + test.size * s);
    expectNear(
      dx.subarray(start, start + width),
      (i) => s * (back(start + i) - meanDy) - (at(start + i) - middle) * slope,
      () => 1e-5 * most,
    );
  }
}

function checkAdamW(kernels: Kernels, test: RowCase): void {
  const [w, g, m, v] = [0, 1, 2, 3].map((salt) => randomRows(test, salt)) as Four;
  v.forEach((value, i) => (v[i] = Math.abs(value)));
  const numbers = Float32Array.of(0.01, 0.9, 0.98, 1e-7, 0.1, 1.5, 3);
  const factor = Float32Array.of(0.25);
  const [rate = 0, beta1 = 0, beta2 = 0, eps = 0, decay = 0, c1 = 0, c2 = 0] = numbers;
  const inputs = [w, g, m, v, numbers, factor];
  const found = call(kernels.adamw(test.width), test, { inputs, inPlace: true });
  const [newW, , newG, newM, newV] = found as [...Four, Float32Array];
  const clipped = (i: number): number => 0.25 * (g[i] ?? NaN);
  const mean = (i: number): number => beta1 * (m[i] ?? NaN) + (1 - beta1) * clipped(i);
  const square = (i: number): number => beta2 * (v[i] ?? NaN) + (1 - beta2) * clipped(i) ** 2;
  const moved = (i: number): number =>
    (w[i] ?? NaN) * (1 - rate * decay) - (rate * mean(i) * c1) / (Math.sqrt(square(i) * c2) + eps);
  const size = (i: number): number => 1e-6 * (Math.abs(m[i] ?? NaN) + Math.abs(g[i] ?? NaN));
  expectNear(newM, mean, size);
  expectNear(newV, square, (i) => 1e-6 * ((v[i] ?? NaN) + (g[i] ?? NaN) ** 2));
  expectNear(
    newW,
    moved,
    (i) =>
      1e-6 * (1 + Math.abs(w[i] ?? NaN) + Math.abs(moved(i))) +
      1e-5 * Math.abs(moved(i) - (w[i] ?? NaN)),
  );
  expect(newG.every((value) => value === 0)).toBe(true);
}

type Four = [Float32Array, Float32Array, Float32Array, Float32Array];

/** Every kernel over rows, by name. */
export const ROW_KERNELS = {
  GELU: checkGelu,
  "what comes back through GELU": checkGeluBackward,
  "what comes back through a normalisation": checkStandardizeBackward,
  "a step of AdamW": checkAdamW,
} as const satisfies Record<string, (kernels: Kernels, test: RowCase) => void>;

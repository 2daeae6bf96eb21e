/**
 * For tests of tensors: evaluates a function of operations on given arrays, and computes what it should give in plain
 * TypeScript, in 64-bit floats.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { Random } from "../../src/base/random.ts";
import { Backend } from "../../src/engine/backend.ts";
import type { DeviceKind } from "../../src/engine/library.ts";
import type { DType } from "../../src/engine/dtypes.ts";
import { readHeader } from "../../src/engine/layout.ts";
import { dequantizeRows, quantizeRows } from "../../src/engine/quantize.ts";
import { Graph } from "../../src/tensor/graph.ts";
import { contiguous, permute, slice } from "../../src/tensor/ops/index.ts";
import { elementCount, formatShape, type Shape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** A row-major array of 64-bit floats. */
export interface Values {
  shape: Shape;
  data: Float64Array;
}

export type Index = readonly number[];

/** The value of `f` at every index of `shape`. */
export function tabulate(shape: Shape, f: (index: Index) => number): Values {
  const data = new Float64Array(elementCount(shape));
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = f(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 1)) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** The value at an index; axes of size 1 (and missing leading axes) stretch. */
export function at({ shape, data }: Values, index: Index): number {
  let offset = 0;
  const skipped = index.length - shape.length;
  shape.forEach((size, axis) => {
    offset = offset * size + (size === 1 ? 0 : (index[skipped + axis] ?? NaN));
  });
  return data[offset] ?? NaN;
}

/** Numbers from −`scale` to `scale`, exact in 32 bits. */
export function randomValues(shape: Shape, seed: number, scale = 2): Values {
  const random = new Random(seed);
  return tabulate(shape, () => Math.fround((2 * random.uniform() - 1) * scale));
}

export function mapValues(x: Values, f: (value: number) => number): Values {
  return { shape: x.shape, data: x.data.map(f) };
}

/** Rows over the last axis, one after another. */
export function rowsOf({ shape, data }: Values): Float64Array[] {
  const length = shape.at(-1) ?? 1;
  return Array.from({ length: data.length / length }, (_, i) =>
    data.subarray(i * length, (i + 1) * length),
  );
}

/** What `f` makes of each row, under the shape of `x` with another last axis. */
export function mapRows(x: Values, f: (row: Float64Array) => ArrayLike<number>): Values {
  const rows = rowsOf(x).map((row) => Array.from(f(row)));
  return {
    shape: [...x.shape.slice(0, -1), rows[0]?.length ?? 0],
    data: Float64Array.from(rows.flat()),
  };
}

/** `a · bᵀ` of the last two axes; leading axes of `b` serve equal groups of those of `a`. */
export function productOf(a: Values, b: Values): Values {
  const rank = a.shape.length;
  const [t, m, k] = [a.shape.at(-2) ?? 1, b.shape.at(-2) ?? 1, a.shape.at(-1) ?? 1];
  const lead = a.shape.slice(0, -2);
  const repeats = lead.map((n, i) => n / (b.shape[i - rank + b.shape.length] ?? n));
  return tabulate([...lead, t, m], (index) => {
    const group = index
      .slice(0, -2)
      .map((n, i) => Math.floor(n / (repeats[i] ?? 1)))
      .slice(rank - b.shape.length);
    const left = offsetOf(a.shape, [...index.slice(0, -1), 0]);
    const right = offsetOf(b.shape, [...group, index.at(-1) ?? 0, 0]);
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (a.data[left + i] ?? NaN) * (b.data[right + i] ?? NaN);
    return sum;
  });
}

function offsetOf(shape: Shape, index: Index): number {
  return shape.reduce((offset, size, axis) => offset * size + (index[axis] ?? 0), 0);
}

const backends = new Map<number, Backend>();

/** `PHILAB_TEST_DEVICE=cuda` looks how operations do on a graphics card. */
const device = (process.env["PHILAB_TEST_DEVICE"] ?? "cpu") as DeviceKind;

/** One backend for all tests of a file; of one thread, since waiting for threads takes longer than tiny tensors. */
export function testBackend(threads = 1): Backend {
  let backend = backends.get(threads);
  if (backend === undefined) backends.set(threads, (backend = new Backend({ device, threads })));
  return backend;
}

export interface Input extends Values {
  dtype?: DType;
}

/** Computes `build(...tensors)` for inputs with the given values, and checks every header on the way. */
export async function evaluate(
  build: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Input[],
  { threads = 1 }: { threads?: number } = {},
): Promise<Values[]> {
  using graph = new Graph(testBackend(threads));
  const tensors = inputs.map(({ shape, dtype = "f32" }) => graph.input(dtype, shape));
  const built = build(...tensors);
  const results = ((Array.isArray(built) ? built : [built]) as readonly Tensor[]).map(contiguous);
  graph.output(...results);
  for (const result of results) expectTrueHeaders(result);
  graph.allocate();
  for (const [i, input] of inputs.entries()) tensors[i]?.write(await encode(input));
  await graph.compute();
  return results.map((result) => ({
    shape: result.shape,
    data: Float64Array.from(result.dtype === "i32" ? result.readInts() : result.read()),
  }));
}

async function encode({
  data,
  shape,
  dtype = "f32",
}: Input): Promise<Parameters<Tensor["write"]>[0]> {
  if (dtype === "i32") return Int32Array.from(data);
  if (dtype === "i64") return BigInt64Array.from(data, BigInt);
  return quantizeRows(dtype, Float32Array.from(data), shape.at(-1) ?? 1);
}

/** What `dtype` keeps of the values. */
export async function roundTo(dtype: DType, x: Values): Promise<Values> {
  const bytes = await quantizeRows(dtype, Float32Array.from(x.data), x.shape.at(-1) ?? 1);
  return { shape: x.shape, data: Float64Array.from(dequantizeRows(dtype, bytes, x.data.length)) };
}

/** The shape and strides that were worked out for `tensor`, and all it was made of, are those that ggml has. */
export function expectTrueHeaders(tensor: Tensor, seen = new Set<Tensor>()): void {
  if (seen.has(tensor)) return;
  seen.add(tensor);
  const { ne, nb } = readHeader(tensor.pointer);
  const { rank, shape, strides } = tensor;
  const same = (ours: Shape, theirs: number[]): boolean =>
    theirs.every((n, i) => n === (i < rank ? ours[rank - 1 - i] : 1));
  if (!same(shape, ne) || !same(strides, nb.slice(0, rank)))
    expect.fail(
      `${tensor.made?.op ?? "input"} is ${formatShape(shape)} by ${formatShape(strides)} here, ` +
        `${formatShape(ne.toReversed())} by ${formatShape(nb.toReversed())} in ggml`,
    );
  for (const input of tensor.made?.inputs ?? []) expectTrueHeaders(input, seen);
}

export interface Tolerance {
  absolute?: number;
  relative?: number;
}

/** Equal shapes, and each value within `absolute + relative · |wanted|`; NaN equals NaN and infinities themselves. */
export function expectClose(
  found: Values,
  wanted: Values,
  { absolute = 0, relative = 0 }: Tolerance,
): void {
  expect([...found.shape]).toEqual([...wanted.shape]);
  let worst = { excess: 0, at: -1 };
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [found.data[i] ?? NaN, wanted.data[i] ?? NaN];
    if (Object.is(a, b) || a === b) continue;
    const excess = Math.abs(a - b) / (absolute + relative * Math.abs(b));
    if (!(excess <= 1) && !(excess <= worst.excess)) worst = { excess, at: i };
  }
  if (worst.at === -1) return;
  const { at: i } = worst;
  const index = wanted.shape.map(
    (size, axis) => Math.floor(i / elementCount(wanted.shape.slice(axis + 1))) % size,
  );
  expect.fail(
    `${found.data[i]} is not ${wanted.data[i]} at ${formatShape(index)} of ${formatShape(wanted.shape)} ` +
      `(${worst.excess.toPrecision(3)} times the tolerance of ${absolute} + ${relative} · |value|)`,
  );
}

/** A step from an array to a view of it. */
type Step =
  | { kind: "permute"; order: readonly number[] }
  | { kind: "slice"; axis: number; from: number; to: number };

/** An array, and a view of it that is reached in some steps. */
export interface View {
  base: Values;
  steps: readonly Step[];
  /** The values of the view. */
  values: Values;
}

/** Takes the steps in a graph. */
export function takeView({ steps }: View, x: Tensor): Tensor {
  return steps.reduce((t, step) => {
    if (step.kind === "permute") return permute(t, axesOf(step.order, t.rank));
    const { axis, start, length } = rangeOf(step, t.shape);
    return slice(t, { axis, start, length });
  }, x);
}

function axesOf(order: readonly number[], rank: number): number[] {
  return order.filter((axis) => axis < rank);
}

function rangeOf(
  { axis, from, to }: { axis: number; from: number; to: number },
  shape: Shape,
): { axis: number; start: number; length: number } {
  const at = axis % shape.length;
  const size = shape[at] ?? 1;
  const [a, b] = [Math.floor(from * size), Math.floor(to * size)];
  return { axis: at, start: Math.min(a, b), length: Math.abs(a - b) + 1 };
}

function stepValues(x: Values, step: Step): Values {
  if (step.kind === "permute") {
    const axes = axesOf(step.order, x.shape.length);
    return tabulate(
      axes.map((axis) => x.shape[axis] ?? 1),
      (index) => {
        const source = x.shape.map(() => 0);
        axes.forEach((axis, i) => (source[axis] = index[i] ?? 0));
        return at(x, source);
      },
    );
  }
  const { axis, start, length } = rangeOf(step, x.shape);
  return tabulate(
    x.shape.map((n, i) => (i === axis ? length : n)),
    (index) =>
      at(
        x,
        index.map((n, i) => (i === axis ? n + start : n)),
      ),
  );
}

/** Shapes of `minRank` to `maxRank` axes of up to `maxSize`, often 1. */
export function shapes({ minRank = 1, maxRank = 4, maxSize = 6 } = {}): fc.Arbitrary<number[]> {
  const size = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: maxSize }));
  return fc.array(size, { minLength: minRank, maxLength: maxRank });
}

/** Views of random arrays through up to three slices and permutations. */
export function views(
  options: { minRank?: number; maxRank?: number; maxSize?: number; scale?: number } = {},
): fc.Arbitrary<View> {
  const unit = fc.double({ min: 0, max: 0.999, noNaN: true });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant("permute" as const),
      order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
    }),
    fc.record({
      kind: fc.constant("slice" as const),
      axis: fc.nat(3),
      from: unit,
      to: unit,
    }),
  );
  return fc
    .record({
      shape: shapes(options),
      seed: fc.nat(),
      steps: fc.array(step, { maxLength: 3 }),
    })
    .map(({ shape, seed, steps }) => {
      const base = randomValues(shape, seed, options.scale);
      return { base, steps, values: steps.reduce(stepValues, base) };
    });
}

/** Shapes are row-major lists of sizes, slowest axis first, one to four axes. */
import { LabError } from "../base/errors.ts";
import { MAX_RANK } from "../engine/emit.ts";

export type Shape = readonly number[];

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** `f32 [2, 3]`, for messages. */
export function describeShape(tensor: {
  dtype: string;
  shape: Shape;
  name?: string | undefined;
}): string {
  const name = tensor.name === undefined ? "" : `${tensor.name} `;
  return `${name}${tensor.dtype} ${formatShape(tensor.shape)}`;
}

/** ggml's kernels count values in 32 bits. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/** One to four axes of positive whole sizes that ggml can count. */
export function assertShape(shape: Shape): void {
  const sizesFit = shape.every((size) => Number.isInteger(size) && size >= 1);
  if (shape.length < 1 || shape.length > MAX_RANK || !sizesFit)
    throw new LabError("bad_input", `${formatShape(shape)} is no tensor shape`, {
      hint: `A shape has 1 to ${MAX_RANK} axes, each of at least 1.`,
    });
  if (elementCount(shape) > MAX_ELEMENTS)
    throw new LabError(
      "unsupported",
      `${formatShape(shape)} has more than ${MAX_ELEMENTS} values`,
      {
        hint: "Use a smaller batch, or split the tensor.",
      },
    );
}

/** Whether `b` can be stretched along axes of size 1 (aligned at the last axis) to the shape of `a`. */
export function broadcastsTo(b: Shape, a: Shape): boolean {
  if (b.length > a.length) return false;
  return b.every((size, i) => size === 1 || size === a[a.length - b.length + i]);
}

/** The shape to which both stretch (aligned at the last axis), or undefined where they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return m === 1 ? n : n === 1 || m === n ? m : NaN;
  });
  return shape.some(Number.isNaN) ? undefined : shape;
}

/** A negative axis counts from the end. */
export function normalizeAxis(axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(index) || index < 0 || index >= rank)
    throw new LabError("bad_input", `axis ${axis} of a tensor with ${rank} axes`);
  return index;
}

/**
 * Strides that show the same memory under another shape, or undefined where only a copy can (the rule of NumPy's
 * reshape: each run of axes that becomes another run must be dense within itself).
 */
export function reshapedStrides(
  from: { shape: Shape; strides: Shape },
  shape: Shape,
): number[] | undefined {
  const old = from.shape
    .map((size, i) => ({ size, stride: from.strides[i] ?? 0 }))
    .filter(({ size }) => size !== 1);
  const strides = Array<number>(shape.length).fill(0);
  let i = 0;
  let j = 0;
  while (j < shape.length && i < old.length) {
    let [oldCount, newCount] = [old[i]?.size ?? 1, shape[j] ?? 1];
    let [lastOld, lastNew] = [i, j];
    while (oldCount !== newCount) {
      if (oldCount < newCount) oldCount *= old[++lastOld]?.size ?? NaN;
      else newCount *= shape[++lastNew] ?? NaN;
      if (Number.isNaN(oldCount) || Number.isNaN(newCount)) return undefined;
    }
    for (let k = i; k < lastOld; k++) {
      const inner = old[k + 1];
      if (inner === undefined || old[k]?.stride !== inner.size * inner.stride) return undefined;
    }
    let stride = old[lastOld]?.stride ?? 0;
    for (let k = lastNew; k >= j; k--) {
      strides[k] = stride;
      stride *= shape[k] ?? 1;
    }
    i = lastOld + 1;
    j = lastNew + 1;
  }
  for (let k = shape.length - 1; k >= j; k--)
    strides[k] = strides[k + 1] ?? old.at(-1)?.stride ?? 0;
  return strides;
}

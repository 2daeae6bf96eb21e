/**
 * Linear probes: whether a class can be read off an activation by a line (Alain and Bengio 2016, arXiv 1610.01644). Least
 * squares with a ridge, in the dual form, on standardised features; accuracy on what was held out, beside that of a probe
 * fitted to shuffled labels (Hewitt and Liang 2019, arXiv 1909.03368: a probe may learn by itself what it is said to find).
 *
 * Weight view: none; it works on captures.
 */
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { dot, mean, meanOf } from "./linear/matrix.ts";

export interface ProbeOptions {
  /** Weight of ‖w‖² against the mean square error. */
  ridge?: number;
  /** Share of the examples that is held out. */
  heldOut?: number;
  /** Probes fitted to shuffled labels. */
  controls?: number;
  seed?: number;
}

export interface Probe {
  /** `[D]`: positive along the first class. */
  direction: Float64Array;
  offset: number;
  /** On examples that were held out. */
  accuracy: number;
  /** Mean accuracy of the probes of shuffled labels. */
  controlAccuracy: number;
}

/**
 * @param features - `[D]` of each example
 * @param labels - whether each is of the first class
 * @throws LabError `bad_input` for unequal numbers, and for a class without enough examples
 */
export function fitProbe(
  features: readonly ArrayLike<number>[],
  labels: readonly boolean[],
  { ridge = 1, heldOut = 0.3, controls = 5, seed = 0 }: ProbeOptions = {},
): Probe {
  const positive = labels.filter(Boolean).length;
  if (features.length !== labels.length || Math.min(positive, labels.length - positive) < 4)
    throw new LabError(
      "bad_input",
      `a probe needs a label for each of ${features.length} examples and four of each class; there are ${positive} and ${labels.length - positive}`,
    );
  const random = new Random(seed);
  const order = Array.from(random.permutation(labels.length));
  const kept = Math.max(1, Math.floor(labels.length * heldOut));
  const [test, train] = [order.slice(0, kept), order.slice(kept)];
  const fitted = (of: readonly boolean[]) => {
    const line = ridgeLine(
      train.map((i) => features[i] as ArrayLike<number>),
      train.map((i) => (of[i] ? 1 : -1)),
      ridge,
    );
    const right = test.filter(
      (i) => dot(line.direction, features[i] as ArrayLike<number>) + line.offset > 0 === of[i],
    );
    return { ...line, accuracy: right.length / test.length };
  };
  const shuffled = Array.from({ length: controls }, () => {
    const permuted = Array.from(random.permutation(labels.length), (i) => labels[i] as boolean);
    return fitted(permuted).accuracy;
  });
  return { ...fitted(labels), controlAccuracy: controls === 0 ? NaN : mean(shuffled) };
}

/** w = Xᵀ(XXᵀ + n·λ·σ²)⁻¹y for centred X and y, where σ² is the mean square length of a row. */
function ridgeLine(
  features: readonly ArrayLike<number>[],
  targets: readonly number[],
  ridge: number,
): { direction: Float64Array; offset: number } {
  const centre = meanOf(features);
  const rows = features.map((row) => Float64Array.from(row, (x, d) => x - (centre[d] as number)));
  const middle = mean(targets);
  const n = rows.length;
  const kernel = rows.map((a) => Float64Array.from(rows, (b) => dot(a, b)));
  const size = mean(kernel.map((row, i) => row[i] as number));
  kernel.forEach((row, i) => (row[i] = (row[i] as number) + ridge * Math.max(size, 1e-12)));
  const weights = solve(
    kernel,
    targets.map((y) => y - middle),
  );
  const direction = new Float64Array(centre.length);
  for (let i = 0; i < n; i++)
    for (let d = 0; d < direction.length; d++)
      direction[d] =
        (direction[d] as number) +
        (weights[i] as number) * ((rows[i] as Float64Array)[d] as number);
  return { direction, offset: middle - dot(direction, centre) };
}

/** Cholesky: the x of a·x = b, for a symmetric positive definite `a`, which is overwritten. */
function solve(a: readonly Float64Array[], b: readonly number[]): Float64Array {
  const n = b.length;
  for (let j = 0; j < n; j++)
    for (let i = j; i < n; i++) {
      const [rowI, rowJ] = [a[i] as Float64Array, a[j] as Float64Array];
      const rest = (rowI[j] as number) - dot(rowI.subarray(0, j), rowJ.subarray(0, j));
      rowI[j] = i === j ? Math.sqrt(rest) : rest / (rowJ[j] as number);
    }
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    const row = a[i] as Float64Array;
    x[i] = ((x[i] as number) - dot(row.subarray(0, i), x.subarray(0, i))) / (row[i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++)
      x[i] = (x[i] as number) - ((a[k] as Float64Array)[i] as number) * (x[k] as number);
    x[i] = (x[i] as number) / ((a[i] as Float64Array)[i] as number);
  }
  return x;
}

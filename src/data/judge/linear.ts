/**
 * Logistic regression with a ridge on standardised features: min Σ log(1 + exp(−y·(w·x + b))) + ‖w‖² / 2C, as
 * scikit-learn's `LogisticRegression(C)` after a `StandardScaler`. Minimised by L-BFGS (Nocedal and Wright, algorithm 7.5).
 */

export interface Linear {
  /** `[D]`, for features as they are: standardisation is folded in. */
  readonly weights: Float64Array;
  readonly bias: number;
}

export interface LinearOptions {
  /** Inverse weight of the ridge. */
  c?: number;
  maxIterations?: number;
}

/**
 * Fits logistic regression with a ridge on standardised features, as scikit-learn does.
 *
 * @param features - `[D]` of each example
 * @param labels - whether each is good
 */
export function fitLinear(
  features: readonly ArrayLike<number>[],
  labels: readonly boolean[],
  { c = 1, maxIterations = 200 }: LinearOptions = {},
): Linear {
  const width = features[0]?.length ?? 0;
  const { means, scales } = standardisation(features, width);
  const rows = features.map((row) =>
    Float64Array.from({ length: width }, (_, d) => (row[d]! - means[d]!) / scales[d]!),
  );
  const point = minimise(width + 1, maxIterations, (at, gradient) => {
    let loss = 0;
    gradient.fill(0);
    for (let d = 0; d < width; d++) {
      loss += at[d]! ** 2 / (2 * c);
      gradient[d] = at[d]! / c;
    }
    rows.forEach((row, i) => {
      const sign = labels[i] === true ? 1 : -1;
      let margin = at[width]!;
      for (let d = 0; d < width; d++) margin += at[d]! * row[d]!;
      margin *= sign;
      loss += margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin;
      const pull = -sign / (1 + Math.exp(margin));
      for (let d = 0; d < width; d++) gradient[d]! += pull * row[d]!;
      gradient[width]! += pull;
    });
    return loss;
  });
  const weights = Float64Array.from({ length: width }, (_, d) => point[d]! / scales[d]!);
  const shift = weights.reduce((sum, weight, d) => sum + weight * means[d]!, 0);
  return { weights, bias: point[width]! - shift };
}

/** The probability that `row` `[D]` is good. */
export function linearScore({ weights, bias }: Linear, row: ArrayLike<number>): number {
  let margin = bias;
  for (let d = 0; d < weights.length; d++) margin += weights[d]! * row[d]!;
  return 1 / (1 + Math.exp(-margin));
}

/** Mean and standard deviation of each feature; 1 for one that never changes. */
function standardisation(
  features: readonly ArrayLike<number>[],
  width: number,
): { means: Float64Array; scales: Float64Array } {
  const means = new Float64Array(width);
  const scales = new Float64Array(width);
  for (const row of features)
    for (let d = 0; d < width; d++) means[d]! += row[d]! / features.length;
  for (const row of features)
    for (let d = 0; d < width; d++) scales[d]! += (row[d]! - means[d]!) ** 2 / features.length;
  return { means, scales: scales.map((variance) => Math.sqrt(variance) || 1) };
}

const MEMORY = 10;
/** Of the largest component of the gradient, as scikit-learn's `tol`. */
const TOLERANCE = 1e-4;

/** The lowest point that L-BFGS finds from 0; `evaluate` gives the value there and writes the gradient. */
function minimise(
  size: number,
  maxIterations: number,
  evaluate: (at: Float64Array, gradient: Float64Array) => number,
): Float64Array {
  let at = new Float64Array(size);
  let gradient = new Float64Array(size);
  let value = evaluate(at, gradient);
  const history: { step: Float64Array; change: Float64Array; rho: number }[] = [];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (gradient.every((g) => Math.abs(g) < TOLERANCE)) break;
    const direction = descent(gradient, history);
    const slope = product(direction, gradient);
    const [next, nextGradient] = [new Float64Array(size), new Float64Array(size)];
    let length = iteration === 0 ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
    let nextValue: number;
    // Backtracking until Armijo's condition holds.
    for (;;) {
      for (let d = 0; d < size; d++) next[d] = at[d]! + length * direction[d]!;
      nextValue = evaluate(next, nextGradient);
      if (nextValue <= value + 1e-4 * length * slope || length < 1e-10) break;
      length /= 2;
    }
    const step = next.map((x, d) => x - at[d]!);
    const change = nextGradient.map((g, d) => g - gradient[d]!);
    const curvature = product(step, change);
    if (curvature > 1e-12) history.push({ step, change, rho: 1 / curvature });
    if (history.length > MEMORY) history.shift();
    [at, gradient, value] = [next, nextGradient, nextValue];
  }
  return at;
}

/** −H·gradient by the two loops of L-BFGS. */
function descent(
  gradient: Float64Array,
  history: readonly { step: Float64Array; change: Float64Array; rho: number }[],
): Float64Array {
  const direction = gradient.map((g) => -g);
  const alphas = history.map(() => 0);
  for (let i = history.length - 1; i >= 0; i--) {
    const { step, change, rho } = history[i]!;
    const alpha = (alphas[i] = rho * product(step, direction));
    for (let d = 0; d < direction.length; d++) direction[d]! -= alpha * change[d]!;
  }
  const last = history.at(-1);
  if (last !== undefined) {
    const scale = 1 / (last.rho * product(last.change, last.change));
    for (let d = 0; d < direction.length; d++) direction[d]! *= scale;
  }
  history.forEach(({ step, change, rho }, i) => {
    const beta = rho * product(change, direction);
    for (let d = 0; d < direction.length; d++) direction[d]! += (alphas[i]! - beta) * step[d]!;
  });
  return direction;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!;
  return sum;
}

/** The upper tail of the standard normal distribution, P(Z ≥ z), to about 1e-14 of its value. */
export function normalTail(z: number): number {
  if (Number.isNaN(z)) return NaN;
  return z < 0 ? 1 - complement(-z / Math.SQRT2) / 2 : complement(z / Math.SQRT2) / 2;
}

/** Where the series of erf is left for the continued fraction of erfc. */
const SERIES_END = 2.5;

/** erfc(x) for x ≥ 0 (Abramowitz and Stegun 7.1.6 and 7.1.14). */
function complement(x: number): number {
  if (x < SERIES_END) {
    // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)): all terms positive.
    let term = x;
    let sum = x;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  // erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside out.
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

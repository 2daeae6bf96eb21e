/**
 * GELU in its tanh form, exact in f32, over rows that lie one after another:
 *
 *   y = x · σ(z) = x / (1 + exp(−z)),   z = k·x + c·x³ = x · (k + c·x²)
 *
 * since ½·(1 + tanh u) = σ(2u) (Hendrycks & Gimpel 2016, arXiv 1606.08415, §2). Each value is read and written once.
 *
 * | vectors | hold |
 * |---|---|
 * | 0 … 3, 16 … 28 | `exponential.ts` |
 * | 4 | x |
 * | 29, 30 | −k, −c |
 */
import { exponential, ONE, prepareExponential, setLanes } from "./exponential.ts";
import { zmm } from "./operands.ts";
import { rowKernel } from "./rows.ts";

/** @param factors - k and c */
export function assembleGelu(width: number, { k, c }: { k: number; c: number }): Uint8Array {
  const [t, e, x, minusK, minusC] = [zmm(0), zmm(3), zmm(4), zmm(29), zmm(30)];
  return rowKernel(width, ["out", 0], {
    prepare(a) {
      prepareExponential(a);
      setLanes(a, minusK, -k);
      setLanes(a, minusC, -c);
    },
    row(a, { at, each }) {
      const { v } = a;
      each((cut) => {
        v.vmovups(cut(x), at(1));
        v.vmulps(t, x, x);
        v.vmulps(t, t, minusC);
        v.vaddps(t, t, minusK);
        v.vmulps(t, t, x);
        exponential(a);
        v.vaddps(t, ONE, e);
        v.vdivps(t, x, t);
        v.vstoreups(cut(at(0)), t);
      });
    },
  });
}

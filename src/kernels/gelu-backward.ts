/**
 * What comes back through GELU (`gelu.ts`), over rows that lie one after another: with s = σ(z), z = k·x + c·x³,
 *
 *   dx = dy · s · (1 + x · (k + 3c·x²) · (1 − s))
 *
 * Beyond ±100 the derivative is 1 or 0 to the last bit; x is held there, so that x³ stays a number. A NaN stays one. Each value is
 * read and written once, where the same in ggml's operations takes thirteen passes.
 *
 * Inputs of the operation: dy, x.
 *
 * | vectors | hold |
 * |---|---|
 * | 0 … 3, 16 … 28 | `exponential.ts` |
 * | 4, 5 | x, x² |
 * | 6, 7, 8 | k, −c, 3c |
 * | 29, 30 | 100, −100 |
 */
import { exponential, ONE, prepareExponential, setLanes } from "./exponential.ts";
import { zmm } from "./operands.ts";
import { rowKernel } from "./rows.ts";

const LARGEST = 100;

/** @param factors - k and c */
export function assembleGeluBackward(
  width: number,
  { k, c }: { k: number; c: number },
): Uint8Array {
  const [t, r, e] = [zmm(0), zmm(1), zmm(3)];
  const [x, square, linear, minusC, cubic] = [zmm(4), zmm(5), zmm(6), zmm(7), zmm(8)];
  const [largest, least] = [zmm(29), zmm(30)];
  return rowKernel(width, ["out", 0, 1], {
    prepare(a) {
      prepareExponential(a);
      setLanes(a, linear, k);
      setLanes(a, minusC, -c);
      setLanes(a, cubic, 3 * c);
      setLanes(a, largest, LARGEST);
      setLanes(a, least, -LARGEST);
    },
    row(a, { at, each }) {
      const { v } = a;
      each((cut) => {
        v.vmovups(cut(x), at(2));
        // Of two operands that are no numbers, these give the second.
        v.vminps(x, largest, x);
        v.vmaxps(x, least, x);
        v.vmulps(square, x, x);
        v.vmulps(t, square, minusC);
        v.vsubps(t, t, linear);
        v.vmulps(t, t, x); // −z
        exponential(a);
        v.vaddps(e, ONE, e);
        v.vdivps(e, ONE, e); // s
        v.vsubps(r, ONE, e); // 1 − s
        v.vfmadd213ps(square, cubic, linear); // k + 3c·x²
        v.vmulps(square, square, x);
        v.vfmadd213ps(r, square, ONE);
        v.vmulps(r, r, e);
        v.vmovups(cut(t), at(1));
        v.vmulps(r, r, t);
        v.vstoreups(cut(at(0)), r);
      });
    },
  });
}

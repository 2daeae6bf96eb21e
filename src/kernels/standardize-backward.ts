/**
 * What comes back through the normalisation of LayerNorm, y = c / √(mean(c²) + ε) with c = x − mean(x) (Ba et al. 2016, arXiv
 * 1607.06450), over rows of D values that lie one after another. With s = 1 / √(mean(c²) + ε):
 *
 *   dx = s · (dy − mean(dy)) − c · s³ · mean(dy·c)
 *
 * Three passes over a row, which stays in the first cache: Σ x; then Σ c², Σ dy and Σ dy·c; then dx.
 *
 * Inputs of the operation: dy, x.
 *
 * | vectors | hold |
 * |---|---|
 * | 0, 1 | x or c, dy |
 * | 2 … 5 | Σ x, then mean(x); Σ c², then s; Σ dy, then mean(dy); Σ dy·c, then s³ · mean(dy·c) |
 * | 6 | between |
 * | 7, 8, 9 | 1/D, ε, 1 |
 */
import { setLanes } from "./exponential.ts";
import { zmm } from "./operands.ts";
import { acrossLanes, rowKernel } from "./rows.ts";

export function assembleStandardizeBackward(width: number, eps: number): Uint8Array {
  const [c, dy, mean, scale, meanDy, slope] = [zmm(0), zmm(1), zmm(2), zmm(3), zmm(4), zmm(5)];
  const [spare, inverse, epsilon, one] = [zmm(6), zmm(7), zmm(8), zmm(9)];
  return rowKernel(width, ["out", 0, 1], {
    prepare(a) {
      setLanes(a, inverse, 1 / width);
      setLanes(a, epsilon, eps);
      setLanes(a, one, 1);
    },
    row(a, { at, each }) {
      const { v } = a;
      for (const sum of [mean, scale, meanDy, slope]) v.vpxord(sum, sum, sum);
      const total = (sum: typeof c): void => {
        acrossLanes(a, sum, spare, v.vaddps);
        v.vmulps(sum, sum, inverse);
      };
      each((cut) => {
        v.vmovups(cut(c), at(2));
        v.vaddps(mean, mean, c);
      });
      total(mean);
      each((cut) => {
        v.vmovups(cut(c), at(2));
        v.vsubps(cut(c), c, mean);
        v.vmovups(cut(dy), at(1));
        v.vfmadd231ps(scale, c, c);
        v.vaddps(meanDy, meanDy, dy);
        v.vfmadd231ps(slope, dy, c);
      });
      for (const sum of [scale, meanDy, slope]) total(sum);
      v.vaddps(scale, scale, epsilon);
      v.vsqrtps(scale, scale);
      v.vdivps(scale, one, scale);
      for (let power = 0; power < 3; power++) v.vmulps(slope, slope, scale);
      each((cut) => {
        v.vmovups(cut(c), at(2));
        v.vsubps(c, c, mean);
        v.vmovups(cut(dy), at(1));
        v.vsubps(dy, dy, meanDy);
        v.vmulps(dy, dy, scale);
        v.vfnmadd231ps(dy, c, slope);
        v.vstoreups(cut(at(0)), dy);
      });
    },
  });
}

/**
 * A step of AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) over rows that lie one after another, in place, together with what
 * comes before and after it: the gradient is clipped, used, and set to 0.
 *
 *   g ← f·g    m ← β₁·m + (1−β₁)·g    v ← β₂·v + (1−β₂)·g²    w ← w·(1 − α·λ) − α·(m·c₁)/(√(v·c₂) + ε)    g ← 0
 *
 * Inputs of the operation: w (which is also its result), g, m, v, the seven numbers α, β₁, β₂, ε, λ, c₁, c₂, and f.
 *
 * | vectors | hold |
 * |---|---|
 * | 0 … 3 | g, m, v, w |
 * | 4 | between |
 * | 16 … 23 | the numbers, f |
 * | 24 … 27 | 1−β₁, 1−β₂, 1 − α·λ, 0 |
 */
import { setLanes } from "./exponential.ts";
import { loadInput } from "./frame.ts";
import { mem, rax, zmm } from "./operands.ts";
import { rowKernel } from "./rows.ts";

const NUMBERS = 7;

export function assembleAdamW(width: number): Uint8Array {
  const [g, m, v2, w, t] = [zmm(0), zmm(1), zmm(2), zmm(3), zmm(4)];
  const [rate, beta1, beta2, epsilon, decay, c1, c2, clip] = [
    zmm(16),
    zmm(17),
    zmm(18),
    zmm(19),
    zmm(20),
    zmm(21),
    zmm(22),
    zmm(23),
  ];
  const [rest1, rest2, kept, zero] = [zmm(24), zmm(25), zmm(26), zmm(27)];
  return rowKernel(width, ["out", 1, 2, 3], {
    prepare(a) {
      const { v } = a;
      loadInput(a, rax, 4);
      for (let i = 0; i < NUMBERS; i++) v.vbroadcastss(zmm(16 + i), mem(rax, 4 * i));
      loadInput(a, rax, 5);
      v.vbroadcastss(clip, mem(rax));
      setLanes(a, kept, 1);
      v.vsubps(rest1, kept, beta1);
      v.vsubps(rest2, kept, beta2);
      v.vfnmadd231ps(kept, rate, decay);
      v.vpxord(zero, zero, zero);
    },
    row(a, { at, each }) {
      const { v } = a;
      each((cut) => {
        v.vmovups(cut(g), at(1));
        v.vmulps(g, g, clip);
        v.vstoreups(cut(at(1)), zero);
        v.vmovups(cut(m), at(2));
        v.vmulps(m, m, beta1);
        v.vfmadd231ps(m, g, rest1);
        v.vstoreups(cut(at(2)), m);
        v.vmovups(cut(v2), at(3));
        v.vmulps(v2, v2, beta2);
        v.vmulps(g, g, g);
        v.vfmadd231ps(v2, g, rest2);
        v.vstoreups(cut(at(3)), v2);
        v.vmulps(t, v2, c2);
        v.vsqrtps(t, t);
        v.vaddps(t, t, epsilon);
        v.vmulps(m, m, c1);
        v.vdivps(m, m, t);
        v.vmovups(cut(w), at(0));
        v.vmulps(w, w, kept);
        v.vfnmadd231ps(w, m, rate);
        v.vstoreups(cut(at(0)), w);
      });
    },
  });
}

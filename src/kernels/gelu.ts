/**
 * GELU in its tanh form, exact in f32, over rows that lie one after another:
 *
 *   y = x · σ(z) = x / (1 + exp(−z)),   z = k·x + c·x³ = x · (k + c·x²)
 *
 * since ½·(1 + tanh u) = σ(2u) (Hendrycks & Gimpel 2016, arXiv 1606.08415, §2). Threads take rows in turn.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next row and the number of rows |
 * | r10, r11, r14 | x, y, threads |
 * | rcx, rsi, rax | the row's x and y, vectors left |
 * | vectors 0 … 3, 16 … 28 | `exponential.ts` |
 * | 4 | x |
 * | 29, 30 | −k, −c |
 */
import { Assembler } from "./assembler.ts";
import { exponential, ONE, prepareExponential, setLanes } from "./exponential.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  masked,
  mem,
  r10,
  r11,
  r14,
  r8,
  r9,
  rax,
  rcx,
  rsi,
  zmm,
  type Memory,
  type Vector,
} from "./operands.ts";

const LANES = 16;

/** @param factors - k and c */
export function assembleGelu(width: number, { k, c }: { k: number; c: number }): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const [t, x, minusK, minusC] = [zmm(0), zmm(4), zmm(29), zmm(30)];
  const rest = width % LANES;
  const vector = (isCut: boolean): void => {
    const cut = <T extends Vector | Memory>(operand: T, zeroing: boolean): T =>
      isCut ? masked(operand, 1, { zeroing }) : operand;
    v.vmovups(cut(x, true), mem(rcx));
    v.vmulps(t, x, x);
    v.vmulps(t, t, minusC);
    v.vaddps(t, t, minusK);
    v.vmulps(t, t, x);
    exponential(a);
    v.vaddps(t, ONE, zmm(3));
    v.vdivps(t, x, t);
    v.vstoreups(cut(mem(rsi), false), t);
  };
  kernelFunction(a, { localBytes: 0 }, () => {
    prepareExponential(a);
    setLanes(a, minusK, -k);
    setLanes(a, minusC, -c);
    if (rest > 0) {
      a.mov(rax, 2 ** rest - 1);
      v.kmovw(1, rax);
    }
    const size = (axis: number): Memory => mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8 * axis);
    a.mov(r8, ARGUMENTS.thread);
    a.mov(r14, ARGUMENTS.threads);
    a.mov(r9, size(1));
    a.imul(r9, size(2));
    a.imul(r9, size(3));
    loadInput(a, r10, 0);
    loadOutput(a, r11);
    const end = a.label();
    const rows = a.here();
    a.cmp(r8, r9);
    a.jumpIf("aboveOrEqual", end);
    a.imul(rcx, r8, 4 * width);
    a.mov(rsi, rcx);
    a.add(rcx, r10);
    a.add(rsi, r11);
    if (width >= LANES) {
      a.mov(rax, Math.floor(width / LANES));
      const loop = a.here();
      vector(false);
      a.add(rcx, 4 * LANES);
      a.add(rsi, 4 * LANES);
      a.sub(rax, 1);
      a.jumpIf("notEqual", loop);
    }
    if (rest > 0) vector(true);
    a.add(r8, r14);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}

/**
 * softmax(scale · x + mask) over rows, in place for attention, whose scores nobody else reads, or beside x; also without a mask.
 *
 *   t = scale · x + mask      m = max t      e = exp(t − m)      y = e / Σ e
 *
 * Masked values become exactly 0. A NaN makes its row NaN. With limits (`mask-limits.ts`) what lies behind them is left as it is.
 *
 * Inputs of the operation: x (which may also be its result), mask, if there is one, as f16 or f32 `[T, S]` for each outer batch or for all,
 * limits where there are any.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next row and the number of rows |
 * | r10, r11, rbp | the result, mask, x |
 * | r12, r13 | T, and rows of one outer batch |
 * | r14 | threads |
 * | rdi, r13 | limits, and rows that share one |
 * | rcx, rsi, rbx | the row's result, mask and x |
 * | rax, rdx | values left; division |
 * | vectors 0 … 3, 16 … 28 | t and e: `exponential.ts` |
 * | 4, 5, 6 | maximum, sum, between |
 * | 29, 30 | scale, −∞ |
 */
import { Assembler } from "./assembler.ts";
import { exponential, ONE, prepareExponential, setLanes } from "./exponential.ts";
import { TILE_ROWS } from "./f32-shape.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  indexed,
  masked,
  mem,
  r10,
  r11,
  r12,
  r13,
  r14,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  zmm,
  type Memory,
  type Vector,
} from "./operands.ts";
import { acrossLanes } from "./rows.ts";

/** Values in a vector. */
export const LANES = 16;

export interface MaskedSoftmaxShape {
  /** S */
  width: number;
  scale: number;
  /** Whether each outer batch has a mask of its own. */
  maskPerBatch: boolean;
  /** Type of the mask. */
  mask: "f16" | "f32" | "none";
  /** Whether there are limits; for one mask, and rows of whole vectors. */
  limited?: boolean;
}

export function assembleMaskedSoftmax({
  width,
  scale,
  maskPerBatch,
  mask,
  limited = false,
}: MaskedSoftmaxShape): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const [t, e, most, total, spare] = [zmm(0), zmm(3), zmm(4), zmm(5), zmm(6)];
  const [factor, none] = [zmm(29), zmm(30)];
  const rest = width % LANES;
  const maskBytes = { f16: 2, f32: 4, none: 0 }[mask];
  const saved = [rcx, rbx, rsi].map((register, i) => ({
    register,
    place: mem(rsp, 8 * i),
  }));
  /** Runs `body` over the vectors within the row's limit. */
  const eachWithinLimit = (step: () => void): void => {
    for (const { register, place } of saved) a.store(place, register);
    a.mov(rax, rdx);
    const done = a.label();
    const start = a.here();
    step();
    a.cmp(rax, LANES + 1);
    a.jumpIf("below", done);
    a.sub(rax, LANES);
    a.jump(start);
    a.bind(done);
    for (const { register, place } of saved) a.mov(register, place);
  };
  /** Runs `body` over the row: at whole vectors, then at what is left, in a mask. */
  const eachVector = (body: (isCut: boolean) => void): void => {
    const step = (): void => {
      body(false);
      a.add(rcx, 4 * LANES);
      a.add(rbx, 4 * LANES);
      a.add(rsi, maskBytes * LANES);
    };
    if (limited) {
      eachWithinLimit(step);
      return;
    }
    if (width >= LANES) {
      a.mov(rax, Math.floor(width / LANES));
      const start = a.here();
      step();
      a.sub(rax, 1);
      a.jumpIf("notEqual", start);
    }
    if (rest > 0) body(true);
    const whole = Math.floor(width / LANES);
    a.sub(rcx, 4 * LANES * whole);
    a.sub(rbx, 4 * LANES * whole);
    a.sub(rsi, maskBytes * LANES * whole);
  };
  const cut = <T extends Vector | Memory>(operand: T, isCut: boolean, zeroing = false): T =>
    isCut ? masked(operand, 1, { zeroing }) : operand;
  kernelFunction(a, { localBytes: 8 * saved.length }, () => {
    prepareExponential(a);
    setLanes(a, factor, scale);
    setLanes(a, none, -Infinity);
    if (rest > 0) {
      a.mov(rax, 2 ** rest - 1);
      v.kmovw(1, rax);
    }
    const size = (axis: number): Memory => mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8 * axis);
    a.mov(r8, ARGUMENTS.thread);
    a.mov(r14, ARGUMENTS.threads);
    a.mov(r12, size(1));
    a.mov(r13, r12);
    a.imul(r13, size(2));
    a.mov(r9, r13);
    a.imul(r9, size(3));
    loadOutput(a, r10);
    if (mask !== "none") loadInput(a, r11, 1);
    loadInput(a, rbp, 0);
    if (limited) {
      loadInput(a, rdi, 2);
      a.mov(r13, TILE_ROWS);
    }
    const end = a.label();
    const rows = a.here();
    a.cmp(r8, r9);
    a.jumpIf("aboveOrEqual", end);
    a.imul(rcx, r8, 4 * width);
    a.lea(rbx, indexed(rbp, rcx));
    a.add(rcx, r10);
    if (mask !== "none") {
      a.mov(rax, r8);
      a.mov(rdx, 0);
      a.div(r12);
      a.mov(rsi, rdx); // the row's position in its mask
      if (limited) {
        a.mov(rax, rsi);
        a.mov(rdx, 0);
        a.div(r13);
        a.mov(rdx, indexed(rdi, rax, { scale: 8 }));
      }
      if (maskPerBatch) {
        a.mov(rax, r8);
        a.mov(rdx, 0);
        a.div(r13);
        a.imul(rax, r12);
        a.add(rsi, rax);
      }
      a.imul(rsi, rsi, maskBytes * width);
      a.add(rsi, r11);
    }

    v.vmovups(most, none);
    eachVector((isCut) => {
      if (mask === "f16") v.vcvtph2ps(cut(t, isCut, true), mem(rsi));
      else if (mask === "f32") v.vmovups(cut(t, isCut, true), mem(rsi));
      else v.vpxord(t, t, t);
      v.vmovups(cut(spare, isCut, true), mem(rbx));
      v.vfmadd231ps(t, spare, factor);
      v.vstoreups(cut(mem(rcx), isCut), t);
      v.vmaxps(cut(most, isCut), most, t);
    });
    acrossLanes(a, most, spare, v.vmaxps);
    v.vpxord(total, total, total);
    eachVector((isCut) => {
      v.vmovups(cut(t, isCut, true), mem(rcx));
      v.vsubps(t, t, most);
      exponential(a);
      v.vstoreups(cut(mem(rcx), isCut), e);
      v.vaddps(cut(total, isCut), total, e);
    });
    acrossLanes(a, total, spare, v.vaddps);
    v.vdivps(total, ONE, total); // 1 / Σ e
    eachVector((isCut) => {
      v.vmulps(cut(t, isCut, true), total, mem(rcx));
      v.vstoreups(cut(mem(rcx), isCut), t);
    });
    a.add(r8, r14);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}

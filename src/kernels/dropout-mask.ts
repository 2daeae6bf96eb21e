/**
 * A mask of dropout: 0 with probability p, else 1/(1 − p). Value i comes from what Mulberry32 (Tommy Ettinger 2017) makes of the state
 * s = seed + (i + 1) · 0x6d2b79f5, so that sixteen can be made at a time (products and sums of 32 bits, ≫ without sign):
 *
 *   t = (s ⊕ s≫15) · (s | 1)    t ← t ⊕ (t + (t ⊕ t≫7) · (t | 61))    t ← t ⊕ t≫14    value = t < limit ? 0 : kept
 *
 * Called with `out` pointing at an address and a count of vectors, 64 bits each, and the 32-bit values seed, limit, kept. The
 * first thread does all.
 *
 * | register | holds |
 * |---|---|
 * | rcx, rax | where the next values go, vectors left |
 * | vectors 0 | the states |
 * | 1, 2, 3 | what becomes of them |
 * | 16 … 20 | sixteen steps, limit, kept, 1, 61 |
 * | k1 | the values that are kept |
 */
import { Assembler } from "./assembler.ts";
import { ARGUMENTS, kernelFunction } from "./frame.ts";
import { masked, mem, rax, rcx, rsp, zmm } from "./operands.ts";
import { stackVector } from "./quantized-words.ts";

/** Mulberry32's: from state to state. */
export const MULBERRY_STEP = 0x6d2b79f5;

const LANES = 16;
const VECTOR_BYTES = 64;
const NOT_LESS = 5;

export function assembleDropoutMask(): Uint8Array {
  const a = new Assembler();
  const { v } = a;
  const [state, t, u, w] = [zmm(0), zmm(1), zmm(2), zmm(3)];
  const [steps, limit, kept, one, sixtyOne] = [zmm(16), zmm(17), zmm(18), zmm(19), zmm(20)];
  const lanes = Array.from({ length: LANES }, (_, i) => Math.imul(i + 1, MULBERRY_STEP));
  kernelFunction(a, { localBytes: VECTOR_BYTES }, () => {
    stackVector(a, 0, lanes.slice(0, 8));
    stackVector(a, 32, lanes.slice(8));
    v.vpbroadcastd(state, mem(ARGUMENTS.out, 16));
    v.vpaddd(state, state, mem(rsp));
    v.vpbroadcastd(limit, mem(ARGUMENTS.out, 20));
    v.vpbroadcastd(kept, mem(ARGUMENTS.out, 24));
    for (const [to, value] of [
      [steps, Math.imul(LANES, MULBERRY_STEP)],
      [one, 1],
      [sixtyOne, 61],
    ] as const) {
      a.mov(rax, value);
      v.vpbroadcastdFrom(to, rax);
    }
    a.mov(rcx, mem(ARGUMENTS.out));
    a.mov(rax, mem(ARGUMENTS.out, 8));
    const loop = a.here();
    v.vpsrld(t, state, 15);
    v.vpxord(t, t, state);
    v.vpord(u, state, one);
    v.vpmulld(t, t, u);
    v.vpsrld(u, t, 7);
    v.vpxord(u, u, t);
    v.vpord(w, t, sixtyOne);
    v.vpmulld(u, u, w);
    v.vpaddd(u, u, t);
    v.vpxord(t, t, u);
    v.vpsrld(u, t, 14);
    v.vpxord(t, t, u);
    v.vpcmpud(1, t, limit, NOT_LESS);
    v.vmovups(masked(t, 1, { zeroing: true }), kept);
    v.vstoreups(mem(rcx), t);
    v.vpaddd(state, state, steps);
    a.add(rcx, VECTOR_BYTES);
    a.sub(rax, 1);
    a.jumpIf("notEqual", loop);
  });
  return a.finish();
}

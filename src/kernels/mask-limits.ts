/**
 * How far each tile of rows of an attention mask looks: past the last value that is not −∞ in any of its rows, rounded up to four.
 * Products and softmax stop there (a causal mask hides half of everything).
 *
 * Input of the operation: the mask, f16 `[T, S]`; its result: i64, one for each `TILE_ROWS` rows, at least 4.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next tile and their number |
 * | r10, r11 | mask, result |
 * | r12, r14 | T, threads |
 * | rcx, rbx | the row, rows left in the tile |
 * | rsi | fours of values that the tile is known to look at |
 * | rax | fours left of the row |
 * | rdi | four times −∞ |
 */
import { Assembler } from "./assembler.ts";
import { TILE_ROWS } from "./f32-shape.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import {
  indexed,
  mem,
  r10,
  r11,
  r12,
  r14,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  xmm,
} from "./operands.ts";

const HALF_BYTES = 2;
/** Values that are looked at together. */
export const LIMIT_STEP = 4;
const TWO_NEGATIVE_INFINITIES = 0xfc00fc00 | 0;

/** @param width - S, a multiple of `LIMIT_STEP` */
export function assembleMaskLimits(width: number): Uint8Array {
  const a = new Assembler();
  const stepBytes = LIMIT_STEP * HALF_BYTES;
  kernelFunction(a, { localBytes: 16 }, () => {
    a.mov(r8, ARGUMENTS.thread);
    a.mov(r14, ARGUMENTS.threads);
    a.mov(r9, mem(ARGUMENTS.out, TENSOR_OFFSET.ne));
    a.mov(r12, mem(ARGUMENTS.out, TENSOR_OFFSET.src));
    a.mov(r12, mem(r12, TENSOR_OFFSET.ne + 8));
    loadInput(a, r10, 0);
    loadOutput(a, r11);
    a.mov(rax, TWO_NEGATIVE_INFINITIES);
    a.v.vpbroadcastdFrom(xmm(0), rax);
    a.v.vstoreups(mem(rsp), xmm(0));
    a.mov(rdi, mem(rsp));
    const end = a.label();
    const tiles = a.here();
    a.cmp(r8, r9);
    a.jumpIf("aboveOrEqual", end);
    a.imul(rdx, r8, TILE_ROWS);
    a.imul(rcx, rdx, width * HALF_BYTES);
    a.add(rcx, r10);
    a.mov(rbx, r12);
    a.sub(rbx, rdx);
    const whole = a.label();
    a.cmp(rbx, TILE_ROWS);
    a.jumpIf("below", whole);
    a.mov(rbx, TILE_ROWS);
    a.bind(whole);
    a.mov(rsi, 1);
    const rows = a.here();
    a.mov(rax, width / LIMIT_STEP);
    const [next, found] = [a.label(), a.label()];
    const fours = a.here();
    a.cmp(rsi, rax);
    a.jumpIf("aboveOrEqual", next);
    a.cmp(rdi, indexed(rcx, rax, { scale: 8, displacement: -stepBytes }));
    a.jumpIf("notEqual", found);
    a.sub(rax, 1);
    a.jump(fours);
    a.bind(found);
    a.mov(rsi, rax);
    a.bind(next);
    a.add(rcx, width * HALF_BYTES);
    a.sub(rbx, 1);
    a.jumpIf("notEqual", rows);
    a.imul(rsi, rsi, LIMIT_STEP);
    a.store(indexed(r11, r8, { scale: 8 }), rsi);
    a.add(r8, r14);
    a.jump(tiles);
    a.bind(end);
  });
  return a.finish();
}

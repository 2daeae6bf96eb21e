/**
 * The product of activations with quantised weights, y = x · wᵀ: x as signed bytes (`activations.ts`, `wide-activations.ts`), w
 * packed with 16 rows interleaved (`weight-formats.ts`), sums of products in 32-bit integers (VNNI), in floats beyond.
 *
 * With a scale s_x for each 32 values of x, where weights lie in blocks of 32:
 *
 *   y(n, m) = Σ_blocks s_x(n) · s_w(m) · (Σₖ u(m, k) · q(n, k) − offset · Σₖ q(n, k))
 *
 * with one for each 256, where weights do, whose parts of 16 or 32 values have scales of their own:
 *
 *   y(n, m) = Σ_blocks s_x(n) · Σ_parts (s_w(m) · (Σₖ u(m, k) · q(n, k) − offset · Σₖ q(n, k)) − minimum(m) · Σₖ q(n, k))
 *
 * A thread takes neighbouring groups of 16 rows of w. For few columns (rows of x) it goes through a group once for each tile of 16,
 * 8, 4, 2, 1 of them (`few-columns.ts`): from memory the first time, from the cache after. For many, `many-columns.ts`. The order of a sum
 * depends on K alone.
 *
 * Inputs of the operation: w, x and scratch of `quantizedScratchBytes`, if any.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9, r10 | w, x, y |
 * | r11, r12 | the next group and one more than the last of this thread |
 * | r13 | columns left |
 * | r14 | the group's w |
 * | rdi | this thread's scratch |
 */
import { activationLayout } from "./activations.ts";
import { Assembler } from "./assembler.ts";
import { FEW_LOCAL_BYTES, multiplyFew, TILES } from "./few-columns.ts";
import { ARGUMENTS, kernelFunction, loadInput, loadOutput, TENSOR_OFFSET } from "./frame.ts";
import { manyColumnsBytes, multiplyMany } from "./many-columns.ts";
import { mem, r10, r11, r12, r13, r14, r8, r9, rbx, rcx, rdi, rdx, rsi, rsp } from "./operands.ts";
import { BLOCK_READERS, packedBlockBytes } from "./quantized-blocks.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { WIDE, widePitch } from "./wide-activations.ts";
import { shareGroups } from "./work.ts";

const FLOAT = 4;
/** Columns from which on weights are decoded to memory. */
const MANY = 32;

/** Scratch of all threads. */
export function quantizedScratchBytes(
  type: WeightType,
  k: number,
  { rows, threads }: { rows: number; threads: number },
): number {
  return rows < MANY ? 0 : threads * manyColumnsBytes(type, k, rows);
}

/** Bytes from row to row of the activations that weights of a type are multiplied with. */
function activationPitch(type: WeightType, k: number): number {
  return WEIGHT_FORMATS[type].blockSize === WIDE.block ? widePitch(k) : activationLayout(k).pitch;
}

export function assembleQuantizedProduct(
  type: WeightType,
  [m, k]: readonly [number, number],
): Uint8Array {
  const a = new Assembler();
  const groupBytes = (k / WEIGHT_FORMATS[type].blockSize) * packedBlockBytes(type);
  const all = mem(rsp, FEW_LOCAL_BYTES);
  const local = mem(rsp, FEW_LOCAL_BYTES + 8);
  kernelFunction(a, { localBytes: FEW_LOCAL_BYTES + 16 }, () => {
    const [few, end] = [a.label(), a.label()];
    shareGroups(a, m / GROUP_ROWS, { first: r11, end: r12 });
    loadInput(a, r8, 0);
    loadInput(a, r9, 1);
    loadOutput(a, r10);
    BLOCK_READERS[type].prepare(a);
    a.mov(rcx, mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8));
    a.store(all, rcx);
    a.cmp(rcx, MANY);
    a.jumpIf("below", few);
    if (manyColumnsBytes(type, k, 1) > 0) locateScratch(a, type, k);
    multiplyMany(a, { type, k, m, all, local });
    a.jump(end);

    a.bind(few);
    a.cmp(r11, r12);
    a.jumpIf("aboveOrEqual", end);
    a.mov(r13, all);
    a.imul(r14, r11, groupBytes);
    a.add(r14, r8);
    a.mov(rbx, r9);
    a.imul(rsi, r11, GROUP_ROWS * FLOAT);
    a.add(rsi, r10);
    for (const columns of TILES) {
      const next = a.label();
      const again = a.here();
      a.cmp(r13, columns);
      a.jumpIf("below", next);
      a.mov(rdx, r14);
      multiplyFew(a, { type, k, m, columns });
      a.add(rbx, columns * activationPitch(type, k));
      a.add(rsi, columns * m * FLOAT);
      a.sub(r13, columns);
      if (columns === TILES[0]) a.jump(again);
      a.bind(next);
    }
    a.add(r11, 1);
    a.jump(few);
    a.bind(end);
  });
  return a.finish();
}

/** rdi becomes this thread's scratch; rcx holds the number of columns. */
function locateScratch(a: Assembler, type: WeightType, k: number): void {
  const fixed = manyColumnsBytes(type, k, 0);
  a.imul(rcx, rcx, manyColumnsBytes(type, k, 1) - fixed);
  a.add(rcx, fixed);
  a.mov(rbx, ARGUMENTS.thread);
  a.imul(rbx, rcx);
  loadInput(a, rdi, 2);
  a.add(rdi, rbx);
}

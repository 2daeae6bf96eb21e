/**
 * Kernels that go through rows of f32 values vector by vector (AVX-512): the loops around them. Threads take rows in turn.
 *
 * | register | holds |
 * |---|---|
 * | r8, r9 | the next row and the number of rows |
 * | r10 … r13 | up to four tensors of the same rows |
 * | rcx, rsi, rbx, rdi | the row in each |
 * | r14 | threads |
 * | rax | vectors left |
 * | k1 | the lanes of a row's last, cut vector |
 */
import { Assembler } from "./assembler.ts";
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
  rbx,
  rcx,
  rdi,
  rsi,
  type Memory,
  type Vector,
} from "./operands.ts";

const LANES = 16;
const TENSORS = [r10, r11, r12, r13] as const;
const ROWS = [rcx, rsi, rbx, rdi] as const;

/** A row, vector by vector. */
export interface Row {
  /** The vector that is next, in tensor `i` of the kernel. */
  at: (i: 0 | 1 | 2 | 3) => Memory;
  /** Runs `visit` on every vector of the row: `cut` limits an operand to the lanes that are there, and clears the others of a register. */
  each: (visit: (cut: <T extends Vector | Memory>(operand: T) => T) => void) => void;
}

/**
 * A kernel over rows of `width` values.
 *
 * @param tensors - the operation's result, or the number of an input, for each register of rows
 * @param body.prepare - runs once; may use rax
 * @param body.row - runs on each row
 */
export function rowKernel(
  width: number,
  tensors: readonly ("out" | number)[],
  { prepare, row }: { prepare: (a: Assembler) => void; row: (a: Assembler, row: Row) => void },
): Uint8Array {
  const a = new Assembler();
  const [whole, rest] = [Math.floor(width / LANES), width % LANES];
  const advance = (bytes: number): void => {
    if (bytes !== 0) tensors.forEach((_, i) => a.add(ROWS[i] ?? rcx, bytes));
  };
  const each: Row["each"] = (visit) => {
    if (whole > 0) {
      a.mov(rax, whole);
      const loop = a.here();
      visit((operand) => operand);
      advance(4 * LANES);
      a.sub(rax, 1);
      a.jumpIf("notEqual", loop);
    }
    if (rest > 0) visit((operand) => masked(operand, 1, { zeroing: operand.kind === "vector" }));
    advance(-4 * LANES * whole);
  };
  kernelFunction(a, { localBytes: 0 }, () => {
    prepare(a);
    if (rest > 0) {
      a.mov(rax, 2 ** rest - 1);
      a.v.kmovw(1, rax);
    }
    const size = (axis: number): Memory => mem(ARGUMENTS.out, TENSOR_OFFSET.ne + 8 * axis);
    a.mov(r8, ARGUMENTS.thread);
    a.mov(r14, ARGUMENTS.threads);
    a.mov(r9, size(1));
    a.imul(r9, size(2));
    a.imul(r9, size(3));
    tensors.forEach((tensor, i) => {
      const to = TENSORS[i] ?? r10;
      if (tensor === "out") loadOutput(a, to);
      else loadInput(a, to, tensor);
    });
    const end = a.label();
    const rows = a.here();
    a.cmp(r8, r9);
    a.jumpIf("aboveOrEqual", end);
    a.imul(rax, r8, 4 * width);
    tensors.forEach((_, i) => {
      a.lea(ROWS[i] ?? rcx, indexed(TENSORS[i] ?? r10, rax));
    });
    row(a, { at: (i) => mem(ROWS[i]), each });
    a.add(r8, r14);
    a.jump(rows);
    a.bind(end);
  });
  return a.finish();
}

/** The combination of all lanes of `x`, in every lane; changes `spare`. */
export function acrossLanes(
  { v }: Assembler,
  x: Vector,
  spare: Vector,
  combine: (to: Vector, a: Vector, b: Vector) => void,
): void {
  for (const control of [0x4e, 0xb1]) {
    v.vshuff32x4(spare, x, x, control);
    combine(x, x, spare);
  }
  for (const control of [0x4e, 0xb1]) {
    v.vshufps(spare, x, x, control);
    combine(x, x, spare);
  }
}

/**
 * A small assembler for x86-64: general registers here, vectors through `v`. Each method appends one instruction; the
 * destination comes first. Jumps go to labels, in 32-bit distances.
 */
import { invariant } from "../base/errors.ts";
import { general64, int32 } from "./encoding.ts";
import type { General, Memory } from "./operands.ts";
import { vectorInstructions, type VectorInstructions } from "./vector-instructions.ts";

/** A place in the code; bound once, jumped to from before and after. */
export interface Label {
  position: number | undefined;
  readonly uses: number[];
}

const CONDITIONS = { below: 2, aboveOrEqual: 3, equal: 4, notEqual: 5 } as const;
export type Condition = keyof typeof CONDITIONS;

/** Opcode extensions of the arithmetic group, and their opcodes between registers. */
const ARITHMETIC = {
  add: { extension: 0, opcode: 0x01 },
  and: { extension: 4, opcode: 0x21 },
  sub: { extension: 5, opcode: 0x29 },
  cmp: { extension: 7, opcode: 0x39 },
} as const;

export class Assembler {
  readonly v: VectorInstructions;
  readonly #bytes: number[] = [];

  constructor() {
    this.v = vectorInstructions((bytes) => {
      this.raw(bytes);
    });
  }

  /** Appends bytes as they are: for the few instructions that have no method. */
  raw(bytes: readonly number[]): void {
    for (const byte of bytes) this.#bytes.push(byte);
  }

  /** The code so far. Every label that was used must be bound. */
  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  label(): Label {
    return { position: undefined, uses: [] };
  }

  /** Sets the label here. */
  bind(label: Label): void {
    invariant(label.position === undefined, "a label that is bound already");
    label.position = this.#bytes.length;
    for (const use of label.uses) this.#patch(use, label.position);
  }

  /** A label that is bound here: the start of a loop. */
  here(): Label {
    const label = this.label();
    this.bind(label);
    return label;
  }

  jump(to: Label): void {
    this.raw([0xe9]);
    this.#distance(to);
  }

  /** Jumps when the last comparison (of unsigned numbers) or subtraction came out so. */
  jumpIf(condition: Condition, to: Label): void {
    this.raw([0x0f, 0x80 | CONDITIONS[condition]]);
    this.#distance(to);
  }

  #distance({ position, uses }: Label): void {
    const at = this.#bytes.length;
    this.raw([0, 0, 0, 0]);
    if (position === undefined) uses.push(at);
    else this.#patch(at, position);
  }

  #patch(at: number, position: number): void {
    int32(position - (at + 4)).forEach((byte, i) => (this.#bytes[at + i] = byte));
  }

  /** Copies between registers or from memory, or sets a constant of 32 bits (sign-extended). */
  mov(to: General, from: General | Memory | number): void {
    if (typeof from === "number") this.raw([...general64([0xc7], 0, to), ...int32(from)]);
    else if (from.kind === "memory") this.raw(general64([0x8b], to.index, from));
    else this.raw(general64([0x89], from.index, to));
  }

  store(to: Memory, from: General): void {
    this.raw(general64([0x89], from.index, to));
  }

  /** A 32-bit integer as a 64-bit one. */
  movsxd(to: General, from: General): void {
    this.raw(general64([0x63], to.index, from));
  }

  lea(to: General, from: Memory): void {
    this.raw(general64([0x8d], to.index, from));
  }

  add(to: General, from: General | Memory | number): void {
    this.#arithmetic("add", to, from);
  }

  sub(to: General, from: General | number): void {
    this.#arithmetic("sub", to, from);
  }

  and(to: General, from: General | number): void {
    this.#arithmetic("and", to, from);
  }

  cmp(to: General, from: General | Memory | number): void {
    this.#arithmetic("cmp", to, from);
  }

  #arithmetic(name: keyof typeof ARITHMETIC, to: General, from: General | Memory | number): void {
    const { extension, opcode } = ARITHMETIC[name];
    if (typeof from !== "number") {
      if (from.kind === "memory") this.raw(general64([opcode + 2], to.index, from));
      else this.raw(general64([opcode], from.index, to));
    } else if (from >= -128 && from <= 127)
      this.raw([...general64([0x83], extension, to), from & 255]);
    else this.raw([...general64([0x81], extension, to), ...int32(from)]);
  }

  /** `to = from · factor` */
  imul(to: General, from: General | Memory, factor?: number): void {
    if (factor === undefined) this.raw(general64([0x0f, 0xaf], to.index, from));
    else this.raw([...general64([0x69], to.index, from), ...int32(factor)]);
  }

  /** rax = rdx:rax / by, rdx = the rest; unsigned. */
  div(by: General): void {
    this.raw(general64([0xf7], 6, by));
  }

  push(register: General): void {
    this.raw([...(register.index > 7 ? [0x41] : []), 0x50 | (register.index & 7)]);
  }

  pop(register: General): void {
    this.raw([...(register.index > 7 ? [0x41] : []), 0x58 | (register.index & 7)]);
  }

  /** Fetches a line into the first cache, or the second. */
  prefetch(from: Memory, cache: 1 | 2 = 1): void {
    this.raw(general64([0x0f, 0x18], cache, from, { wide: false }));
  }

  ret(): void {
    this.raw([0xc3]);
  }
}

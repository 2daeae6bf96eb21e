/** How threads share work. */
import type { Assembler } from "./assembler.ts";
import { ARGUMENTS } from "./frame.ts";
import { mem, rax, rdx, type General } from "./operands.ts";

/**
 * This thread's share of `count` equal pieces, as neighbours: from ⌊count · thread / threads⌋ up to the next thread's first.
 * Changes rax and rdx, which held the number of threads.
 */
export function shareGroups(
  a: Assembler,
  count: number,
  { first, end }: { first: General; end: General },
): void {
  const { thread, threads } = ARGUMENTS;
  a.imul(first, thread, count);
  a.lea(end, mem(first, count));
  a.mov(rax, first);
  a.mov(first, threads);
  a.mov(rdx, 0);
  a.div(first);
  a.push(rax);
  a.mov(rax, end);
  a.mov(rdx, 0);
  a.div(first);
  a.mov(end, rax);
  a.pop(first);
}

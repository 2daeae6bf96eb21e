/** Large pages for large buffers: fewer page faults when they are filled, fewer translations when they are read. */
import koffi from "koffi";
import type { Pointer } from "./api.ts";

const HUGE_PAGE = 2n ** 21n;
const MADV_HUGEPAGE = 14;

let advise: ((address: Pointer, sizeBytes: bigint, advice: number) => number) | undefined;

/** Asks Linux to back the whole huge pages in a range with such; does nothing elsewhere. */
export function useHugePages(address: Pointer, sizeBytes: number): void {
  if (process.platform !== "linux") return;
  const first = (address + HUGE_PAGE - 1n) & -HUGE_PAGE;
  const last = (address + BigInt(sizeBytes)) & -HUGE_PAGE;
  if (last <= first) return;
  advise ??= koffi
    .load("libc.so.6")
    .func("madvise", "int", ["void *", "size_t", "int"]) as NonNullable<typeof advise>;
  advise(first, last - first, MADV_HUGEPAGE); // advice: a system without them changes nothing
}

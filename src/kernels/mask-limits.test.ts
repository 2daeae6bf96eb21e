import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuardedMemory, KernelCaller } from "../../test/support/guarded-memory.ts";
import { Random } from "../base/random.ts";
import { TILE_ROWS } from "./f32-shape.ts";
import { kernelStatus } from "./kernels.ts";
import { LIMIT_STEP } from "./mask-limits.ts";

const { kernels } = kernelStatus("");
const usable = kernels?.level === "avx512" ? kernels : undefined;
const [masks, results] = [new GuardedMemory(2 ** 14), new GuardedMemory(2 ** 12)];
const caller = new KernelCaller();
const HALF_NEGATIVE_INFINITY = 0xfc00;
/** 0, −0, a number, NaN and +∞. */
const VISIBLE = [0, 0x8000, 0xbc00, 0x7e00, 0x7c00];

describe("the limits of a mask", () => {
  it.runIf(usable)(
    "lie behind the last visible value of each tile, and nothing else is touched",
    () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 20 }),
          fc.integer({ min: 1, max: 25 }),
          fc.integer({ min: 1, max: 3 }),
          fc.constantFrom("start" as const, "end" as const),
          fc.nat(1000),
          (fours, rows, threads, at, seed) => {
            const width = LIMIT_STEP * fours;
            const random = new Random(seed);
            const below = (n: number): number => Math.floor(n * random.uniform());
            const tiles = Math.ceil(rows / TILE_ROWS);
            const wanted = Array.from({ length: tiles }, () => BigInt(LIMIT_STEP));
            const bits = Uint16Array.from({ length: rows * width }, () => HALF_NEGATIVE_INFINITY);
            for (let row = 0; row < rows; row++) {
              const end = below(width + 1);
              for (let i = 0; i < end; i++)
                if (i === end - 1 || random.uniform() < 0.5)
                  bits[row * width + i] = VISIBLE[below(VISIBLE.length)] ?? 0;
              const limit = BigInt(Math.ceil(end / LIMIT_STEP) * LIMIT_STEP);
              const tile = Math.floor(row / TILE_ROWS);
              if (limit > (wanted[tile] ?? 0n)) wanted[tile] = limit;
            }
            const mask = masks.place(bits.byteLength, at);
            mask.bytes.set(new Uint8Array(bits.buffer));
            const out = results.place(8 * tiles, at);
            caller.call(usable?.maskLimits(width) ?? 0n, {
              out: { address: out.address, ne: [tiles] },
              inputs: [{ address: mask.address, ne: [width, rows] }],
              threads,
            });
            expect(out.isUntouchedOutside()).toBe(true);
            expect([...new BigInt64Array(Uint8Array.from(out.bytes).buffer)]).toEqual(wanted);
          },
        ),
        { numRuns: 100 },
      );
    },
  );
});

/** Masks of dropout, by a kernel of our own where there is one. */
import koffi from "koffi";
import { floatBits } from "../kernels/encoding.ts";
import { kernelStatus } from "../kernels/kernels.ts";

const LANES = 16;
type MaskFunction = (settings: BigUint64Array, thread: number, threads: number, data: null) => void;

/** How values are drawn: those whose 32-bit number is at least `limit` become `kept`, the others 0. */
export interface MaskSettings {
  seed: number;
  limit: number;
  kept: number;
}

/** Fills a mask from its start, as far as whole vectors go, and returns how far that is: 0 where no kernel does it. */
export function fillMask(mask: Float32Array, { seed, limit, kept }: MaskSettings): number {
  const vectors = Math.floor(mask.length / LANES);
  const kernel = kernelStatus().kernels?.dropoutMask();
  // V8 keeps arrays of up to 64 bytes where it moves them about.
  if (kernel === undefined || vectors < 2) return 0;
  const type = koffi.proto("void", ["void *", "int", "int", "void *"]);
  const fill = koffi.decode(kernel, type) as MaskFunction;
  const pair = (low: number, high: number): bigint =>
    (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const settings = BigUint64Array.of(
    BigInt(koffi.address(mask)),
    BigInt(vectors),
    pair(seed, limit),
    pair(floatBits(kept), 0),
  );
  fill(settings, 0, 1, null);
  return vectors * LANES;
}

/** Packs quantised weights for our own kernels, off the main thread. */
import koffi from "koffi";
import { LabError } from "../base/errors.ts";
import { kernelStatus } from "../kernels/kernels.ts";
import { isPackable } from "../kernels/weight-formats.ts";
import type { Pointer } from "./api.ts";
import type { DType } from "./dtypes.ts";

interface KernelFunction {
  async: (
    addresses: BigUint64Array,
    thread: number,
    threads: number,
    data: null,
    done: (error: Error | null) => void,
  ) => void;
}

/** Packs a whole matrix `[M, K]`; it takes as many bytes as before. */
export async function interleaveRows(
  dtype: DType,
  shape: readonly [number, number],
  { to, from }: { to: Pointer; from: Pointer },
): Promise<void> {
  const { kernels } = kernelStatus();
  const kernel = isPackable(dtype, shape) ? kernels?.interleave(dtype, shape) : undefined;
  if (kernel === undefined)
    throw new LabError("internal", `internal: no kernel packs ${dtype} ${shape.join("×")}`);
  const type = koffi.proto("void", ["void *", "int", "int", "void *"]);
  const pack = koffi.decode(kernel, type) as KernelFunction;
  const addresses = BigUint64Array.of(to, from);
  await new Promise<void>((resolve, reject) => {
    pack.async(addresses, 0, 1, null, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

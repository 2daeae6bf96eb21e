/** Where the time of a pass goes: its operations by name, beside what the memory could deliver. */
import type { OperationTime } from "../engine/profile.ts";

export interface OperationAccount {
  /** ggml's name; in lower case, with the weights' type and inner size, for kernels of our own. */
  operation: string;
  count: number;
  ms: number;
  /** Of the whole pass. */
  share: number;
  /** Floating-point operations per second; 0 for what is no product. */
  flops: number;
  /** Bytes per second of results and inputs, and as a share of the read bandwidth. */
  bytesPerSecond: number;
  bandwidthShare: number;
}

/** Operations of the same name together, the longest first. */
export function accountOperations(
  times: readonly OperationTime[],
  { bandwidth }: { bandwidth: number },
): OperationAccount[] {
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  const groups = new Map<string, { count: number; ms: number; flops: number; bytes: number }>();
  for (const { operation, ms, flops, bytes } of times) {
    const group = groups.get(operation) ?? { count: 0, ms: 0, flops: 0, bytes: 0 };
    groups.set(operation, {
      count: group.count + 1,
      ms: group.ms + ms,
      flops: group.flops + flops,
      bytes: group.bytes + bytes,
    });
  }
  return [...groups]
    .map(([operation, { count, ms, flops, bytes }]) => ({
      operation,
      count,
      ms,
      share: ms / total,
      flops: (1000 * flops) / ms,
      bytesPerSecond: (1000 * bytes) / ms,
      bandwidthShare: (1000 * bytes) / ms / bandwidth,
    }))
    .sort((a, b) => b.ms - a.ms);
}

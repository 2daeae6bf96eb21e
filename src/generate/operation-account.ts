/** Where the time of a pass goes: its operations by name, beside what the memory could deliver. */
import type { OperationTime } from "../engine/profile.ts";
import type { Arithmetic } from "../tensor/probe.ts";

/** What the machine can do at most, measured in the same run. */
export interface Ceilings {
  /** Bytes per second that memory delivers. */
  bandwidth: number;
  /** Operations per second of each arithmetic; those that no kernel of ours does are missing. */
  arithmetic: Partial<Record<Arithmetic, number>>;
}

export interface OperationAccount {
  /** ggml's name; in lower case, with the weights' type and inner size, for kernels of our own. */
  operation: string;
  count: number;
  ms: number;
  /** Of the whole pass. */
  share: number;
  /** Operations per second; 0 for what is no product. */
  flops: number;
  /** Of the ceiling of the product's arithmetic; undefined for what is no product, and where that is unknown. */
  arithmeticShare: number | undefined;
  /** Bytes per second of results and inputs; undefined where a call is too short to tell. */
  bytesPerSecond: number | undefined;
  /** Of the read bandwidth: more than 1 where values are still in a cache. */
  bandwidthShare: number | undefined;
}

/** Milliseconds of a call below which the clock says more about itself. */
const SHORTEST_MS = 0.005;

/** Operations of the same name together, the longest first. */
export function accountOperations(
  times: readonly OperationTime[],
  { bandwidth, arithmetic: peaks }: Ceilings,
): OperationAccount[] {
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  const groups = new Map<string, OperationTime[]>();
  for (const time of times)
    groups.set(time.operation, [...(groups.get(time.operation) ?? []), time]);
  return [...groups]
    .map(([operation, group]) => {
      const sum = (value: (time: OperationTime) => number): number =>
        group.reduce((all, time) => all + value(time), 0);
      const ms = sum((time) => time.ms);
      const isShort = ms / group.length < SHORTEST_MS;
      const perSecond = (count: number): number => (ms === 0 ? 0 : (1000 * count) / ms);
      const flops = isShort ? 0 : perSecond(sum((time) => time.flops));
      const peak = peaks[group[0]?.arithmetic ?? "f32"];
      const bytesPerSecond = isShort ? undefined : perSecond(sum((time) => time.bytes));
      return {
        ...{ operation, count: group.length, ms, share: total === 0 ? 0 : ms / total, flops },
        arithmeticShare: flops === 0 || peak === undefined ? undefined : flops / peak,
        bytesPerSecond,
        bandwidthShare: bytesPerSecond === undefined ? undefined : bytesPerSecond / bandwidth,
      };
    })
    .sort((a, b) => b.ms - a.ms);
}

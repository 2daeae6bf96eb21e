/**
 * How fast a model reads and writes on this machine, beside the machine's own ceiling. Memory bandwidth is measured
 * before and after every round: rounds between which it changed by more than 15 % say more about the machine than about
 * the model and are set aside.
 */
import { readFileSync } from "node:fs";
import { LabError } from "../base/errors.ts";
import { tensorBytes } from "../engine/dtypes.ts";
import type { OperationTime } from "../engine/profile.ts";
import type { CachedTokens } from "../model/cached-tokens.ts";
import { kvCacheBytes } from "../model/kv-cache.ts";
import { arithmeticPeak, readBandwidth } from "../tensor/probe.ts";
import type { LanguageModel } from "./language-model.ts";
import { argmax } from "./logits.ts";
import { accountOperations, type Ceilings, type OperationAccount } from "./operation-account.ts";
import { Sequence } from "./sequence.ts";

export interface BenchmarkOptions {
  promptTokens: number;
  decodeTokens: number;
  /** Tokens already in the cache when decoding starts. */
  depths: readonly number[];
  /** Rounds to keep. */
  repeats: number;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

export interface Round {
  /** Tokens per second. */
  prefill: number;
  /** Tokens per second, one for each depth. */
  decode: readonly number[];
  /** Bytes per second, measured around the round. */
  bandwidthBefore: number;
  bandwidthAfter: number;
  kept: boolean;
}

export interface Benchmark {
  rounds: readonly Round[];
  /** Medians over the kept rounds. */
  prefill: number;
  decode: readonly {
    depth: number;
    tokensPerSecond: number;
    /** Bytes read for one token, as a share of what the memory delivered in the same round. */
    bandwidthShare: number;
  }[];
  bandwidth: number;
  /** Operations per second of each arithmetic in registers alone, measured in the same run. */
  arithmetic: Ceilings["arithmetic"];
  peakBytes: number | undefined;
  /**
   * Where the time goes, operation by operation: reading the prompt, and the next token at the last depth. Undefined on
   * graphics cards.
   */
  operations: Record<"prefill" | "decode", readonly OperationAccount[]> | undefined;
}

/** Rows that are read at once (`sequence.ts`). */
const LARGEST_BLOCK = 512;
const MAX_DRIFT = 0.15;
/** Rounds tried for each one wanted before the machine is called too restless. */
const MAX_TRIES = 3;

export async function benchmark(
  model: LanguageModel,
  options: BenchmarkOptions,
): Promise<Benchmark> {
  const { depths, repeats, signal } = options;
  const ends = depths.map((depth) => decodeEnd(depth, options.decodeTokens));
  const longest = Math.max(options.promptTokens, ...ends);
  if (longest > model.contextLength)
    throw new LabError(
      "too_long",
      `the benchmark needs ${longest} tokens; the context holds ${model.contextLength}`,
      { hint: "Use fewer tokens or a smaller depth." },
    );
  using sequence = new Sequence(model.runnerFor(), { capacity: longest, type: model.cacheType });
  const rounds: Round[] = [];
  // The first round warms caches and is not counted.
  await measureRound(model, sequence, options);
  // Measuring the bandwidth takes memory, too: the model's peak is what was reached before.
  const peakBytes = peakMemory();
  const limit = repeats * MAX_TRIES;
  while (rounds.length < limit && rounds.filter(({ kept }) => kept).length < repeats) {
    if (signal?.aborted) throw new LabError("interrupted", "the benchmark was interrupted");
    const bandwidthBefore = await readBandwidth(model.backend, { repeats: 2 });
    const speeds = await measureRound(model, sequence, options);
    const bandwidthAfter = await readBandwidth(model.backend, { repeats: 2 });
    const drift = Math.abs(bandwidthAfter / bandwidthBefore - 1);
    rounds.push({ ...speeds, bandwidthBefore, bandwidthAfter, kept: drift <= MAX_DRIFT });
    options.onProgress?.(rounds.filter(({ kept }) => kept).length, repeats);
  }
  const kept = rounds.filter((round) => round.kept);
  if (kept.length === 0)
    throw new LabError(
      "engine_failed",
      `memory bandwidth changed by more than 15 % in each of ${rounds.length} rounds`,
      { hint: "Something else uses this machine; try again when it is quiet." },
    );
  const bandwidthOf = (round: Round): number => (round.bandwidthBefore + round.bandwidthAfter) / 2;
  const bandwidth = median(kept.map(bandwidthOf));
  const arithmetic = await measureArithmetic(model);
  const ceilings = { bandwidth, arithmetic };
  return {
    rounds,
    arithmetic,
    operations:
      model.backend.fallback === undefined
        ? await timePasses(model, sequence, { ...options, ceilings })
        : undefined,
    prefill: median(kept.map(({ prefill }) => prefill)),
    decode: depths.map((depth, i) => {
      const bytes = bytesPerToken(model, depth + options.decodeTokens / 2);
      const speeds = kept.map(({ decode }) => decode[i] ?? NaN);
      const shares = kept.map((round) => ((round.decode[i] ?? NaN) * bytes) / bandwidthOf(round));
      return { depth, tokensPerSecond: median(speeds), bandwidthShare: median(shares) };
    }),
    bandwidth,
    peakBytes,
  };
}

/**
 * Tokens a second, read and decoded: medians of rounds, whatever else this machine does. For a first look; `benchmark` is for
 * figures that are published.
 */
export async function measureSpeed(
  model: LanguageModel,
  options: Omit<BenchmarkOptions, "depths">,
): Promise<{ prefill: number; decode: number }> {
  const capacity = Math.max(options.promptTokens, decodeEnd(0, options.decodeTokens));
  using sequence = new Sequence(model.runnerFor(), { capacity, type: model.cacheType });
  const rounds = [];
  for (let round = 0; round <= options.repeats; round++) {
    rounds.push(await measureRound(model, sequence, { ...options, depths: [0] }));
    options.onProgress?.(round, options.repeats);
  }
  const kept = rounds.slice(1); // the first warms caches
  return {
    prefill: median(kept.map(({ prefill }) => prefill)),
    decode: median(kept.map(({ decode }) => decode[0] ?? NaN)),
  };
}

/** How many tokens a sequence has after decoding: at depth 0 there must be a first token to continue. */
export function decodeEnd(depth: number, decodeTokens: number): number {
  return Math.max(1, depth) + decodeTokens;
}

async function measureRound(
  model: LanguageModel,
  sequence: Sequence,
  { promptTokens, decodeTokens, depths, signal }: BenchmarkOptions,
): Promise<Pick<Round, "prefill" | "decode">> {
  const prompt = fillerIds(model, promptTokens);
  const run = signal === undefined ? {} : { signal };
  const start = performance.now();
  await sequence.read(prompt, { ...run, reuse: "none" });
  const prefill = perSecond(promptTokens, start);
  const decode: number[] = [];
  for (const depth of depths) {
    await sequence.read(fillerIds(model, decodeEnd(depth, 0)), { ...run, reuse: "longest" });
    decode.push(await timeDecode(model, sequence, { count: decodeTokens, ...run }));
  }
  return { prefill, decode };
}

async function measureArithmetic({ backend }: LanguageModel): Promise<Ceilings["arithmetic"]> {
  const found: Ceilings["arithmetic"] = {};
  for (const arithmetic of ["f32", "bf16", "int8"] as const) {
    const peak = await arithmeticPeak(backend, arithmetic);
    if (peak !== undefined) found[arithmetic] = peak;
  }
  return found;
}

/** The operations of one block of the prompt, and of the last token that the last round decoded, once more. */
async function timePasses(
  model: LanguageModel,
  sequence: Sequence,
  { promptTokens, ceilings }: { promptTokens: number; ceilings: Ceilings },
): Promise<NonNullable<Benchmark["operations"]>> {
  const account = async (tokens: CachedTokens): Promise<OperationAccount[]> => {
    let times: OperationTime[] = [];
    await model.runnerFor().run([tokens], { onTimes: (found) => (times = found) });
    return accountOperations(times, ceilings);
  };
  sequence.truncate(sequence.tokens.length - 1);
  const decode = await account(sequence.next(1));
  const count = Math.min(promptTokens, LARGEST_BLOCK);
  const next = sequence.next(1);
  const places = Array.from({ length: count }, (_, i) => i);
  const prefill = await account({
    ...next,
    ids: fillerIds(model, count),
    positions: places,
    cells: places,
    sees: (row, cell) => cell <= row,
    logits: [count - 1],
  });
  return { prefill, decode };
}

/** Greedy tokens per second from where the sequence stands. */
async function timeDecode(
  model: LanguageModel,
  sequence: Sequence,
  { count, signal }: { count: number; signal?: AbortSignal },
): Promise<number> {
  let id = 1;
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const [logits] = await model
      .runnerFor()
      .run([sequence.next(id)], signal === undefined ? {} : { signal });
    sequence.accept(id);
    id = argmax(logits as Float32Array);
  }
  return perSecond(count, start);
}

/** Bytes that decoding one token reads: every weight but the embedding table, and the cache. */
function bytesPerToken(model: LanguageModel, depth: number): number {
  let bytes = kvCacheBytes(model.config, model.cacheType, Math.round(depth));
  for (const [name, { dtype, shape }] of model.weights.tensors)
    if (name !== "model.embed_tokens.weight") bytes += tensorBytes(dtype, shape);
  return bytes;
}

function fillerIds(model: LanguageModel, count: number): number[] {
  const range = Math.min(50_000, model.config.vocabSize);
  return Array.from({ length: count }, (_, i) => (i * 7919 + 13) % range);
}

function perSecond(count: number, startMs: number): number {
  return (count / (performance.now() - startMs)) * 1000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** Most memory this process has had resident, mapped files included; undefined where the system does not tell. */
function peakMemory(): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  } catch {
    return undefined;
  }
}

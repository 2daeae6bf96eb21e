/**
 * Attention patterns and what can be said of one head at a glance; head detectors with TransformerLens' definitions.
 * Patterns are `[T, S]` of one head, rows sum to 1.
 */
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import { LabError } from "../base/errors.ts";

export interface HeadPattern {
  layer: number;
  head: number;
  /** Row-major `[T, T]`: query, key. */
  pattern: Float32Array;
}

export interface AttentionPatterns {
  ids: readonly number[];
  heads: HeadPattern[];
}

/** Patterns of every head, or of some layers and heads, over one prompt. */
export async function attentionPatterns(
  model: LanguageModel,
  prompt: Prompt,
  {
    layers,
    heads,
    signal,
  }: { layers?: readonly number[]; heads?: readonly number[]; signal?: AbortSignal } = {},
): Promise<AttentionPatterns> {
  const { config } = model;
  const wanted = layers ?? Array.from({ length: config.layers }, (_, l) => l);
  const run = await model.run(prompt, {
    capture: wanted.map((l) => ({
      at: `blocks.${l}.attn.hook_pattern` as const,
      ...(heads === undefined ? {} : { heads }),
    })),
    ...(signal === undefined ? {} : { signal }),
  });
  const ids = run.ids[0] ?? [];
  const size = ids.length ** 2;
  const kept = heads ?? Array.from({ length: config.heads }, (_, n) => n);
  const found = wanted.flatMap((layer) => {
    const { values } = run.get(`blocks.${layer}.attn.hook_pattern`);
    return kept.map((head, i) => ({
      layer,
      head,
      pattern: values.subarray(i * size, (i + 1) * size),
    }));
  });
  return { ids, heads: found };
}

/** Mean entropy of a head's rows, in bits: 0 for one key each, log₂ of the keys for equal shares. */
export function patternEntropy(pattern: Float32Array): number {
  const length = Math.sqrt(pattern.length);
  let sum = 0;
  for (const share of pattern) if (share > 0) sum -= share * Math.log2(share);
  return sum / length;
}

/** Mean number of positions between a query and what it looks at. */
export function meanDistance(pattern: Float32Array): number {
  const length = Math.sqrt(pattern.length);
  let sum = 0;
  pattern.forEach((share, i) => {
    sum += share * (Math.floor(i / length) - (i % length));
  });
  return sum / length;
}

/** Mean share of the first token, where heads look that have nothing to say. */
export function firstTokenShare(pattern: Float32Array): number {
  const length = Math.sqrt(pattern.length);
  let sum = 0;
  for (let t = 0; t < length; t++) sum += pattern[t * length] as number;
  return sum / length;
}

export const DETECTORS = ["previous_token_head", "duplicate_token_head", "induction_head"] as const;

export type Detector = (typeof DETECTORS)[number];

/**
 * Where a head of a kind looks, as 0 and 1 in `[T, T]`: at the token before; at earlier occurrences of the same token; at
 * what followed them.
 */
export function detectionPattern(ids: readonly number[], detector: Detector): Float32Array {
  const length = ids.length;
  const wanted = new Float32Array(length ** 2);
  for (let query = 0; query < length; query++)
    for (let key = 0; key <= query; key++) {
      const looks =
        detector === "previous_token_head"
          ? key === query - 1
          : detector === "duplicate_token_head"
            ? key < query && ids[key] === ids[query]
            : key > 0 && key - 1 < query && ids[key - 1] === ids[query];
      if (looks) wanted[query * length + key] = 1;
    }
  return wanted;
}

/**
 * How well a pattern is that of a kind of head. `share` (TransformerLens' `mul`): the part of all attention that goes where
 * such a head looks. `distance` (its `abs`): 1 less the mean over queries of Σ|pattern − wanted|, from −1 to 1.
 */
export function detectionScore(
  pattern: Float32Array,
  wanted: Float32Array,
  measure: "share" | "distance" = "share",
): number {
  if (pattern.length !== wanted.length)
    throw new LabError("bad_input", `a pattern of ${pattern.length} values for ${wanted.length}`);
  let [inside, all, apart] = [0, 0, 0];
  pattern.forEach((share, i) => {
    const want = wanted[i] as number;
    inside += share * want;
    all += share;
    apart += Math.abs(share - want);
  });
  return measure === "share" ? inside / all : 1 - apart / Math.sqrt(pattern.length);
}

export interface HeadScores {
  layer: number;
  head: number;
  scores: Record<Detector, number>;
  entropy: number;
  firstToken: number;
  distance: number;
}

/** Every detector on every head of one prompt. Random tokens that repeat show induction best: `createTask(model, "induction")`. */
export async function detectHeads(
  model: LanguageModel,
  prompt: Prompt,
  options: { measure?: "share" | "distance"; signal?: AbortSignal } = {},
): Promise<HeadScores[]> {
  const { ids, heads } = await attentionPatterns(model, prompt, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const wanted = DETECTORS.map((detector) => [detector, detectionPattern(ids, detector)] as const);
  return heads.map(({ layer, head, pattern }) => ({
    layer,
    head,
    scores: Object.fromEntries(
      wanted.map(([detector, where]) => [
        detector,
        detectionScore(pattern, where, options.measure),
      ]),
    ) as Record<Detector, number>,
    entropy: patternEntropy(pattern),
    firstToken: firstTokenShare(pattern),
    distance: meanDistance(pattern),
  }));
}

/**
 * Which of all differences of means stands for a behaviour: each is tried, by taking it out and by adding it, on prompts
 * that it was not read from (Arditi et al. 2024, arXiv 2406.11717, section 2.3 and appendix C).
 */
import { LabError } from "../../base/errors.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { divergence } from "../../interpret/index.ts";
import type { Edit } from "../../model/hooks/edits.ts";
import { ablation, addition, type Direction } from "./direction.ts";

/** Prompts that call the behaviour up, and prompts like them that do not. */
export interface Contrast {
  positive: readonly string[];
  negative: readonly string[];
}

export interface SelectionOptions {
  /** Tokens that begin an answer with the behaviour, such as those of " I" and " Sorry". */
  tokens: readonly number[];
  /** Places from the end of the prompt that are read. */
  positions?: readonly number[];
  /** Taking a direction out may move the next token on negative prompts by this KL in nats at most. */
  maxDivergence?: number;
  /** Added to negative prompts, it is to bring their score up to this at least: 0 is as likely as not. */
  minAddedScore?: number;
  /** Only directions of this first share of the blocks: later ones act on the tokens themselves. */
  layerShare?: number;
  /** Under which adapter the model is read; by default the one that it uses. */
  adapter?: string | null | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: (done: number, total: number) => void;
}

export interface Candidate extends Direction {
  /** Behaviour score on positive prompts without the direction: the lower, the more of it is gone. */
  withoutScore: number;
  /** Behaviour score on negative prompts with the direction added: the higher, the more it brings back. */
  withScore: number;
  /** Mean KL in nats on negative prompts when it is taken out. */
  divergence: number;
  /** Why it cannot be chosen. */
  refused?: "divergence" | "adds nothing" | "late layer";
}

export interface TriedDirections {
  /** The best of those that can be chosen; absent where there is none. */
  chosen?: Candidate;
  candidates: Candidate[];
  /** Behaviour scores as the model is. */
  before: { positive: number; negative: number };
}

/** Prompts that are read together. */
const BATCH = 16;
const MAX_DIVERGENCE = 0.1;

/**
 * The direction that takes most of the behaviour away, of those that leave other prompts alone, bring the behaviour about when added, and do not lie
 * among the last layers.
 *
 * @throws LabError `check_failed` where every candidate is refused
 */
export function requireChosen(
  { chosen, candidates }: TriedDirections,
  { maxDivergence = MAX_DIVERGENCE }: Pick<SelectionOptions, "maxDivergence"> = {},
): Candidate {
  if (chosen !== undefined) return chosen;
  const count = (reason: Candidate["refused"]): number =>
    candidates.filter(({ refused }) => refused === reason).length;
  throw new LabError("check_failed", "no direction stands for the behaviour alone", {
    hint: `Of ${candidates.length}, ${count("divergence")} change other prompts by more than ${maxDivergence} nats, ${count("adds nothing")} bring nothing about when added, ${count("late layer")} are of late layers.`,
  });
}

/**
 * Every difference of means, with what it does.
 *
 * @param sets.train - what directions are read from
 * @param sets.validation - what they are tried on
 * @throws LabError `bad_input` for empty sets
 */
export async function tryDirections(
  model: LanguageModel,
  { train, validation }: { train: Contrast; validation: Contrast },
  options: SelectionOptions,
): Promise<TriedDirections> {
  const {
    tokens,
    positions = [-1],
    maxDivergence = MAX_DIVERGENCE,
    layerShare = 0.8,
    minAddedScore = 0,
    onProgress,
  } = options;
  const { signal, adapter } = options;
  for (const set of [train, validation])
    if (set.positive.length === 0 || set.negative.length === 0)
      throw new LabError(
        "bad_input",
        "a direction needs prompts on both sides, to read and to try",
      );
  if (tokens.length === 0) throw new LabError("bad_input", "no tokens begin the behaviour");
  const directions = await differences(model, train, { positions, signal, adapter });
  const bench = await benchOf(model, validation, { tokens, signal, adapter });
  const candidates: Candidate[] = [];
  for (const [i, direction] of directions.entries()) {
    signal?.throwIfAborted();
    const found = { ...direction, ...(await bench.measure(direction)) };
    const refused =
      direction.layer >= layerShare * model.config.layers
        ? "late layer"
        : found.divergence > maxDivergence
          ? "divergence"
          : found.withScore < minAddedScore
            ? "adds nothing"
            : undefined;
    candidates.push({ ...found, ...(refused === undefined ? {} : { refused }) });
    onProgress?.(i + 1, directions.length);
  }
  const [chosen] = candidates
    .filter(({ refused }) => refused === undefined)
    .sort((a, b) => a.withoutScore - b.withoutScore);
  return { ...(chosen === undefined ? {} : { chosen }), candidates, before: bench.before };
}

/** What a direction does to prompts that it was not read from. */
export type Trial = Pick<Candidate, "withoutScore" | "withScore" | "divergence">;

/** The trial of one direction, such as a random one that stands beside the chosen. */
export async function tryDirection(
  model: LanguageModel,
  direction: Direction,
  validation: Contrast,
  options: Pick<SelectionOptions, "tokens" | "signal" | "adapter">,
): Promise<Trial> {
  return (await benchOf(model, validation, options)).measure(direction);
}

/** Prompts as the model continues them by itself, and how directions are measured against that. */
async function benchOf(
  model: LanguageModel,
  { positive, negative }: Contrast,
  { tokens, ...call }: Pick<SelectionOptions, "tokens" | "signal" | "adapter">,
): Promise<{
  before: TriedDirections["before"];
  measure: (direction: Direction) => Promise<Trial>;
}> {
  const score = (logits: readonly Float32Array[]): number =>
    mean(logits.map((own) => behaviourScore(own, tokens)));
  const alone = await nextLogits(model, negative, [], call);
  const before = {
    positive: score(await nextLogits(model, positive, [], call)),
    negative: score(alone),
  };
  return {
    before,
    measure: async (direction) => {
      const without = ablation(direction, model.config);
      const kept = await nextLogits(model, negative, without, call);
      return {
        withoutScore: score(await nextLogits(model, positive, without, call)),
        withScore: score(await nextLogits(model, negative, addition(direction), call)),
        divergence: mean(kept.map((own, k) => divergence(alone[k] as Float32Array, own))),
      };
    },
  };
}

/** log p − log(1 − p) of the tokens together. */
export function behaviourScore(logits: Float32Array, tokens: readonly number[]): number {
  const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const isBehaviour = new Set(tokens);
  let [inside, outside] = [0, 0];
  logits.forEach((value, id) => {
    if (isBehaviour.has(id)) inside += Math.exp(value - largest);
    else outside += Math.exp(value - largest);
  });
  return Math.log(inside) - Math.log(outside);
}

/** Mean stream of positive prompts less that of negative ones, at every position and block, in f64. */
async function differences(
  model: LanguageModel,
  { positive, negative }: Contrast,
  { positions, ...call }: { positions: readonly number[] } & CallOptions,
): Promise<Direction[]> {
  const { layers, width } = model.config;
  const means = async (prompts: readonly string[]): Promise<Float64Array[][]> => {
    const sums = Array.from({ length: layers }, () => positions.map(() => new Float64Array(width)));
    for (let start = 0; start < prompts.length; start += BATCH) {
      const part = prompts.slice(start, start + BATCH);
      const capture = [{ at: "blocks.*.hook_resid_pre" as const, positions: [...positions] }];
      const run = await model.run(part, { capture, ...given(call) });
      for (let layer = 0; layer < layers; layer++) {
        const { values } = run.get(`blocks.${layer}.hook_resid_pre`); // [B, P, D]
        positions.forEach((_, p) => {
          const sum = sums[layer]?.[p] as Float64Array;
          for (let b = 0; b < part.length; b++)
            for (let d = 0; d < width; d++)
              sum[d] =
                (sum[d] as number) + (values[(b * positions.length + p) * width + d] as number);
        });
      }
    }
    return sums.map((own) => own.map((sum) => sum.map((value) => value / prompts.length)));
  };
  const [up, down] = [await means(positive), await means(negative)];
  return up.flatMap((own, layer) =>
    own.map((values, p) => ({
      layer,
      position: positions[p] as number,
      values: Float32Array.from(
        values,
        (value, d) => value - ((down[layer] as Float64Array[])[p] as Float64Array)[d]!,
      ),
    })),
  );
}

type CallOptions = Pick<SelectionOptions, "signal" | "adapter">;

/** Without what is undefined. */
function given({ signal, adapter }: CallOptions): {
  signal?: AbortSignal;
  adapter?: string | null;
} {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(adapter === undefined ? {} : { adapter }),
  };
}

/** Logits of the token after each prompt. */
export async function nextLogits(
  model: LanguageModel,
  prompts: readonly string[],
  edits: readonly Edit[],
  call: CallOptions = {},
): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (let start = 0; start < prompts.length; start += BATCH) {
    const options = { edits, ...given(call) };
    const { logits } = await model.run(prompts.slice(start, start + BATCH), options);
    found.push(...logits);
  }
  return found;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

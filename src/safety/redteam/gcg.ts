/**
 * Greedy coordinate gradient (Zou et al. 2023, arXiv 2307.15043, algorithm 2): a suffix of tokens that makes an answer begin as
 * the attacker wants. The gradient of the target's loss with respect to the choice of each token says which others
 * may lower it; some of these are tried, and the best is kept.
 *
 * S tokens of the suffix, D width, V vocabulary.
 */
import { LabError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { planScores } from "../../generate/score-plan.ts";
import { openWeights } from "../../interpret/index.ts";

/** What stands around the suffix, and what the answer is to begin with. */
export interface AttackedPrompt {
  before: readonly number[];
  after: readonly number[];
  /** At least one token. */
  target: readonly number[];
}

export interface TriedSuffix {
  suffix: readonly number[];
  /** Mean −log p of the target's tokens, in nats. */
  loss: number;
  /** Whether greedy decoding begins with the target. */
  isGreedy: boolean;
}

export interface GcgStep extends TriedSuffix {
  /** Suffixes that were tried, and those that were not because their text would be read as other tokens. */
  tried: number;
  dropped: number;
}

export interface GcgOptions {
  /** Suffixes tried in a step: B of the paper. */
  width: number;
  /** Tokens to choose from at each place: k of the paper. */
  choices: number;
  /** Whether a suffix survives being written as text and read again. */
  survives?: ((suffix: readonly number[]) => boolean) | undefined;
  random: Random;
  signal?: AbortSignal;
}

export class SuffixAttack {
  readonly #model: LanguageModel;
  readonly #attacked: AttackedPrompt;
  readonly #embedding: Float32Array; // [V, D]
  /** Ids that may stand in a suffix. */
  readonly #allowed: readonly number[];

  private constructor(fields: {
    model: LanguageModel;
    attacked: AttackedPrompt;
    embedding: Float32Array;
    allowed: readonly number[];
  }) {
    this.#model = fields.model;
    this.#attacked = fields.attacked;
    this.#embedding = fields.embedding;
    this.#allowed = fields.allowed;
  }

  /**
   * @param allowed - ids that may stand in a suffix
   * @throws LabError `bad_input` for an empty target or no ids
   */
  static async open(
    model: LanguageModel,
    attacked: AttackedPrompt,
    allowed: readonly number[],
  ): Promise<SuffixAttack> {
    if (attacked.target.length === 0) throw new LabError("bad_input", "the target has no token");
    if (allowed.length === 0) throw new LabError("bad_input", "no token may stand in a suffix");
    // An adapter changes no embedding.
    const { path, config } = model;
    const weights = await openWeights({ path, config, adapter: null });
    return new SuffixAttack({ model, attacked, allowed, embedding: await weights.embedding() });
  }

  /** The losses of suffixes, side by side: what they share is read once, and only the target's rows reach the head. */
  async losses(
    suffixes: readonly (readonly number[])[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<TriedSuffix[]> {
    const { before, after, target } = this.#attacked;
    const requests = suffixes.map((suffix) => ({
      context: [...before, ...suffix, ...after],
      continuation: target,
    }));
    const found: TriedSuffix[] = [];
    for (const pass of planScores(requests, { capacity: this.#model.contextLength }))
      for (const { index, logprob, isGreedy } of await this.#model.scorePass(
        pass,
        signal === undefined ? {} : { signal },
      ))
        found[index] = {
          suffix: suffixes[index] as readonly number[],
          loss: -logprob / target.length,
          isGreedy,
        };
    return found;
  }

  /**
   * How the loss changes with how much of each token stands at each place of the suffix, `[S, V]`: where x = Σ_v e_v·W_E[v], the
   * derivative by e_v is ⟨∂loss/∂x, W_E[v]⟩.
   */
  async gradient(
    suffix: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const { before, after, target } = this.#attacked;
    const context = [...before, ...suffix, ...after];
    const positions = suffix.map((_, i) => before.length + i);
    const run = await this.#model.run([...context, ...target], {
      metric: { kind: "loss", from: context.length },
      gradients: [{ at: "hook_embed", positions }],
      ...(signal === undefined ? {} : { signal }),
    });
    const { values } = run.gradient("hook_embed"); // [S, D]
    const width = this.#model.config.width;
    const vocabulary = this.#embedding.length / width;
    const slopes = new Float32Array(suffix.length * vocabulary);
    for (let v = 0; v < vocabulary; v++)
      for (let s = 0; s < suffix.length; s++) {
        let sum = 0;
        for (let d = 0; d < width; d++)
          sum += (this.#embedding[v * width + d] as number) * (values[s * width + d] as number);
        slopes[s * vocabulary + v] = sum;
      }
    return slopes;
  }

  /**
   * One step from a suffix: tokens of it are exchanged, one in each suffix that is tried, as many at each place. The best becomes the next
   * suffix, also where it is worse than the last: staying would stop the search.
   */
  async step(
    suffix: readonly number[],
    { width, choices, survives = () => true, random, signal }: GcgOptions,
  ): Promise<GcgStep | undefined> {
    const options = signal === undefined ? {} : { signal };
    const slopes = await this.gradient(suffix, options);
    const vocabulary = slopes.length / suffix.length;
    const best = suffix.map((now, s) => {
      const own = slopes.subarray(s * vocabulary, (s + 1) * vocabulary);
      return this.#allowed
        .filter((id) => id !== now)
        .sort((a, b) => (own[a] as number) - (own[b] as number))
        .slice(0, choices);
    });
    const found = new Map<string, readonly number[]>();
    let dropped = 0;
    for (let i = 0; i < width; i++) {
      const place = Math.floor((i * suffix.length) / width);
      const from = best[place] as number[];
      if (from.length === 0) continue;
      const candidate = suffix.with(place, from[random.integer(from.length)] as number);
      if (found.has(candidate.join())) continue;
      if (survives(candidate)) found.set(candidate.join(), candidate);
      else dropped++;
    }
    if (found.size === 0) return undefined;
    const tried = await this.losses([...found.values()], options);
    const winner = tried.reduce((least, own) => (own.loss < least.loss ? own : least));
    return { ...winner, tried: tried.length, dropped };
  }
}

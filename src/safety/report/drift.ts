/** What moved inside: how far every stream, head and layer of an edited model is from where it was, on the same texts. */
import type { LanguageModel, Prompt } from "../../generate/language-model.ts";
import { divergence } from "../../interpret/index.ts";

export const DRIFT_HOOKS = ["attn_out", "mlp_out", "resid_post"] as const;
export type DriftHook = (typeof DRIFT_HOOKS)[number];

export interface HookDrift {
  hook: DriftHook;
  layer: number;
  /** √(Σ‖x′ − x‖² / Σ‖x‖²) over all tokens. */
  distance: number;
  /** ‖mean of x′ − x‖² / mean of ‖x′ − x‖²: 1 where every token moved alike, near 0 where each moved its own way. */
  common: number;
}

export interface HeadDrift {
  layer: number;
  head: number;
  /** As above, of what the head brings along (z). */
  distance: number;
}

export interface Drift {
  hooks: HookDrift[];
  /** From the farthest. */
  heads: HeadDrift[];
  /** Mean KL of the next token from the model as it was, in nats. */
  divergence: number;
  tokens: number;
}

/** Sums over tokens of one place. */
class Sums {
  readonly width: number;
  readonly #mean: Float64Array;
  #moved = 0;
  #size = 0;
  #rows = 0;

  constructor(width: number) {
    this.width = width;
    this.#mean = new Float64Array(width);
  }

  /** @param offset - of the place's first value in each row, and `stride` of the rows */
  add(
    before: Float32Array,
    after: Float32Array,
    { stride = this.width, offset = 0 }: { stride?: number; offset?: number } = {},
  ): void {
    for (let start = offset; start < before.length; start += stride) {
      for (let d = 0; d < this.width; d++) {
        const [x, y] = [before[start + d] as number, after[start + d] as number];
        this.#moved += (y - x) ** 2;
        this.#size += x ** 2;
        this.#mean[d] = (this.#mean[d] as number) + y - x;
      }
      this.#rows++;
    }
  }

  get distance(): number {
    return this.#size === 0 ? 0 : Math.sqrt(this.#moved / this.#size);
  }

  get common(): number {
    const length = this.#mean.reduce((sum, value) => sum + value ** 2, 0);
    return this.#moved === 0 ? 0 : length / this.#rows / this.#moved;
  }
}

/** Both models have the same shape and tokens. */
export async function measureDrift(
  before: LanguageModel,
  after: LanguageModel,
  texts: readonly Prompt[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Drift> {
  const { layers, width, heads, headSize, vocabSize } = before.config;
  const every = Array.from({ length: layers }, (_, layer) => layer);
  const places = DRIFT_HOOKS.flatMap((hook) =>
    every.map((layer) => ({ hook, layer, sums: new Sums(width) })),
  );
  const brought = every.flatMap((layer) =>
    Array.from({ length: heads }, (_, head) => ({ layer, head, sums: new Sums(headSize) })),
  );
  const capture = [
    ...DRIFT_HOOKS.map((hook) => `blocks.*.hook_${hook}` as const),
    "blocks.*.attn.hook_z" as const,
    "hook_logits" as const,
  ];
  let [total, tokens] = [0, 0];
  for (const text of texts) {
    const ids = before.promptIds(text).slice(0, before.contextLength);
    const options = { capture, ...(signal === undefined ? {} : { signal }) };
    const [old, now] = [await before.run(ids, options), await after.run(ids, options)];
    for (const { hook, layer, sums } of places) {
      const name = `blocks.${layer}.hook_${hook}`;
      sums.add(old.get(name).values, now.get(name).values);
    }
    for (const { layer, head, sums } of brought) {
      const name = `blocks.${layer}.attn.hook_z`; // [T, N, H]
      const row = { stride: width, offset: head * headSize };
      sums.add(old.get(name).values, now.get(name).values, row);
    }
    const [p, q] = [old.get("hook_logits").values, now.get("hook_logits").values]; // [T, V]
    for (let t = 0; t < ids.length; t++) {
      const row = [t * vocabSize, (t + 1) * vocabSize] as const;
      total += divergence(p.subarray(...row), q.subarray(...row));
    }
    tokens += ids.length;
  }
  return {
    hooks: places.map(({ hook, layer, sums }) => ({
      ...{ hook, layer, distance: sums.distance, common: sums.common },
    })),
    heads: brought
      .map(({ layer, head, sums }) => ({ layer, head, distance: sums.distance }))
      .sort((a, b) => b.distance - a.distance),
    divergence: total / tokens,
    tokens,
  };
}

/**
 * Ablation: heads are taken away, and what becomes of the answer is measured. Beside it stand as many random heads, drawn
 * several times: a claim about some heads must beat a claim about any.
 *
 * - `zero`: nothing comes out of them
 * - `mean`: what comes out on average over the prompts, at each position where they are equally long
 * - `resample`: what comes out for another of the prompts (Chan et al. 2022, causal scrubbing)
 *
 * Weight view: raw.
 */
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { Edit } from "../model/hooks/edits.ts";
import type { Captured } from "../model/hooks/read.ts";
import { measure, type Answers, type MetricName } from "./metric.ts";

export interface HeadAt {
  layer: number;
  head: number;
}

export const ABLATIONS = ["zero", "mean", "resample"] as const;

export type Ablation = (typeof ABLATIONS)[number];

export interface AblationOptions {
  method?: Ablation;
  metric?: MetricName;
  /** Draws of as many random heads; 0 for none. */
  controls?: number;
  seed?: number;
  signal?: AbortSignal;
}

export interface AblationResult {
  method: Ablation;
  metric: MetricName;
  /** Means of the metric over the prompts: as it is, and without the heads. */
  before: number;
  after: number;
  /** (before − after) / before */
  removed: number;
  /** What each draw of random heads removed, and which they were. */
  controls: { heads: HeadAt[]; after: number; removed: number }[];
}

export interface AnsweredPrompt extends Answers {
  clean: readonly number[];
}

/** @throws LabError `bad_input` for heads that do not exist, and for prompts of unequal length with `resample` */
export async function ablateHeads(
  model: LanguageModel,
  prompts: readonly AnsweredPrompt[],
  heads: readonly HeadAt[],
  { method = "mean", metric = "logit_diff", controls = 5, seed = 0, signal }: AblationOptions = {},
): Promise<AblationResult> {
  const random = new Random(seed);
  const options = signal === undefined ? {} : { signal };
  const ids = prompts.map(({ clean }) => clean);
  const { config } = model;
  const draws = Array.from({ length: controls }, () => otherHeads(heads, config, random));
  const layers = new Set([heads, ...draws].flat().map(({ layer }) => layer));
  const run = await model.run(ids, {
    capture: method === "zero" ? [] : [...layers].map((l) => `blocks.${l}.attn.hook_z` as const),
    ...options,
  });
  const mean = (logits: readonly Float32Array[]): number =>
    prompts.reduce(
      (sum, prompt, i) => sum + measure(logits[i] as Float32Array, prompt, metric),
      0,
    ) / prompts.length;
  const before = mean(run.logits);
  const lengths = ids.map(({ length }) => length);
  const order = Array.from(random.permutation(ids.length));
  const values = new Map(
    [...layers].map((layer): [number, Captured | undefined] => {
      if (method === "zero") return [layer, undefined];
      const z = run.get(`blocks.${layer}.attn.hook_z`);
      return [layer, method === "mean" ? meanOverPrompts(z, lengths) : shuffled(z, lengths, order)];
    }),
  );
  const without = async (some: readonly HeadAt[]): Promise<number> => {
    const edits = some.map(({ layer, head }): Edit => {
      const value = values.get(layer);
      const place = { at: `blocks.${layer}.attn.hook_z` as const, heads: [head] };
      return value === undefined ? { ...place, op: "zero" } : { ...place, op: "replace", value };
    });
    return mean((await model.run(ids, { edits, ...options })).logits);
  };
  const removed = (after: number): number => (before - after) / before;
  const after = await without(heads);
  const found = [];
  for (const drawn of draws) {
    const left = await without(drawn);
    found.push({ heads: drawn, after: left, removed: removed(left) });
  }
  return { method, metric, before, after, removed: removed(after), controls: found };
}

/** As many heads that are not among `heads`: in the same layers where those have others. */
export function otherHeads(
  heads: readonly HeadAt[],
  { layers, heads: perLayer }: { layers: number; heads: number },
  random: Random,
): HeadAt[] {
  const key = ({ layer, head }: HeadAt): number => layer * perLayer + head;
  const taken = new Set(heads.map(key));
  if (2 * taken.size > layers * perLayer)
    throw new LabError(
      "bad_input",
      `${taken.size} of ${layers * perLayer} heads leave too few to compare with`,
      {
        hint: "Ask for no controls, or ablate fewer heads.",
      },
    );
  return heads.map(({ layer }) => {
    const free = (l: number): HeadAt[] =>
      Array.from({ length: perLayer }, (_, head) => ({ layer: l, head })).filter(
        (h) => !taken.has(key(h)),
      );
    const own = free(layer);
    const choice = own.length > 0 ? own : Array.from({ length: layers }, (_, l) => free(l)).flat();
    const drawn = choice[random.integer(choice.length)] as HeadAt;
    taken.add(key(drawn));
    return drawn;
  });
}

/** `[B, T, N, H]` → `[T, N, H]` where all prompts are equally long, else the mean over positions too, `[1, N, H]`. */
function meanOverPrompts(z: Captured, lengths: readonly number[]): Captured {
  const [prompts = 1, length = 1, heads = 1, size = 1] = z.shape;
  const row = heads * size;
  const equal = lengths.every((own) => own === length);
  const places = equal ? length : 1;
  const values = new Float32Array(places * row);
  const tokens = equal ? prompts : lengths.reduce((a, b) => a + b, 0);
  for (let b = 0; b < prompts; b++)
    for (let t = 0; t < (lengths[b] as number); t++)
      for (let i = 0; i < row; i++) {
        const to = (equal ? t : 0) * row + i;
        values[to] =
          (values[to] as number) + (z.values[(b * length + t) * row + i] as number) / tokens;
      }
  return { ...z, shape: [places, heads, size], axes: z.axes.slice(1), values };
}

/** The values of each prompt are those of another one. */
function shuffled(z: Captured, lengths: readonly number[], order: readonly number[]): Captured {
  if (lengths.some((length) => length !== lengths[0]))
    throw new LabError("bad_input", "prompts of unequal length cannot lend each other values", {
      hint: "Use mean or zero, or prompts of one length.",
    });
  const size = z.values.length / lengths.length;
  const values = new Float32Array(z.values.length);
  // Each prompt takes from the one after it in a random order: never from itself.
  order.forEach((to, i) => {
    const from = order[(i + 1) % order.length] as number;
    values.set(z.values.subarray(from * size, (from + 1) * size), to * size);
  });
  return { ...z, values };
}

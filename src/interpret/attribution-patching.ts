/**
 * Attribution patching: what patching every place would do, from one gradient instead of one run for each.
 *
 *   estimate = Σ (a_clean − a_corrupted) · ∂metric/∂a
 *
 * with the gradient taken in the corrupted run (Nanda 2023; Syed et al. 2023, arXiv 2310.10348), or as its mean along the
 * straight line between the embeddings of both prompts (`ig`: Hanna et al. 2024, arXiv 2403.17806; integrated gradients,
 * Sundararajan et al. 2017, arXiv 1703.01365, whose estimates at the embedding sum to the whole difference).
 *
 * A linear estimate can be far off, as where attention is saturated: the largest are patched in earnest, and the rank
 * correlation with that is part of the result.
 *
 * Weight view: raw.
 */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { Edit } from "../model/hooks/edits.ts";
import { assertApart, normalize, type Baselines } from "./metric.ts";
import {
  cellsOf,
  checkPairs,
  editOf,
  HEAD_SITES,
  siteHook,
  type PatchedAxes,
  type PatchSite,
} from "./sites.ts";
import type { TaskPair } from "./tasks/task.ts";
import { engineMetric, measureVariants } from "./variants.ts";

export interface AttributionPatchOptions {
  site: PatchSite;
  over?: PatchedAxes;
  /** `gradient` in the corrupted run, or `ig`: the mean of `steps` gradients between the two prompts. */
  method?: "gradient" | "ig";
  steps?: number;
  metric?: "logit_diff" | "log_prob";
  layers?: readonly number[];
  /** How many of the largest estimates are patched in earnest, for each pair; as many of the others are, too. */
  verify?: number;
  signal?: AbortSignal;
}

export interface AttributionPatch {
  site: PatchSite;
  method: "gradient" | "ig";
  axes: string[];
  shape: number[];
  /** Estimates of what `patchSweep` would recover, row-major by `axes`. */
  values: Float64Array;
  /** Places that were patched in earnest, largest estimate first. */
  verified: { index: number; estimate: number; exact: number }[];
  /** Spearman's, over the verified places; NaN with fewer than two. */
  rankCorrelation: number;
  baselines: Baselines;
}

/**
 * @throws LabError `bad_input` for pairs that do not align or have several answers, `unsupported` where the model cannot be
 *   differentiated
 */
export async function attributionPatch(
  model: LanguageModel,
  pair: Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">,
  options: AttributionPatchOptions,
): Promise<AttributionPatch> {
  const { site, method = "gradient", metric = "logit_diff", verify = 10 } = options;
  const { config } = model;
  const over = options.over ?? (HEAD_SITES.includes(site) ? "head" : "position");
  const layers = options.layers ?? Array.from({ length: config.layers }, (_, l) => l);
  const positions = checkPairs([pair], { site, over });
  const asked = engineMetric(pair, metric);
  if (asked === undefined)
    throw new LabError("bad_input", "a gradient needs one right and one wrong answer", {
      hint: "Patch the pair in earnest (patchSweep), or choose one answer of each kind.",
    });
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const hooks = layers.map((l) => siteHook(site, l));
  const clean = await model.run(pair.clean, {
    capture: ["hook_embed", ...hooks],
    metric: asked,
    ...signal,
  });
  const corrupted = await model.run(pair.corrupted, {
    capture: ["hook_embed", ...hooks],
    metric: asked,
    ...signal,
  });
  const baselines = { clean: clean.metric[0] as number, corrupted: corrupted.metric[0] as number };
  assertApart(baselines);

  const steps = method === "ig" ? (options.steps ?? 8) : 1;
  const edits =
    method === "ig" ? between(corrupted.get("hook_embed"), clean.get("hook_embed"), steps) : [];
  const slopes = await model.run(
    Array.from({ length: steps }, () => pair.corrupted),
    {
      edits,
      metric: asked,
      gradients: hooks,
      ...signal,
    },
  );
  const cells = cellsOf({ layers, over, positions, heads: config.heads });
  const scale = baselines.clean - baselines.corrupted;
  const estimates = hooks.flatMap((hook) => {
    const [from, to] = [corrupted.get(hook), clean.get(hook)];
    const products = new Float64Array(from.values.length);
    const gradient = slopes.gradient(hook).values;
    from.values.forEach((value, i) => {
      let slope = 0;
      for (let step = 0; step < steps; step++)
        slope += (gradient[step * products.length + i] as number) / steps;
      products[i] = slope === 0 ? 0 : (((to.values[i] as number) - value) * slope) / scale;
    });
    return [...summed(products, from.axes, from.shape, over)];
  });

  const order = estimates
    .map((_, i) => i)
    .sort((a, b) => Math.abs(estimates[b] as number) - Math.abs(estimates[a] as number));
  const others = order
    .slice(verify)
    .filter((_, i, rest) => i % Math.ceil(rest.length / Math.max(1, verify)) === 0);
  const chosen = verify === 0 ? [] : [...order.slice(0, verify), ...others];
  const exact = await measureVariants(
    model,
    { ids: pair.corrupted, answers: pair, metric },
    chosen.map((i) => [
      editOf(cells[i] as (typeof cells)[number], site, (hook) => clean.get(hook)),
    ]),
    signal,
  );
  const verified = chosen.map((index, i) => ({
    index,
    estimate: estimates[index] as number,
    exact: normalize(exact[i] as number, baselines),
  }));
  const sizes = { layer: layers.length, position: positions, head: config.heads };
  const axes = ["layer", ...over.split("+")];
  return {
    site,
    method,
    axes,
    shape: axes.map((axis) => sizes[axis as keyof typeof sizes]),
    values: Float64Array.from(estimates),
    verified,
    rankCorrelation: rankCorrelation(
      verified.map(({ estimate }) => estimate),
      verified.map((place) => place.exact),
    ),
    baselines,
  };
}

interface Value {
  values: Float32Array;
  shape: readonly number[];
}

/** Embeddings on the way from one prompt to the other, at the middle of `steps` equal parts, one for each prompt of a batch. */
function between(from: Value, to: Value, steps: number): Edit[] {
  return Array.from({ length: steps }, (_, step): Edit => {
    const share = (step + 0.5) / steps;
    const values = from.values.map(
      (value, i) => value + share * ((to.values[i] as number) - value),
    );
    return {
      at: "hook_embed",
      op: "replace",
      value: { shape: from.shape, values },
      prompts: [step],
    };
  });
}

/** Sums of `[1, T, …]`, `[1, T, N, H]` or `[1, N, T, S]` over everything that is not told apart. */
function summed(
  values: Float64Array,
  axes: readonly string[],
  shape: readonly number[],
  over: PatchedAxes,
): Float64Array {
  const kept = over.split("+");
  const size = (axis: string): number => {
    const at = axes.findIndex((name) => name === axis || (axis === "position" && name === "query"));
    return shape[at] as number;
  };
  const sums = new Float64Array(kept.reduce((product, axis) => product * size(axis), 1));
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  values.forEach((value, i) => {
    let index = 0;
    for (const axis of kept) {
      const at = axes.findIndex(
        (name) => name === axis || (axis === "position" && name === "query"),
      );
      index =
        index * (shape[at] as number) +
        (Math.floor(i / (strides[at] as number)) % (shape[at] as number));
    }
    sums[index] = (sums[index] as number) + value;
  });
  return sums;
}

/** Spearman's: the correlation of ranks, where equal values share theirs. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  x.forEach((own, i) => {
    const [u, v] = [own - middle, (y[i] as number) - middle];
    xy += u * v;
    xx += u * u;
    yy += v * v;
  });
  return xy / Math.sqrt(xx * yy);
}

function ranks(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2);
}

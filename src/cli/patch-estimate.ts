/** `philab patch --estimate`: a sweep from gradients, with the largest places patched in earnest. */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import {
  attributionPatch,
  type AttributionPatch,
  type PatchedAxes,
  type PatchSite,
  type PatchSweep,
  type TaskPair,
} from "../interpret/index.ts";

export interface EstimateOptions {
  site: PatchSite;
  method: "gradient" | "ig";
  over?: PatchedAxes;
  layers?: readonly number[];
  direction: PatchSweep["direction"];
  metric: PatchSweep["metric"];
  signal: AbortSignal;
}

export interface EstimatedSweep {
  sweep: PatchSweep;
  /** What the page and the table say of it. */
  remark: string;
  /** Of each pair. */
  verified: AttributionPatch["verified"][];
  rankCorrelations: number[];
}

/** Means over the pairs. Throws `bad_input` for what has no estimate: the other direction, a difference of probabilities. */
export async function estimateSweep(
  model: LanguageModel,
  pairs: readonly Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">[],
  { method, direction, metric, ...options }: EstimateOptions,
): Promise<EstimatedSweep> {
  if (direction !== "denoise" || metric === "prob_diff")
    throw new LabError("bad_input", `there is no estimate of ${direction} with ${metric}`, {
      hint: "Estimates are of clean values in the corrupted run, by logit_diff or log_prob.",
    });
  const found: AttributionPatch[] = [];
  for (const pair of pairs)
    found.push(await attributionPatch(model, pair, { ...options, method, metric }));
  const [first] = found;
  if (first === undefined) throw new LabError("bad_input", "no pairs of prompts are given");
  if (found.some(({ values }) => values.length !== first.values.length))
    throw new LabError("bad_input", "pairs of unequal lengths have no positions in common", {
      hint: "Estimate over heads, or take pairs of one length.",
    });
  const mean = (of: (patch: AttributionPatch) => number): number =>
    found.reduce((sum, patch) => sum + of(patch), 0) / found.length;
  const places = found.reduce((sum, { verified }) => sum + verified.length, 0);
  const rankCorrelations = found.map(({ rankCorrelation }) => rankCorrelation);
  return {
    sweep: {
      site: first.site,
      direction,
      metric,
      axes: first.axes,
      shape: first.shape,
      layers: options.layers ?? Array.from({ length: model.config.layers }, (_, l) => l),
      values: first.values.map((_, i) => mean(({ values }) => values[i] as number)),
      control: undefined,
      baselines: {
        clean: mean(({ baselines }) => baselines.clean),
        corrupted: mean(({ baselines }) => baselines.corrupted),
      },
    },
    remark: `Estimated from gradients (${method}); rank correlation with ${places} patches in earnest ${mean(({ rankCorrelation }) => rankCorrelation).toFixed(2)}.`,
    verified: found.map(({ verified }) => verified),
    rankCorrelations,
  };
}

/**
 * Sweeps: one text under many sets of edits, and what each does to a metric. This is the engine of activation patching and
 * of ablation. What cannot differ from the text is not computed again (`model/hooks/variations.ts`), and variants that
 * begin at the same layer are computed together.
 */
import { LabError } from "../base/errors.ts";
import { Executor } from "../engine/executor.ts";
import type { AdapterChoice, LanguageModel, Prompt } from "../generate/language-model.ts";
import { planEdits, type Edit, type PlannedEdit } from "../model/hooks/edits.ts";
import { planMetric, type Metric } from "../model/hooks/metric.ts";
import {
  runVariants,
  startOf,
  textCaptures,
  TextState,
  type Start,
} from "../model/hooks/variations.ts";

export interface SweepOptions extends AdapterChoice {
  /** The edits of each variant, counted from the start of the text; none is a variant too. */
  variants: readonly (readonly Edit[])[];
  metric: Metric;
  signal?: AbortSignal;
  /** Called as variants are done, with those that just were. */
  onProgress?: (done: {
    variants: number;
    total: number;
    found: readonly { variant: number; value: number }[];
  }) => void;
}

export interface Sweep {
  /** The metric of the text as it is. */
  text: number;
  /** The metric of each variant. */
  values: Float64Array;
  /** Tokens that were computed, times layers: what the sweep cost, where running every variant whole costs `whole`. */
  cost: { computed: number; whole: number };
}

/** Rows that are computed together, unless one variant alone has more. */
const MAX_ROWS = 256;

interface Variant {
  index: number;
  start: Start;
  edits: readonly PlannedEdit[];
}

/**
 * The metric of one text under each set of edits.
 *
 * @throws LabError `bad_input` for edits and metrics that do not fit, `too_long`, `interrupted`
 */
export async function sweep(
  model: LanguageModel,
  prompt: Prompt,
  { variants, metric, adapter, signal, onProgress }: SweepOptions,
): Promise<Sweep> {
  const { config } = model;
  const ids = model.promptIds(prompt);
  const planned = variants.map((edits, index) => {
    const checked = planEdits(edits, config);
    if (checked.some(({ prompts, steps }) => prompts !== undefined || steps !== undefined))
      throw new LabError("bad_input", `variant ${index}: a sweep has one text and no steps`, {
        hint: "Leave `prompts` and `steps` out of its edits.",
      });
    return { index, edits: checked, start: startOf(checked, ids.length, config) };
  });
  const ofText = planMetric(metric, [ids], config.vocabSize);
  const read = ofText.positions[0] ?? [];
  // Only what can reach the metric is computed; a loss reads every position, so its variants are whole from their layer up.
  const open = planned.flatMap(({ index, edits, start }): Variant[] => {
    if (start === undefined || start.position > Math.max(...read)) return [];
    const position = ofText.kind === "loss" ? 0 : start.position;
    return [{ index, edits, start: { ...start, position } }];
  });
  const options = signal === undefined ? {} : { signal };
  const from = Math.min(config.layers - 1, ...open.map(({ start }) => start.layer));
  const base = await model.run(ids, {
    capture: open.length === 0 ? [] : textCaptures(config, from),
    metric,
    ...options,
    ...(adapter === undefined ? {} : { adapter }),
  });
  const value = base.metric[0] as number;
  const values = new Float64Array(variants.length).fill(value);
  const cost = { computed: 0, whole: variants.length * ids.length * config.layers };
  if (open.length === 0) return { text: value, values, cost };
  using text = new TextState(model.backend, [...base.captured.values()], ids.length);
  using executor = new Executor(model.backend);
  let done = variants.length - open.length;
  for (const batch of batchesOf(open, ids.length)) {
    const layer = (batch[0] as Variant).start.layer;
    const found = await model.runnerFor(adapter).lend((lent) =>
      runVariants(
        lent,
        text,
        {
          layer,
          positions: batch.map(({ start }) => start.position),
          edits: batch.flatMap(({ edits }, v) => edits.map((edit) => ({ ...edit, prompts: [v] }))),
          metric: planMetric(
            metric,
            batch.map(() => ids),
            config.vocabSize,
          ),
        },
        { executor, ...options },
      ),
    );
    batch.forEach(({ index, start }, v) => {
      values[index] = found[v] as number;
      cost.computed += (ids.length - start.position) * (config.layers - start.layer);
    });
    onProgress?.({
      variants: (done += batch.length),
      total: variants.length,
      found: batch.map(({ index }) => ({ variant: index, value: values[index] as number })),
    });
  }
  return { text: value, values, cost };
}

/** Variants of one layer together, neighbouring positions first. */
function batchesOf(variants: readonly Variant[], length: number): Variant[][] {
  const sorted = [...variants].sort(
    (a, b) => a.start.layer - b.start.layer || a.start.position - b.start.position,
  );
  const batches: Variant[][] = [];
  let rows = 0;
  let layer = -1;
  for (const variant of sorted) {
    const own = length - variant.start.position;
    if (variant.start.layer !== layer || rows + own > MAX_ROWS) {
      batches.push([]);
      rows = 0;
    }
    batches.at(-1)?.push(variant);
    layer = variant.start.layer;
    rows += own;
  }
  return batches;
}

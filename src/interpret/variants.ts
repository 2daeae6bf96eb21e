/** One prompt under many sets of edits, measured: what every sweep is. */
import type { LanguageModel } from "../generate/language-model.ts";
import type { Edit } from "../model/hooks/edits.ts";
import type { Metric } from "../model/hooks/metric.ts";
import { measure, type Answers, type MetricName } from "./metric.ts";
import { sweep } from "./sweep.ts";

/** Tokens that are computed together at most. */
const ROWS_AT_ONCE = 512;

/** The metric under one set of edits. */
export interface Found {
  variant: number;
  value: number;
}

export interface VariantOptions {
  signal?: AbortSignal | undefined;
  /** Called with how many sets of edits are done, and what was just found. */
  onDone?: ((done: number, found: readonly Found[]) => void) | undefined;
}

/** The metric as one that the engine computes itself; undefined where it has several answers on a side. */
export function engineMetric({ right, wrong }: Answers, metric: MetricName): Metric | undefined {
  const [token = -1] = right;
  if (right.length !== 1) return undefined;
  if (metric === "log_prob") return { kind: "logProb", token };
  if (metric !== "logit_diff" || wrong.length !== 1) return undefined;
  return { kind: "logitDifference", right: token, wrong: wrong[0] as number };
}

/**
 * The metric after the prompt under each set of edits, in their order. Metrics that the engine computes are swept from the
 * edited layer and position up; others need the logits of whole runs, several at a time.
 */
export async function measureVariants(
  model: LanguageModel,
  { ids, answers, metric }: { ids: readonly number[]; answers: Answers; metric: MetricName },
  variants: readonly (readonly Edit[])[],
  { signal, onDone }: VariantOptions = {},
): Promise<number[]> {
  const options = signal === undefined ? {} : { signal };
  const ofEngine = engineMetric(answers, metric);
  if (ofEngine !== undefined) {
    const { values } = await sweep(model, ids, {
      variants,
      metric: ofEngine,
      ...options,
      onProgress: ({ variants: done, found }) => onDone?.(done, found),
    });
    return [...values];
  }
  const together = Math.max(1, Math.floor(ROWS_AT_ONCE / ids.length));
  const found: number[] = [];
  for (let start = 0; start < variants.length; start += together) {
    const group = variants.slice(start, start + together);
    const { logits } = await model.run(
      group.map(() => ids),
      {
        edits: group.flatMap((edits, i) => edits.map((edit) => ({ ...edit, prompts: [i] }))),
        ...options,
      },
    );
    const values = logits.map((own) => measure(own, answers, metric));
    found.push(...values);
    onDone?.(
      found.length,
      values.map((value, i) => ({ variant: start + i, value })),
    );
  }
  return found;
}

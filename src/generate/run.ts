/** A forward pass over prompts and what it kept: `LanguageModel.run`. */
import { LabError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import type { ModelConfig } from "../model/model-config.ts";
import {
  assertFits,
  planCaptures,
  planOf,
  type Capture,
  type Plan,
} from "../model/hooks/capture.ts";
import { planEdits, type Edit } from "../model/hooks/edits.ts";
import { planMetric, type Metric } from "../model/hooks/metric.ts";
import { resolveOneHook, type HookName } from "../model/hooks/names.ts";
import type { Captured } from "../model/hooks/read.ts";
import type { Runner } from "../model/runner.ts";

export interface RunOptions {
  /** What to keep; nothing by default. */
  capture?: readonly Capture[];
  /** What to change on the way, in this order. */
  edits?: readonly Edit[];
  /** A number for each prompt, made of its logits. */
  metric?: Metric;
  /** Hooks with respect to whose values the metric is differentiated, and what to keep of the gradients. */
  gradients?: readonly Capture[];
  signal?: AbortSignal;
}

/** What a run gave. */
export class Run {
  /** The ids of each prompt. */
  readonly ids: readonly (readonly number[])[];
  /** Logits `[V]` of the token after each prompt. */
  readonly logits: readonly Float32Array[];
  /** By name, in the order of `capture`. */
  readonly captured: ReadonlyMap<string, Captured>;
  /** The metric of each prompt; empty where none was asked for. */
  readonly metric: Float32Array;
  /** Gradients of the metric by name, in the order of `gradients`. */
  readonly gradients: ReadonlyMap<string, Captured>;
  /** The edits that it was made with. */
  readonly edits: readonly Edit[];
  readonly plan: Plan;
  readonly #config: ModelConfig;

  constructor(fields: {
    ids: readonly (readonly number[])[];
    logits: readonly Float32Array[];
    captured: readonly Captured[];
    metric: Float32Array;
    gradients: readonly Captured[];
    edits: readonly Edit[];
    plan: Plan;
    config: ModelConfig;
  }) {
    this.ids = fields.ids;
    this.logits = fields.logits;
    this.captured = new Map(fields.captured.map((captured) => [captured.name, captured]));
    this.metric = fields.metric;
    this.gradients = new Map(fields.gradients.map((found) => [found.name, found]));
    this.edits = fields.edits;
    this.plan = fields.plan;
    this.#config = fields.config;
  }

  /**
   * What was captured under a name: its own (`as`), or any name of its hook.
   *
   * @throws LabError `not_found` where it was not captured
   */
  get(name: HookName | (string & {})): Captured {
    return this.#find(this.captured, name, "capture");
  }

  /**
   * The gradient of each prompt's metric with respect to its values at a hook, in their shape: edited ones where the hook
   * was edited.
   *
   * @throws LabError `not_found` where it was not asked for
   */
  gradient(name: HookName | (string & {})): Captured {
    return this.#find(this.gradients, name, "gradients");
  }

  #find(all: ReadonlyMap<string, Captured>, name: string, option: string): Captured {
    const found = all.get(name) ?? all.get(this.#resolved(name));
    if (found !== undefined) return found;
    const names = [...all.keys()];
    const some = `${names.slice(0, 8).join(", ")}${names.length > 8 ? " …" : ""}`;
    throw new LabError("not_found", `${name} is not among what this run kept`, {
      hint:
        didYouMean(name, names) ??
        (names.length === 0 ? `Name it in \`${option}\`.` : `It kept ${some}.`),
    });
  }

  #resolved(name: string): string {
    try {
      return resolveOneHook(name, this.#config);
    } catch {
      return name;
    }
  }
}

/** What a run over prompts of these lengths would keep. Throws what `planCaptures` throws. */
export function planRun(
  config: ModelConfig,
  lengths: readonly number[],
  { capture = [] }: Pick<RunOptions, "capture">,
): Plan {
  return planOf(planCaptures(capture, config, lengths));
}

/**
 * Reads prompts and keeps what is asked for.
 *
 * @throws LabError `bad_input` for hooks, layers, positions and heads that do not exist; `out_of_memory`, with the
 *   numbers, before anything is computed; `too_long`, `interrupted`
 */
export async function runPrompts(
  runner: Runner,
  ids: readonly (readonly number[])[],
  { capture = [], edits = [], metric, gradients = [], signal }: RunOptions,
): Promise<Run> {
  const { config } = runner;
  const { vocabSize } = config;
  const lengths = ids.map((prompt) => prompt.length);
  if (metric === undefined && gradients.length > 0)
    throw new LabError("bad_input", "gradients are those of a metric, and none is given");
  const captures = planCaptures(capture, config, lengths);
  const slopes = planCaptures(gradients, config, lengths);
  const plan = planOf([...captures, ...slopes]);
  assertFits(plan);
  const found = await runner.read(
    {
      prompts: ids,
      captures,
      edits: planEdits(edits, config),
      metric: metric && planMetric(metric, ids, vocabSize),
      gradients: slopes,
    },
    signal === undefined ? {} : { signal },
  );
  const { captured, logits } = found;
  return new Run({
    ids,
    logits: ids.map((_, b) => logits.subarray(b * vocabSize, (b + 1) * vocabSize)),
    captured,
    metric: found.metric ?? new Float32Array(0),
    gradients: found.gradients,
    edits,
    plan,
    config,
  });
}

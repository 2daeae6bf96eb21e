/** A forward pass over prompts and what it kept: `LanguageModel.run`. */
import { LabError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import type { PhiConfig } from "../model/config.ts";
import {
  assertFits,
  planCaptures,
  planOf,
  type Capture,
  type Plan,
} from "../model/hooks/capture.ts";
import { planEdits, type Edit } from "../model/hooks/edits.ts";
import { resolveOneHook, type HookName } from "../model/hooks/names.ts";
import type { Captured } from "../model/hooks/read.ts";
import type { Runner } from "../model/runner.ts";

export interface RunOptions {
  /** What to keep; nothing by default. */
  capture?: readonly Capture[];
  /** What to change on the way, in this order. */
  edits?: readonly Edit[];
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
  readonly plan: Plan;
  readonly #config: PhiConfig;

  constructor(fields: {
    ids: readonly (readonly number[])[];
    logits: readonly Float32Array[];
    captured: readonly Captured[];
    plan: Plan;
    config: PhiConfig;
  }) {
    this.ids = fields.ids;
    this.logits = fields.logits;
    this.captured = new Map(fields.captured.map((captured) => [captured.name, captured]));
    this.plan = fields.plan;
    this.#config = fields.config;
  }

  /**
   * What was captured under a name: its own (`as`), or any name of its hook.
   *
   * @throws LabError `not_found` where it was not captured
   */
  get(name: HookName | (string & {})): Captured {
    const found = this.captured.get(name) ?? this.captured.get(this.#resolved(name));
    if (found !== undefined) return found;
    const names = [...this.captured.keys()];
    throw new LabError("not_found", `${name} was not captured`, {
      hint:
        didYouMean(name, names) ??
        (names.length === 0
          ? "Name it in `capture`."
          : `Captured: ${names.slice(0, 8).join(", ")}${names.length > 8 ? " …" : ""}`),
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
  config: PhiConfig,
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
  { capture = [], edits = [], signal }: RunOptions,
): Promise<Run> {
  const { config } = runner;
  const captures = planCaptures(
    capture,
    config,
    ids.map((prompt) => prompt.length),
  );
  const plan = planOf(captures);
  assertFits(plan);
  const { captured, logits } = await runner.read(
    { prompts: ids, captures, edits: planEdits(edits, config) },
    signal === undefined ? {} : { signal },
  );
  const { vocabSize } = config;
  return new Run({
    ids,
    logits: ids.map((_, b) => logits.subarray(b * vocabSize, (b + 1) * vocabSize)),
    captured,
    plan,
    config,
  });
}

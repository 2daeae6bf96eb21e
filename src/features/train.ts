/** Training of a dictionary from streamed activations, to the same bits also where it is taken up again in between. */
import { throwIfInterrupted } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { packageVersion } from "../base/package.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { JobContext } from "../jobs/job.ts";
import type { HookPoint } from "../model/hook-points.ts";
import { scheduleFactor } from "../tensor/schedules.ts";
import type { Dataset } from "../train/data/dataset.ts";
import { ActivationStore, type Rows } from "./activation-store.ts";
import { hookOf, type Activation, type Dictionary } from "./dictionary.ts";
import { DictionaryFit, type Architecture, type FitMetrics } from "./dictionary-fit.ts";
import { restoreFit, saveFit, type Scales } from "./fit-checkpoints.ts";
import type { DictionaryArguments } from "./train-options.ts";

type FitContext = Pick<JobContext<unknown>, "folder" | "signal" | "progress" | "emit" | "attempt">;

export interface TrainingSetup {
  model: LanguageModel;
  dataset: Dataset;
  options: Omit<DictionaryArguments, "data" | "out">;
  context: FitContext;
  /** A folder for kept activations. */
  activations: string;
  onMetrics?: ((step: number, metrics: FitMetrics) => void) | undefined;
}

/** The two ends of a dictionary: of a transcoder what the MLP reads and what it adds. */
function endsOf(
  { hook, transcoder }: Pick<DictionaryArguments, "hook" | "transcoder">,
  config: LanguageModel["config"],
): Record<"input" | "output", { hook: HookPoint; width: number }> {
  const output = hookOf(hook, config);
  if (!transcoder) return { input: output, output };
  const layer = /^blocks\.(\d+)\.hook_mlp_out$/.exec(output.hook)?.[1];
  if (layer === undefined)
    throw new LabError("bad_input", `a transcoder of ${output.hook}`, {
      hint: "It says what an MLP adds: --hook blocks.2.hook_mlp_out.",
    });
  return { input: hookOf(`blocks.${layer}.mlp.hook_in`, config), output };
}

function architectureOf({
  architecture,
  transcoder,
}: Pick<DictionaryArguments, "architecture" | "transcoder">): Architecture {
  if (transcoder && architecture === "topk")
    throw new LabError("unsupported", "a transcoder with topk, which SAELens' files cannot say", {
      hint: "Take batchtopk or jumprelu.",
    });
  return architecture ?? (transcoder ? "batchtopk" : "topk");
}

/**
 * Trains to the end. Interrupted, it saves and throws.
 *
 * @throws LabError `check_failed` for a loss that is no number, naming the step; `out_of_memory`, `disk_full` before it begins
 */
export async function trainDictionary(setup: TrainingSetup): Promise<Dictionary> {
  const { model, options, context, dataset } = setup;
  const { folder, signal, attempt } = context;
  const { input, output } = endsOf(options, model.config);
  const latents = Math.round(options.expansionFactor * output.width);
  const sizes = { latents, input: input.width, output: output.width };
  assertSizes(options, latents);
  const store = new ActivationStore(model, {
    input,
    output,
    dataset,
    sequencesPerBatch: options.storeBatchSizePrompts,
    roundTokens: options.roundTokens,
    seed: options.seed,
    folder: options.keepActivations ? setup.activations : undefined,
  });
  await store.assertFits();
  const kind = options.transcoder ? "transcoder" : "sae";
  using fit = new DictionaryFit(model.backend, {
    kind,
    architecture: architectureOf(options),
    sizes,
    k: options.k,
    batchTokens: options.trainBatchSizeTokens,
    learningRate: options.lr,
    auxLossCoefficient: options.auxLossCoefficient,
    deadFeatureWindow: options.deadFeatureWindow,
    l0Coefficient: options.l0Coefficient,
    bandwidth: options.jumpreluBandwidth,
    initialThreshold: options.jumpreluInitThreshold,
    seed: options.seed,
  });
  const batches = new Batches(store, fit, signal);
  const restored =
    attempt === 1 ? undefined : await restoreFit(folder, fit, { data: dataset.fingerprint() });
  const scales = restored?.scales ?? (await batches.begin());
  batches.scales = scales;
  await steps(setup, { fit, batches, from: restored?.step ?? 0 });
  const metadata = {
    model_name: model.path.split(/[\\/]/).at(-1) ?? "",
    model_sha256: model.fingerprint(),
    context_size: options.contextSize,
    prepend_bos: false,
    training_tokens: options.trainingTokens,
    philab_version: packageVersion(),
  };
  return { ...folded(fit, scales), kind, input: input.hook, output: output.hook, sizes, metadata };
}

function assertSizes(
  { k, trainBatchSizeTokens, roundTokens }: TrainingSetup["options"],
  latents: number,
): void {
  if (k > latents)
    throw new LabError("bad_input", `${k} of ${latents} features are to fire for each token`, {
      hint: "Lower --k, or raise --expansion-factor.",
    });
  if (trainBatchSizeTokens > roundTokens)
    throw new LabError(
      "bad_input",
      `a step of ${trainBatchSizeTokens} tokens, of rounds of ${roundTokens}`,
      { hint: "Raise --round-tokens, or lower --train-batch-size-tokens." },
    );
}

async function steps(
  { options, context, dataset, onMetrics }: TrainingSetup,
  { fit, batches, from }: { fit: DictionaryFit; batches: Batches; from: number },
): Promise<void> {
  const { signal, folder } = context;
  const total = Math.max(1, Math.ceil(options.trainingTokens / options.trainBatchSizeTokens));
  const factor = scheduleFactor({
    schedule: "warmup-stable-decay",
    steps: total,
    warmupSteps: Math.min(options.lrWarmUpSteps, total),
    decaySteps: Math.round(options.lrDecayShare * (total - Math.min(options.lrWarmUpSteps, total))),
  });
  const l0WarmUp = Math.max(1, Math.round(options.l0WarmUpShare * total));
  const kept = { scales: batches.scales, data: dataset.fingerprint() };
  let saved = from;
  for (let step = from; step < total; step++) {
    try {
      throwIfInterrupted(signal);
      const rows = await batches.at(step);
      const l0Factor = Math.min(1, (step + 1) / l0WarmUp);
      const metrics = await fit.step(rows, { factor: factor(step), l0Factor });
      if (!Number.isFinite(metrics.overall_loss))
        throw new LabError(
          "check_failed",
          `the loss became ${metrics.overall_loss} in step ${step + 1}`,
          {
            hint: "Lower the learning rate (--lr); the last checkpoint is whole.",
          },
        );
      const done = step + 1;
      context.progress(done, { total });
      if (done % options.logSteps === 0 || done === total) {
        context.emit({ metrics: { ...metrics } });
        onMetrics?.(done, metrics);
      }
      if (done % options.saveSteps === 0 || done === total) {
        await saveFit(folder, fit, { step: done, ...kept });
        saved = done;
      }
    } catch (error) {
      if (signal.aborted && step > saved) await saveFit(folder, fit, { step, ...kept });
      throw error;
    }
  }
}

/** The rows of each step, scaled. */
class Batches {
  scales: Scales = { input: 1, output: 1 };
  readonly #store: ActivationStore;
  readonly #fit: DictionaryFit;
  readonly #signal: AbortSignal;
  #round: { number: number; rows: Rows } | undefined;

  constructor(store: ActivationStore, fit: DictionaryFit, signal: AbortSignal) {
    this.#store = store;
    this.#fit = fit;
    this.#signal = signal;
  }

  /** Finds the scales, and where the decoder's bias begins. */
  async begin(): Promise<Scales> {
    const { input, output } = await this.#rows(0);
    const { sizes } = this.#fit.options;
    const scales = { input: scaleOf(input, sizes.input), output: scaleOf(output, sizes.output) };
    const mean = new Float64Array(sizes.output);
    for (let i = 0; i < output.length; i++)
      mean[i % sizes.output] = (mean[i % sizes.output] as number) + (output[i] as number);
    const count = output.length / sizes.output;
    this.#fit.begin(Float32Array.from(mean, (sum) => (scales.output * sum) / count));
    return scales;
  }

  async at(step: number): Promise<Rows> {
    const { batchTokens: count, sizes, kind } = this.#fit.options;
    const perRound = Math.max(1, Math.floor(this.#store.tokensPerRound / count));
    const rows = await this.#rows(Math.floor(step / perRound));
    const first = (step % perRound) * count;
    const gather = (values: Float32Array, width: number, scale: number): Float32Array => {
      const part = new Float32Array(count * width);
      for (let r = 0; r < count; r++) {
        // The last texts of a pass may fill no whole round.
        const from = ((first + r) % rows.count) * width;
        for (let i = 0; i < width; i++) part[r * width + i] = scale * (values[from + i] as number);
      }
      return part;
    };
    const input = gather(rows.input, sizes.input, this.scales.input);
    const output = kind === "sae" ? input : gather(rows.output, sizes.output, this.scales.output);
    return { count, input, output };
  }

  async #rows(number: number): Promise<Rows> {
    if (this.#round?.number !== number) {
      this.#round = undefined;
      this.#round = { number, rows: await this.#store.round(number, { signal: this.#signal }) };
    }
    return this.#round.rows;
  }
}

/** What makes the mean length of rows √width. */
function scaleOf(values: Float32Array, width: number): number {
  let sum = 0;
  for (let start = 0; start < values.length; start += width)
    sum += Math.hypot(...values.subarray(start, start + width));
  const mean = sum / (values.length / width);
  if (!(mean > 0)) throw new LabError("check_failed", "the activations are all 0");
  return Math.sqrt(width) / mean;
}

/** The weights of activations as they are: x is read scaled, and y written scaled. */
function folded(
  fit: DictionaryFit,
  scales: Scales,
): Pick<
  Dictionary,
  "activation" | "centred" | "encoder" | "encoderBias" | "decoder" | "decoderBias" | "threshold"
> {
  const { architecture, k, kind, sizes } = fit.options;
  const values = fit.read();
  const of = (name: string): Float32Array => values[name] as Float32Array;
  const activation: Activation =
    architecture === "topk" ? { name: "topk", k } : { name: "jumprelu" };
  const threshold =
    architecture === "batchtopk"
      ? new Float32Array(sizes.latents).fill(fit.meanLeast)
      : values["logThreshold"]?.map(Math.exp);
  return {
    activation,
    centred: kind === "sae",
    encoder: of("encoder").map((value) => value * scales.input),
    encoderBias: of("encoderBias"),
    decoder: of("decoder").map((value) => value / scales.output),
    decoderBias: of("decoderBias").map((value) => value / scales.output),
    threshold,
  };
}

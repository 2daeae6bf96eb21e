/** Making a model forget some answers while it keeps the rest, and what that cost. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { Optimizer } from "../../tensor/optimizers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { BatchLoss, nextToken, TrainableModel, type Objective } from "../../train/index.ts";
import { runPrompts } from "../../generate/run.ts";
import { batchOf, cycle, type UnlearningItem } from "./items.ts";
import { misdirection, signedLikelihood } from "./objective.ts";

export const UNLEARNING_METHODS = ["rmu", "gradient-difference", "gradient-ascent"] as const;
export type UnlearningMethod = (typeof UNLEARNING_METHODS)[number];

export interface UnlearningSets {
  forget: readonly UnlearningItem[];
  retain: readonly UnlearningItem[];
  /** What else the model is to be able to: measured, never trained on. */
  utility?: readonly UnlearningItem[];
}

export interface UnlearningOptions {
  method: UnlearningMethod;
  /** Steps at most. */
  maxSteps: number;
  /** It ends where the forget answers have come down to this share of their probability. */
  until: number;
  learningRate: number;
  /** Questions of each kind in a step. */
  batchSize: number;
  /** What keeping counts for beside forgetting. */
  retainWeight: number;
  /** RMU: the block whose stream is sent away, and how far, in lengths of the stream. */
  layer?: number | undefined;
  coefficient: number;
  seed: number;
  signal?: AbortSignal;
  onStep?: (step: number) => void;
}

/** Mean probability of answers: exp(−loss per token), averaged over questions, as in TOFU. */
export interface UnlearningMeasure {
  forget: number;
  retain: number;
  /** Harmonic mean of what is to be kept: `retain`, and the utility set where there is one. */
  utility: number;
}

export interface Unlearned {
  method: UnlearningMethod;
  steps: number;
  before: UnlearningMeasure;
  after: UnlearningMeasure;
}

const CHECK_EVERY = 5;
/** RMU changes the MLP's output matrices of this many blocks, the last of which is the misdirected one. */
const CHANGED_BLOCKS = 3;

/**
 * Changes `trainee`'s weights in place.
 *
 * @param frozen - the same model, whose weights stay
 */
export async function unlearn(
  { trainee, frozen }: { trainee: TrainableModel; frozen: TrainableModel },
  sets: UnlearningSets,
  options: UnlearningOptions,
): Promise<Unlearned> {
  const { method, maxSteps, until, learningRate, batchSize, seed, signal, onStep } = options;
  const layer = options.layer ?? Math.floor(trainee.config.layers / 2);
  if (layer >= trainee.config.layers)
    throw new LabError("bad_input", `layer ${layer}: the model has ${trainee.config.layers}`);
  const parameters =
    method === "rmu" ? mlpOutputs(trainee, layer) : [...trainee.parameters.values()];
  using optimizer = new Optimizer(trainee.backend, [
    {
      parameters,
      learningRate,
      settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay: 0 },
    },
  ]);
  const before = await measureAnswers(trainee, sets);
  const random = new Random(seed);
  const objective = await objectiveOf({ trainee, frozen }, sets, { ...options, layer, random });
  using losses = new BatchLoss({ trainee, objective, optimizer });
  const [forget, retain] = [sets.forget, sets.retain].map((items, i) =>
    cycle(items, { count: batchSize, random: random.split(i + 1) }),
  );
  if (forget === undefined || retain === undefined) throw new LabError("internal", "no items");
  let steps = 0;
  let after = before;
  while (steps < maxSteps && after.forget > until * before.forget) {
    signal?.throwIfAborted();
    const batch = batchOf([...forget.next().value, ...retain.next().value]);
    const abort = signal === undefined ? {} : { signal };
    await losses.train([batch], { random: random.split(3), ...abort });
    await optimizer.step({ maxNorm: 1, ...abort });
    steps++;
    onStep?.(steps);
    if (steps % CHECK_EVERY === 0 || steps === maxSteps)
      after = await measureAnswers(trainee, sets);
  }
  return { method, steps, before, after };
}

async function objectiveOf(
  { trainee, frozen }: { trainee: TrainableModel; frozen: TrainableModel },
  sets: UnlearningSets,
  {
    method,
    retainWeight,
    layer,
    coefficient,
    random,
  }: UnlearningOptions & { layer: number; random: Random },
): Promise<Objective> {
  if (method === "gradient-ascent") return signedLikelihood(trainee, 0);
  if (method === "gradient-difference") return signedLikelihood(trainee, retainWeight);
  const length = await streamLength(frozen, sets.forget.slice(0, 8), layer);
  // RMU draws u from [0, 1) in each dimension.
  const own = random.split(0);
  const direction = Float32Array.from({ length: trainee.config.width }, () => own.uniform());
  const norm = Math.hypot(...direction);
  const control = direction.map((value) => (value / norm) * coefficient * length);
  return misdirection(trainee, { frozen: frozen.weights, layer, control, retainWeight });
}

function mlpOutputs(trainee: TrainableModel, layer: number): Tensor[] {
  const names = Array.from(
    { length: Math.min(CHANGED_BLOCKS, layer + 1) },
    (_, i) => `model.layers.${layer - i}.mlp.fc2.weight`,
  );
  return names.map((name) => {
    const tensor = trainee.parameters.get(name);
    if (tensor === undefined)
      throw new LabError("unsupported", `rmu changes ${name}, which this model does not have`);
    return tensor;
  });
}

/** Mean length of the stream after a block, over the last tokens of items. */
async function streamLength(
  model: TrainableModel,
  items: readonly UnlearningItem[],
  layer: number,
): Promise<number> {
  using runner = model.runner();
  const run = await runPrompts(
    runner,
    items.map(({ ids }) => ids),
    { capture: [{ at: `blocks.${layer}.hook_resid_post`, positions: [-1] }] },
  );
  const { values } = run.get(`blocks.${layer}.hook_resid_post`);
  const { width } = model.config;
  const lengths = items.map((_, i) => Math.hypot(...values.subarray(i * width, (i + 1) * width)));
  return lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
}

/** How probable the answers of each set are. */
async function measureAnswers(
  trainee: TrainableModel,
  { forget, retain, utility }: UnlearningSets,
): Promise<UnlearningMeasure> {
  const objective = nextToken(trainee, { perRow: false });
  using losses = new BatchLoss({ trainee, objective });
  const mean = async (items: readonly UnlearningItem[]): Promise<number> => {
    let sum = 0;
    for (const item of items) sum += Math.exp(-(await losses.evaluate([batchOf([item])])).loss);
    return sum / items.length;
  };
  const found = { forget: await mean(forget), retain: await mean(retain) };
  const kept = [found.retain, ...(utility === undefined ? [] : [await mean(utility)])];
  const inverse = kept.reduce((sum, value) => sum + 1 / value, 0);
  return { ...found, utility: kept.length / inverse };
}

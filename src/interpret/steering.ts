/**
 * Steering vectors: a direction that is added to the stream moves what the model says. From the difference of means
 * of two sets of prompts (Turner et al. 2023, arXiv 2308.10248; Marks and Tegmark 2023), or from the first principal
 * component of the differences of contrast pairs (Zou et al. 2023, arXiv 2310.01405). What it does is shown by strength, with
 * the KL from the model that is left alone, and beside a random direction of equal norm.
 *
 * Weight view: raw.
 */
import { LabError } from "../base/errors.ts";
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import type { Edit } from "../model/hooks/edits.ts";
import { dot, meanOf, norm } from "./linear/matrix.ts";
import { randomDirection } from "./logit-attribution.ts";
import { divergence, measure, type Answers, type MetricName } from "./metric.ts";

export interface SteeringVector {
  /** The block after which it is added. */
  layer: number;
  method: "means" | "pairs";
  /** `[D]` */
  values: Float32Array;
  norm: number;
  /** Mean length of the streams that it comes from: a strength of 1 moves by `norm` of these. */
  streamNorm: number;
}

export interface VectorOptions {
  layer: number;
  /** `pairs` takes the prompts of both lists as pairs, in order. */
  method?: "means" | "pairs";
  signal?: AbortSignal;
}

/**
 * Reads the stream after block `layer` at the last token of every prompt.
 *
 * @throws LabError `bad_input` for empty lists, and unequal ones with `pairs`
 */
export async function steeringVector(
  model: LanguageModel,
  { positive, negative }: { positive: readonly Prompt[]; negative: readonly Prompt[] },
  { layer, method = "means", signal }: VectorOptions,
): Promise<SteeringVector> {
  if (positive.length === 0 || negative.length === 0)
    throw new LabError("bad_input", "a steering vector needs prompts on both sides");
  if (method === "pairs" && positive.length !== negative.length)
    throw new LabError(
      "bad_input",
      `${positive.length} and ${negative.length} prompts are no pairs`,
    );
  const read = async (prompts: readonly Prompt[]): Promise<Float32Array[]> => {
    const at = `blocks.${layer}.hook_resid_post` as const;
    const run = await model.run([...prompts], {
      capture: [{ at, positions: [-1] }],
      ...(signal === undefined ? {} : { signal }),
    });
    const { values } = run.get(at);
    const { width } = model.config;
    return prompts.map((_, i) => values.slice(i * width, (i + 1) * width));
  };
  const [ups, downs] = [await read(positive), await read(negative)];
  const [up, down] = [meanOf(ups), meanOf(downs)];
  const difference = up.map((value, d) => value - (down[d] as number));
  const values =
    method === "means"
      ? difference
      : principal(
          ups.map((row, i) => Float64Array.from(row, (x, d) => x - (downs[i]?.[d] as number))),
          difference,
        );
  const lengths = [...ups, ...downs].map((row) => norm(row));
  return {
    layer,
    method,
    values: Float32Array.from(values),
    norm: norm(values),
    streamNorm: lengths.reduce((a, b) => a + b, 0) / lengths.length,
  };
}

/** The edit that adds a vector at every position. */
export function steer(
  { layer, values }: Pick<SteeringVector, "layer" | "values">,
  strength: number,
): Edit {
  return { at: `blocks.${layer}.hook_resid_post`, op: "add", value: values, scale: strength };
}

export interface Dose {
  strength: number;
  /** Mean of the metric over the prompts. */
  metric: number;
  /** Mean KL from the model that is left alone, in nats. */
  divergence: number;
}

export interface DoseResponse {
  metric: MetricName;
  steered: Dose[];
  /** The same for random directions of equal norm, means over them. */
  control: Dose[];
}

/** What each strength does to prompts with known answers. */
export async function doseResponse(
  model: LanguageModel,
  vector: Pick<SteeringVector, "layer" | "values">,
  prompts: readonly (Answers & { clean: readonly number[] })[],
  {
    strengths = [-2, -1, -0.5, 0, 0.5, 1, 2],
    metric = "logit_diff",
    controls = 3,
    seed = 0,
    signal,
  }: {
    strengths?: readonly number[];
    metric?: MetricName;
    controls?: number;
    seed?: number;
    signal?: AbortSignal;
  } = {},
): Promise<DoseResponse> {
  const ids = prompts.map(({ clean }) => clean);
  const logitsOf = async (edits: readonly Edit[]): Promise<readonly Float32Array[]> =>
    (await model.run(ids, { edits, ...(signal === undefined ? {} : { signal }) })).logits;
  const alone = await logitsOf([]);
  const doses = async (values: Float32Array): Promise<Dose[]> => {
    const found: Dose[] = [];
    for (const strength of strengths) {
      const logits = await logitsOf([steer({ layer: vector.layer, values }, strength)]);
      const mean = (of: (logits: Float32Array, i: number) => number): number =>
        logits.reduce((sum, own, i) => sum + of(own, i), 0) / logits.length;
      found.push({
        strength,
        metric: mean((own, i) => measure(own, prompts[i] as Answers, metric)),
        divergence: mean((own, i) => divergence(alone[i] as Float32Array, own)),
      });
    }
    return found;
  };
  const random: Dose[][] = [];
  for (let i = 0; i < controls; i++)
    random.push(await doses(Float32Array.from(randomDirection(vector.values, seed + i))));
  return {
    metric,
    steered: await doses(vector.values),
    control: strengths.map((strength, i) => ({
      strength,
      metric: random.reduce((sum, own) => sum + (own[i] as Dose).metric, 0) / controls,
      divergence: random.reduce((sum, own) => sum + (own[i] as Dose).divergence, 0) / controls,
    })),
  };
}

/** Steps of the power method; the gap between the first two components decides how many are needed. */
const POWER_STEPS = 200;

/** The first principal direction of differences (not centred), signed and as long as their mean. */
function principal(differences: readonly Float64Array[], mean: Float64Array): Float64Array {
  let direction = mean.slice();
  for (let step = 0; step < POWER_STEPS; step++) {
    const next = new Float64Array(mean.length);
    for (const row of differences) {
      const share = dot(row, direction);
      for (let d = 0; d < next.length; d++)
        next[d] = (next[d] as number) + share * (row[d] as number);
    }
    const length = norm(next);
    if (length === 0) return mean;
    direction = next.map((value) => value / length);
  }
  const factor = norm(mean) * (dot(direction, mean) < 0 ? -1 : 1);
  return direction.map((value) => value * factor);
}

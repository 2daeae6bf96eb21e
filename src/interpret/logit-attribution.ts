/**
 * Direct logit attribution: the logit of a token as a sum over what wrote to the final stream (Elhage et al. 2021; nostalgebraist
 * 2020). With u = centre(w_ln ⊙ W_U[token]) and σ the final LayerNorm's scale, taken as given,
 *
 *   logit = Σ_parts ⟨u, part⟩/σ + ⟨b_ln, W_U[token]⟩ + b_U[token]
 *
 * Heads are ⟨W_Oᵀu, z⟩ and neurons (W_outᵀu)·post: neither `[.., N, D]` nor `[.., F, D]` is ever built. Beside every value
 * stands that of a random direction of u's length: what a part of this size has by chance.
 *
 * Weight view: raw; LayerNorm is folded into the one or two directions that are read.
 */
import { Random } from "../base/random.ts";
import type { LanguageModel, Prompt } from "../generate/language-model.ts";
import type { Capture } from "../model/hooks/capture.ts";
import { answerToken, type Answer } from "./answers.ts";
import { readingOf } from "./fold.ts";
import { centred, dot, norm } from "./linear/matrix.ts";
import { openWeights, type BlockValues, type WeightView } from "./weights.ts";

export const ATTRIBUTION_UNITS = ["component", "head", "neuron"] as const;

export type AttributionUnit = (typeof ATTRIBUTION_UNITS)[number];

export interface AttributionPart {
  /** `embed`, `3_attn_out`, `L9H9`, `L11N611`, `9_attn_bias`, `11_mlp_bias`. */
  label: string;
  layer?: number;
  /** Its share of the logit, or of the difference of two. */
  value: number;
  /** Its share along a random direction of equal length. */
  control: number;
}

export interface LogitAttribution {
  unit: AttributionUnit;
  answer: number;
  against: number | undefined;
  /** The position whose next token is asked about. */
  position: number;
  parts: AttributionPart[];
  /** What is there without any input: ⟨b_ln, W_U⟩ + b_U. */
  constant: number;
  /** The logit, or the difference of two, as the model computed it. */
  logit: number;
  /** Σ parts + constant − logit: rounding, and in fast mode what quantised products lose. */
  error: number;
}

export interface AttributionOptions {
  answer: Answer;
  /** Attributes the difference between the logit of `answer` and that of this one. */
  against?: Answer | undefined;
  unit?: AttributionUnit;
  /** Negative ones count from the end; the last by default. */
  position?: number;
  /** Of the random direction. */
  seed?: number;
  signal?: AbortSignal;
}

/** @throws LabError `bad_input` for an answer that is not one token; what `run` and `openWeights` throw */
export async function logitAttribution(
  model: LanguageModel,
  prompt: Prompt,
  options: AttributionOptions,
): Promise<LogitAttribution> {
  const { unit = "component", position = -1, seed = 0, signal } = options;
  const { config } = model;
  const answer = answerToken(model, prompt, options.answer);
  const against =
    options.against === undefined ? undefined : answerToken(model, prompt, options.against);
  const tokens = against === undefined ? [answer] : [answer, against];
  const weights = await openWeights(model);
  const positions = [position];
  const run = await model.run(prompt, {
    capture: capturesFor(unit, config.mlpWidth > 0).map((at) =>
      at === "hook_logits" ? { at, positions, units: tokens } : { at, positions },
    ),
    ...(signal === undefined ? {} : { signal }),
  });
  const values = (hook: string): Float32Array => run.get(hook).values;

  const unembed = await weights.unembed();
  const readings = tokens.map((token) => readingOf(unembed, token, config.width));
  const [first, second] = readings;
  const scale = values("ln_final.hook_scale")[0] as number;
  const direction = (first?.direction ?? new Float64Array()).map(
    (value, d) => (value - (second?.direction[d] ?? 0)) / scale,
  );
  const directions = [direction, randomDirection(direction, seed)] as const;
  const constant = (first?.constant ?? 0) - (second?.constant ?? 0);

  const parts: AttributionPart[] = [partOf("embed", values("hook_embed"), directions)];
  for (let layer = 0; layer < config.layers; layer++)
    parts.push(...(await layerParts({ unit, layer, weights, values, directions })));
  const [logit = NaN, other = 0] = values("hook_logits");
  const sum = parts.reduce((total, { value }) => total + value, constant);
  const difference = logit - other;
  return {
    unit,
    answer,
    against,
    position:
      (run.ids[0]?.length ?? 0) + (position < 0 ? position : position - (run.ids[0]?.length ?? 0)),
    parts,
    constant,
    logit: difference,
    error: sum - difference,
  };
}

type Directions = readonly [wanted: Float64Array, random: Float64Array];

function capturesFor(unit: AttributionUnit, hasMlp: boolean): Extract<Capture, string>[] {
  return [
    "hook_embed",
    unit === "component" ? "blocks.*.hook_attn_out" : "blocks.*.attn.hook_z",
    ...(hasMlp
      ? [
          unit === "neuron"
            ? ("blocks.*.mlp.hook_post" as const)
            : ("blocks.*.hook_mlp_out" as const),
        ]
      : []),
    "ln_final.hook_scale",
    "hook_logits",
  ];
}

async function layerParts({
  unit,
  layer,
  weights,
  values,
  directions,
}: {
  unit: AttributionUnit;
  layer: number;
  weights: WeightView;
  values: (hook: string) => Float32Array;
  directions: Directions;
}): Promise<AttributionPart[]> {
  const { heads, headSize, width, mlpWidth } = weights.config;
  const whole = (label: string, hook: string): AttributionPart => ({
    ...partOf(label, values(`blocks.${layer}.${hook}`), directions),
    layer,
  });
  if (unit === "component")
    return [
      whole(`${layer}_attn_out`, "hook_attn_out"),
      ...(mlpWidth === 0 ? [] : [whole(`${layer}_mlp_out`, "hook_mlp_out")]),
    ];
  const block = await weights.block(layer);
  const read = readThrough(block.dense.weight, width, directions); // [N·H] each
  const z = values(`blocks.${layer}.attn.hook_z`);
  const parts = Array.from({ length: heads }, (_, head): AttributionPart => {
    const [from, to] = [head * headSize, (head + 1) * headSize];
    const share = (through: Float64Array): number =>
      dot(through.subarray(from, to), z.subarray(from, to));
    return { label: `L${layer}H${head}`, layer, value: share(read[0]), control: share(read[1]) };
  });
  parts.push({ ...partOf(`${layer}_attn_bias`, block.dense.bias, directions), layer });
  if (mlpWidth === 0) return parts;
  if (unit === "head") return [...parts, whole(`${layer}_mlp_out`, "hook_mlp_out")];
  return [...parts, ...neuronParts({ layer, block, directions, width, values })];
}

function neuronParts({
  layer,
  block,
  directions,
  width,
  values,
}: {
  layer: number;
  block: BlockValues;
  directions: Directions;
  width: number;
  values: (hook: string) => Float32Array;
}): AttributionPart[] {
  if (block.mlp === undefined) return [];
  const { fc2 } = block.mlp;
  const read = readThrough(fc2.weight, width, directions); // [F] each
  const post = values(`blocks.${layer}.mlp.hook_post`);
  const parts = Array.from(post, (activation, neuron): AttributionPart => ({
    label: `L${layer}N${neuron}`,
    layer,
    value: activation * (read[0][neuron] as number),
    control: activation * (read[1][neuron] as number),
  }));
  return [...parts, { ...partOf(`${layer}_mlp_bias`, fc2.bias, directions), layer }];
}

function partOf(
  label: string,
  values: Float32Array,
  [wanted, random]: Directions,
): AttributionPart {
  return { label, value: dot(wanted, values), control: dot(random, values) };
}

/** Wᵀu of both directions, for `weight` `[D, K]`: `[K]` each. */
function readThrough(weight: Float32Array, width: number, directions: Directions): Directions {
  const inputs = weight.length / width;
  return directions.map((direction) => {
    const result = new Float64Array(inputs);
    for (let d = 0; d < width; d++) {
      const factor = direction[d] as number;
      for (let i = 0; i < inputs; i++)
        result[i] = (result[i] as number) + factor * (weight[d * inputs + i] as number);
    }
    return result;
  }) as unknown as Directions;
}

/** A random direction with mean 0 and the length of `like`: what LayerNorm lets a reader see. */
export function randomDirection(like: ArrayLike<number>, seed: number): Float64Array {
  const random = new Random(seed);
  const direction = centred(Float64Array.from({ length: like.length }, () => random.normal()));
  const factor = norm(like) / norm(direction);
  return direction.map((value) => value * factor);
}

/** What a set of features does together in the model itself: set to another multiple of what they were, beside as many at random. */
import { LabError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { LanguageModel, Prompt } from "../../generate/language-model.ts";
import type { Run } from "../../generate/run.ts";
import type { Edit } from "../../model/hooks/edits.ts";
import type { HookName } from "../../model/hooks/names.ts";
import { decoderRow } from "../dictionary.ts";
import { activeFeatures, checkTranscoders, type ActiveFeature } from "./attribute.ts";
import type { Transcoders } from "./graph.ts";

export type FeaturePlace = Pick<ActiveFeature, "layer" | "position" | "feature">;

export interface TokenChange {
  token: number;
  /** Less the mean of all logits. */
  logit: number;
  probability: number;
}

export interface SetIntervention {
  /** The likeliest tokens of the plain run and of the changed one, and what they are in each. */
  before: TokenChange[];
  after: TokenChange[];
  /** The same tokens with each set of random features changed. */
  random: TokenChange[][];
  /** Of the chosen features, as they were. */
  activations: number[];
}

export interface InterventionOptions {
  /** What each activation is multiplied by: 0 takes the feature out. */
  factor?: number;
  /** Sets of as many random features that fire. */
  controls?: number;
  seed?: number;
  /** Tokens of each run. */
  top?: number;
  signal?: AbortSignal | undefined;
}

/** @throws LabError `bad_input` for a feature that does not fire there, and for transcoders that do not fit */
export async function intervene(
  model: LanguageModel,
  prompt: Prompt,
  transcoders: Transcoders,
  places: readonly FeaturePlace[],
  { factor = 0, controls = 3, seed = 0, top = 5, signal }: InterventionOptions = {},
): Promise<SetIntervention> {
  checkTranscoders(model, transcoders);
  const ids = [...model.promptIds(prompt)];
  const own = signal === undefined ? {} : { signal };
  const capture = [...transcoders.keys()].map((l): HookName => `blocks.${l}.hook_ln1_out`);
  const plain = await model.run(ids, { capture, ...own });
  const active = await activeFeatures(model, plain, transcoders);
  const chosen = places.map((place) => {
    const found = active.find(
      ({ layer, position, feature }) =>
        layer === place.layer && position === place.position && feature === place.feature,
    );
    if (found !== undefined) return found;
    throw new LabError(
      "bad_input",
      `feature ${place.feature} of layer ${place.layer} does not fire at ${place.position}`,
    );
  });
  const others = active.filter((one) => !chosen.includes(one));
  const random = new Random(seed);
  const changed = async (features: readonly ActiveFeature[]): Promise<Run> => {
    signal?.throwIfAborted();
    const edits = features.map((one) => scaled(one, { transcoders, factor }));
    return model.run(ids, { edits, ...own });
  };
  const after = await changed(chosen);
  const tokens = [...new Set([...likeliest(plain, top), ...likeliest(after, top)])];
  const drawn: Run[] = [];
  for (let i = 0; i < controls; i++) {
    const order = random.permutation(others.length).subarray(0, chosen.length);
    drawn.push(await changed([...order].map((at) => others[at] as ActiveFeature)));
  }
  return {
    before: changesOf(plain, tokens),
    after: changesOf(after, tokens),
    random: drawn.map((run) => changesOf(run, tokens)),
    activations: chosen.map(({ activation }) => activation),
  };
}

/** The edit that makes what a feature writes at its position `factor` times as much. */
function scaled(
  { layer, position, feature, activation }: ActiveFeature,
  { transcoders, factor }: { transcoders: Transcoders; factor: number },
): Edit {
  return {
    op: "add",
    at: `blocks.${layer}.hook_mlp_out`,
    positions: [position],
    value: decoderRow(transcoders.get(layer) as never, feature),
    scale: (factor - 1) * activation,
  };
}

function logitsOf(run: Run): Float32Array {
  return run.logits[0] as Float32Array;
}

function likeliest(run: Run, count: number): number[] {
  const logits = logitsOf(run);
  return [...logits.keys()]
    .sort((a, b) => (logits[b] as number) - (logits[a] as number))
    .slice(0, count);
}

function changesOf(run: Run, tokens: readonly number[]): TokenChange[] {
  const logits = logitsOf(run);
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  const mean = logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  return tokens.map((token) => {
    const logit = logits[token] as number;
    return { token, logit: logit - mean, probability: Math.exp(logit - highest) / total };
  });
}

/** Makes the attribution graph of a prompt. */
import { LabError } from "../../base/errors.ts";
import type { LanguageModel, Prompt } from "../../generate/language-model.ts";
import type { Run } from "../../generate/run.ts";
import { openWeights } from "../../interpret/weights.ts";
import type { HookName } from "../../model/hooks/names.ts";
import { requirePhi } from "../../model/model-config.ts";
import { assertFits, decoderRow, encoderRow } from "../dictionary.ts";
import { EncodePass } from "../encode-pass.ts";
import { LoadedDictionary } from "../record.ts";
import type { AttributionGraph, GraphNode, Transcoders } from "./graph.ts";
import { freeze, readBack, type FrozenBlock } from "./frozen.ts";

export interface GraphOptions {
  /** Next tokens that are nodes, at most, until they have `logitMass` of the probability. */
  maxLogits?: number;
  logitMass?: number;
  /** Features that are nodes, at most: those that write most. The others become part of the errors. */
  maxFeatures?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Directions that are carried back together. */
const BATCH = 64;

export interface ActiveFeature {
  layer: number;
  position: number;
  feature: number;
  activation: number;
}

/**
 * @param transcoders - by layer, from `hook_ln1_out` to `hook_mlp_out`; an MLP without one is error as a whole
 * @throws LabError `bad_input` for transcoders of other places or another model
 */
export async function attributionGraph(
  model: LanguageModel,
  prompt: Prompt,
  transcoders: Transcoders,
  { maxLogits = 10, logitMass = 0.95, maxFeatures = 2000, signal, onProgress }: GraphOptions = {},
): Promise<AttributionGraph> {
  requirePhi(model.config, "attribution graphs");
  checkTranscoders(model, transcoders);
  const ids = [...model.promptIds(prompt)];
  const { layers, width } = model.config;
  const run = await model.run(ids, {
    capture: graphHooks(layers),
    ...(signal === undefined ? {} : { signal }),
  });
  const fired = await activeFeatures(model, run, transcoders);
  const features = strongest(fired, transcoders, maxFeatures);
  const written = writtenRows(run, { features, transcoders, layers, width });
  const blocks = await freeze(model, run, written);
  const logits = await logitDirections(model, run, { maxLogits, logitMass });
  const nodes: GraphNode[] = [
    ...features.map((own) => ({ kind: "feature" as const, ...own })),
    ...Array.from({ length: layers }, (_, layer) =>
      ids.map((_id, position) => ({ kind: "error" as const, layer, position })),
    ).flat(),
    ...ids.map((token, position) => ({ kind: "token" as const, position, token })),
    ...logits.map(({ token, probability }) => ({ kind: "logit" as const, token, probability })),
  ];
  const weights = new Float32Array(nodes.length ** 2);
  const embeddings = run.get("hook_embed").values;
  const firstLogit = nodes.length - logits.length;
  const targets = [
    ...features.map((own, i) => ({
      ...{ row: i, layer: own.layer, position: own.position },
      direction: readDirection(encoderRow(transcoders.get(own.layer) as never, own.feature), {
        norm: (blocks[own.layer] as FrozenBlock).norm,
        scale: (blocks[own.layer] as FrozenBlock).scales[own.position] as number,
      }),
    })),
    ...logits.map(({ direction }, i) => ({
      ...{ row: firstLogit + i, layer: layers, position: ids.length - 1, direction },
    })),
  ];
  let done = 0;
  for (let layer = 0; layer <= layers; layer++) {
    const own = targets.filter((target) => target.layer === layer);
    for (let first = 0; first < own.length; first += BATCH) {
      signal?.throwIfAborted();
      const part = own.slice(first, first + BATCH);
      const directions = new Float32Array(part.length * ids.length * width);
      part.forEach(({ position, direction }, m) => {
        directions.set(direction, (m * ids.length + position) * width);
      });
      const read = await readBack(model, blocks.slice(0, layer), { directions, embeddings });
      part.forEach(({ row }, m) => {
        fillRow(weights.subarray(row * nodes.length, (row + 1) * nodes.length), {
          ...{ m, read, features, layers, length: ids.length },
        });
      });
      onProgress?.((done += part.length), targets.length);
    }
  }
  return { ids, layers, nodes, weights, active: fired.length, features: features.length };
}

/** What a run must capture for its graph. */
function graphHooks(layers: number): HookName[] {
  const each = Array.from({ length: layers }, (_, l): HookName[] => [
    `blocks.${l}.hook_ln1_out`,
    `blocks.${l}.ln1.hook_scale`,
    `blocks.${l}.attn.hook_pattern`,
    `blocks.${l}.hook_mlp_out`,
  ]);
  return ["hook_embed", ...each.flat(), "ln_final.hook_scale"];
}

export function checkTranscoders(model: LanguageModel, transcoders: Transcoders): void {
  for (const [layer, dictionary] of transcoders) {
    assertFits(dictionary, model.config);
    const { input, output } = dictionary;
    if (input !== `blocks.${layer}.hook_ln1_out` || output !== `blocks.${layer}.hook_mlp_out`)
      throw new LabError("bad_input", `a dictionary from ${input} to ${output}`, {
        hint: "A graph needs transcoders: philab sae train --hook blocks.2.hook_mlp_out --transcoder.",
      });
  }
}

/** All features that fire in a run that has what transcoders read, by layer and position. */
export async function activeFeatures(
  model: LanguageModel,
  run: Run,
  transcoders: Transcoders,
): Promise<ActiveFeature[]> {
  const found: ActiveFeature[] = [];
  for (const layer of [...transcoders.keys()].sort((a, b) => a - b)) {
    const dictionary = transcoders.get(layer) as NonNullable<ReturnType<Transcoders["get"]>>;
    using loaded = new LoadedDictionary(dictionary, model.backend);
    const rows = run.get(`blocks.${layer}.hook_ln1_out`).values;
    using pass = new EncodePass(model, loaded, { rows: rows.length / dictionary.sizes.input });
    for await (const { latents } of pass.encode(rows))
      latents.forEach((activation, i) => {
        const { latents: count } = dictionary.sizes;
        if (activation > 0)
          found.push({ layer, position: Math.floor(i / count), feature: i % count, activation });
      });
  }
  return found;
}

/** Those that write most, in their order. */
function strongest(
  features: readonly ActiveFeature[],
  transcoders: Transcoders,
  most: number,
): ActiveFeature[] {
  if (features.length <= most) return [...features];
  const size = ({ layer, feature, activation }: ActiveFeature): number =>
    activation * Math.hypot(...decoderRow(transcoders.get(layer) as never, feature));
  const kept = new Set([...features].sort((a, b) => size(b) - size(a)).slice(0, most));
  return features.filter((own) => kept.has(own));
}

/** Of each layer what its features write, then what each position's error is. */
function writtenRows(
  run: Run,
  {
    features,
    transcoders,
    layers,
    width,
  }: {
    features: readonly ActiveFeature[];
    transcoders: Transcoders;
    layers: number;
    width: number;
  },
): Float32Array[] {
  return Array.from({ length: layers }, (_, layer) => {
    const own = features.filter((feature) => feature.layer === layer);
    const errors = run.get(`blocks.${layer}.hook_mlp_out`).values.slice();
    const dictionary = transcoders.get(layer);
    const rows = new Float32Array(own.length * width + errors.length);
    own.forEach(({ feature, position, activation }, i) => {
      decoderRow(dictionary as never, feature).forEach((value, d) => {
        const written = activation * value;
        rows[i * width + d] = written;
        errors[position * width + d] = (errors[position * width + d] as number) - written;
      });
    });
    // The decoder's bias is written whatever happens: no part of what went wrong.
    if (dictionary !== undefined)
      errors.forEach(
        (value, i) => (errors[i] = value - (dictionary.decoderBias[i % width] as number)),
      );
    rows.set(errors, own.length * width);
    return rows;
  });
}

/** A direction of normalised rows as one of the stream: LayerNorm with its scale as it is. */
function readDirection(
  direction: ArrayLike<number>,
  { norm, scale }: { norm: ArrayLike<number>; scale: number },
): Float32Array {
  const weighed = Float64Array.from(direction, (value, d) => value * (norm[d] as number));
  const mean = weighed.reduce((sum, value) => sum + value, 0) / weighed.length;
  return Float32Array.from(weighed, (value) => scale * (value - mean));
}

/** The likeliest next tokens, and the direction of each logit less the mean of all. */
async function logitDirections(
  model: LanguageModel,
  run: Run,
  { maxLogits, logitMass }: { maxLogits: number; logitMass: number },
): Promise<{ token: number; probability: number; direction: Float32Array }[]> {
  const { width, vocabSize } = model.config;
  const { norm, head } = await (await openWeights(model)).unembed();
  const logits = run.logits[0] as Float32Array;
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const shares = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const mean = new Float64Array(width);
  head.weight.forEach(
    (value, i) => (mean[i % width] = (mean[i % width] as number) + value / vocabSize),
  );
  const scale = 1 / (run.get("ln_final.hook_scale").values.at(-1) as number);
  const order = [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
  const found: { token: number; probability: number; direction: Float32Array }[] = [];
  let mass = 0;
  for (const token of order.slice(0, maxLogits)) {
    const row = head.weight.subarray(token * width, (token + 1) * width);
    const centred = Float64Array.from(row, (value, d) => value - (mean[d] as number));
    const probability = (shares[token] as number) / total;
    const direction = readDirection(centred, { norm: norm.weight, scale });
    found.push({ token, probability, direction });
    if ((mass += probability) >= logitMass) break;
  }
  return found;
}

/** What target m reads of each source. */
function fillRow(
  row: Float32Array,
  {
    m,
    read,
    features,
    layers,
    length,
  }: {
    m: number;
    read: Awaited<ReturnType<typeof readBack>>;
    features: readonly ActiveFeature[];
    layers: number;
    length: number;
  },
): void {
  const starts = Array.from(
    { length: layers + 1 },
    (_, layer) => features.filter((own) => own.layer < layer).length,
  );
  read.layers.forEach((values, layer) => {
    const first = starts[layer] as number;
    const own = (starts[layer + 1] as number) - first;
    const count = own + length;
    const at = (position: number, a: number): number =>
      values[(m * length + position) * count + a] as number;
    for (let i = 0; i < own; i++)
      row[first + i] = at((features[first + i] as ActiveFeature).position, i);
    for (let position = 0; position < length; position++)
      row[features.length + layer * length + position] = at(position, own + position);
  });
  const firstToken = features.length + layers * length;
  for (let position = 0; position < length; position++)
    row[firstToken + position] = read.tokens[(m * length + position) * length + position] as number;
}

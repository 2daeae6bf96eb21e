/**
 * What is known of single features: where they fire most, how often, which next tokens they promote, which others point the same way,
 * and what adding them does.
 */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { randomDirection } from "../interpret/logit-attribution.ts";
import { openWeights } from "../interpret/weights.ts";
import type { Edit } from "../model/hooks/edits.ts";
import { assertFits, decoderRow, type Dictionary } from "./dictionary.ts";
import { EncodePass } from "./encode-pass.ts";
import { LoadedDictionary } from "./record.ts";

/** A place where a feature fires, with the tokens around it. */
export interface Activation {
  value: number;
  ids: readonly number[];
  /** Of the feature, for each of `ids`. */
  values: readonly number[];
  /** Which of `ids` it is. */
  at: number;
}

export interface Dossier {
  feature: number;
  /** Share of tokens for which it fires. */
  density: number;
  /** The largest, one for each text at most. */
  activations: Activation[];
  /** How often its activation lies in each of equal parts between 0 and `most`. */
  histogram: { most: number; counts: number[] };
  /** Next tokens whose logits it raises and lowers most, through the final LayerNorm's weight, its scale aside. */
  promoted: { token: number; logit: number }[];
  suppressed: { token: number; logit: number }[];
  /** Features whose written directions are nearest. */
  neighbours: { feature: number; cosine: number }[];
}

export interface DossierOptions {
  /** By default those that fire most, for at most a tenth of the tokens. */
  features?: readonly number[] | undefined;
  /** How many features where none are named. */
  limit?: number;
  /** Activations, tokens of each kind, neighbours. */
  examples?: number;
  /** Tokens before and after. */
  around?: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

const BLOCK_ROWS = 256;
const HISTOGRAM_PARTS = 16;
/** A feature that fires more often says little about a token. */
const FREQUENT = 0.1;

/** @throws LabError `bad_input` for a dictionary of another model, and for features that it does not have */
export async function featureDossiers(
  model: LanguageModel,
  dictionary: Dictionary,
  sequences: readonly (readonly number[])[],
  options: DossierOptions = {},
): Promise<{ dossiers: Dossier[]; density: Float64Array; tokens: number }> {
  assertFits(dictionary, model.config);
  const { latents } = dictionary.sizes;
  const wrong = options.features?.find((feature) => feature >= latents);
  if (wrong !== undefined)
    throw new LabError("bad_input", `there is no feature ${wrong}`, {
      hint: `The dictionary has features 0…${latents - 1}.`,
    });
  const read = await readLatents(model, dictionary, sequences, options);
  const { density, tokens } = read;
  const chosen = options.features ?? frequent(density, options.limit ?? 12);
  const { head } = await (await openWeights(model, "folded")).unembed();
  const { examples = 8 } = options;
  const canWrite = dictionary.sizes.output === model.config.width;
  const dossiers = chosen.map((feature): Dossier => {
    const row = decoderRow(dictionary, feature);
    const logits = canWrite ? promotedBy(head.weight, row) : [];
    return {
      feature,
      density: density[feature] as number,
      activations: activationsOf(read.places.get(feature) ?? [], sequences, options),
      histogram: histogramOf(read.places.get(feature) ?? []),
      promoted: logits.slice(0, examples),
      suppressed: logits.slice(-examples).reverse(),
      neighbours: neighboursOf(dictionary, feature).slice(0, examples),
    };
  });
  return { dossiers, density, tokens };
}

/** Where a feature fires. */
export interface Place {
  sequence: number;
  position: number;
  value: number;
}

/** Every place where a feature fires, and how often each does. Places are what takes memory: 24 bytes or so each. */
export async function readLatents(
  model: LanguageModel,
  dictionary: Dictionary,
  sequences: readonly (readonly number[])[],
  { features, signal, onProgress }: DossierOptions,
): Promise<{ places: Map<number, Place[]>; density: Float64Array; tokens: number }> {
  const { latents } = dictionary.sizes;
  const wanted = features === undefined ? undefined : new Set(features);
  const places = new Map<number, Place[]>();
  const fired = new Float64Array(latents);
  let tokens = 0;
  using loaded = new LoadedDictionary(dictionary, model.backend);
  using pass = new EncodePass(model, loaded, { rows: BLOCK_ROWS });
  for (const [sequence, ids] of sequences.entries()) {
    const own = signal === undefined ? {} : { signal };
    const run = await model.run([...ids], { capture: [dictionary.input], ...own });
    let first = 0;
    for await (const block of pass.encode(run.get(dictionary.input).values)) {
      block.latents.forEach((value, i) => {
        if (value <= 0) return;
        const feature = i % latents;
        fired[feature] = (fired[feature] as number) + 1;
        if (wanted?.has(feature) === false) return;
        const list = places.get(feature) ?? [];
        list.push({ sequence, position: first + Math.floor(i / latents), value });
        places.set(feature, list);
      });
      first += block.count;
    }
    tokens += ids.length;
    onProgress?.(sequence + 1, sequences.length);
  }
  return { places, density: fired.map((count) => count / tokens), tokens };
}

function frequent(density: Float64Array, limit: number): number[] {
  const all = [...density.keys()].filter((feature) => (density[feature] as number) > 0);
  const seldom = all.filter((feature) => (density[feature] as number) <= FREQUENT);
  return (seldom.length === 0 ? all : seldom)
    .sort((a, b) => (density[b] as number) - (density[a] as number))
    .slice(0, limit);
}

/** The strongest place of each text, with the tokens around it. */
export function activationsOf(
  places: readonly Place[],
  sequences: readonly (readonly number[])[],
  { examples = 8, around = 12 }: DossierOptions,
): Activation[] {
  const best = new Map<number, Place>();
  for (const place of places)
    if (place.value > (best.get(place.sequence)?.value ?? 0)) best.set(place.sequence, place);
  return [...best.values()]
    .sort((a, b) => b.value - a.value)
    .slice(0, examples)
    .map(({ sequence, position, value }) => {
      const ids = sequences[sequence] as readonly number[];
      const start = Math.max(0, position - around);
      const end = Math.min(ids.length, position + around + 1);
      const values = Array<number>(end - start).fill(0);
      for (const own of places)
        if (own.sequence === sequence && own.position >= start && own.position < end)
          values[own.position - start] = own.value;
      return { value, ids: ids.slice(start, end), values, at: position - start };
    });
}

function histogramOf(places: readonly Place[]): Dossier["histogram"] {
  const most = places.reduce((largest, { value }) => Math.max(largest, value), 0);
  const counts = Array<number>(HISTOGRAM_PARTS).fill(0);
  for (const { value } of places) {
    const part = Math.min(HISTOGRAM_PARTS - 1, Math.floor((HISTOGRAM_PARTS * value) / most));
    counts[part] = (counts[part] as number) + 1;
  }
  return { most, counts };
}

/** Logits of all tokens for a direction of the stream, the highest first. */
export function promotedBy(
  head: Float32Array,
  row: Float32Array,
): { token: number; logit: number }[] {
  const width = row.length;
  return Array.from({ length: head.length / width }, (_, token) => {
    let logit = 0;
    for (let d = 0; d < width; d++)
      logit += (head[token * width + d] as number) * (row[d] as number);
    return { token, logit };
  }).sort((a, b) => b.logit - a.logit);
}

/** All other features, the nearest first. */
export function neighboursOf(
  { decoder, sizes: { latents, output } }: Dictionary,
  feature: number,
): Dossier["neighbours"] {
  const own = decoder.subarray(feature * output, (feature + 1) * output);
  const norm = Math.hypot(...own);
  const found: Dossier["neighbours"] = [];
  for (let other = 0; other < latents; other++) {
    if (other === feature) continue;
    let [product, square] = [0, 0];
    for (let o = 0; o < output; o++) {
      const value = decoder[other * output + o] as number;
      product += value * (own[o] as number);
      square += value * value;
    }
    const length = norm * Math.sqrt(square);
    found.push({ feature: other, cosine: length === 0 ? 0 : product / length });
  }
  return found.sort((a, b) => b.cosine - a.cosine);
}

/** The edit that adds a feature's direction at every position, as if it fired by `strength` more. */
export function steerByFeature(dictionary: Dictionary, feature: number, strength: number): Edit {
  return {
    op: "add",
    at: dictionary.output,
    value: decoderRow(dictionary, feature),
    scale: strength,
  };
}

/** Its control: a random direction as long. */
export function steerAtRandom(
  dictionary: Dictionary,
  feature: number,
  { strength, seed }: { strength: number; seed: number },
): Edit {
  const value = Float32Array.from(randomDirection(decoderRow(dictionary, feature), seed));
  return { op: "add", at: dictionary.output, value, scale: strength };
}

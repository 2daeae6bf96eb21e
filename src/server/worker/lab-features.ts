/** What features of dictionaries are, and what they do on a text, in the process of a model. */
import { decoderRow, type Dictionary } from "../../features/dictionary.ts";
import { assertFits, encoderRow } from "../../features/dictionary.ts";
import { neighboursOf, promotedBy } from "../../features/dossiers.ts";
import { EncodePass } from "../../features/encode-pass.ts";
import { LoadedDictionary } from "../../features/record.ts";
import type { TokenLogit } from "../../features/survey.ts";
import { LabError } from "../../base/errors.ts";
import { tokenName } from "../../interpret/answers.ts";
import { randomDirection } from "../../interpret/logit-attribution.ts";
import { openWeights } from "../../interpret/weights.ts";
import type { featureRequest, featuresRequest } from "../lab/feature-schemas.ts";
import type { LabArguments } from "../lab/schemas.ts";
import type { DictionaryFiles } from "./dictionary-shelf.ts";
import { assertPlain, tokensOf, type Asked } from "./lab-common.ts";
import type { ModelHost } from "./model-host.ts";
import type { OperationContext } from "./operations.ts";
import type { TokenText } from "./token-text.ts";

/** What a request asks for, with the dictionary that it names. */
export type AskedOf<S> = Asked<Omit<S, "dictionary"> & { dictionary: DictionaryFiles }>;

export interface FeatureAnswer {
  feature: number;
  /** The hook that it writes to. */
  at: string;
  /** Whether the dictionary was trained on this very model; null where its files do not say. */
  sameModel: boolean | null;
  /** What it must read to fire: above this, and its bias. */
  threshold: number;
  bias: number;
  /** What it writes for each unit of activation, and how long that is. */
  values: number[];
  norm: number;
  /** A random direction of the same length: what any change of this size does. */
  control: number[];
  /** How alike what it reads and what it writes are, where both are of one width. */
  readWriteCosine: number | null;
  promoted: TokenLogit[];
  suppressed: TokenLogit[];
  neighbours: { feature: number; cosine: number }[];
}

/** One feature, as its weights say. */
export async function labFeature(
  { dictionary: files, feature, top, seed, adapter }: AskedOf<LabArguments<typeof featureRequest>>,
  { host }: OperationContext,
): Promise<FeatureAnswer> {
  assertPlain(adapter);
  const { model } = host;
  const dictionary = await fitting(host, files);
  const { latents, input, output } = dictionary.sizes;
  if (feature >= latents)
    throw new LabError("not_found", `there is no feature ${feature}`, {
      hint: `${files.name} has features 0…${latents - 1}.`,
    });
  const row = decoderRow(dictionary, feature);
  const { head } = await (await openWeights(model, "folded")).unembed();
  const logits = output === model.config.width ? promotedBy(head.weight, row) : [];
  const words = (list: typeof logits): TokenLogit[] =>
    list.map(({ token: id, logit }) => ({ id, token: tokenName(model, id), logit }));
  return {
    ...{ feature, at: dictionary.output, sameModel: isOf(dictionary, host) },
    threshold: dictionary.threshold?.[feature] ?? 0,
    bias: dictionary.encoderBias[feature] as number,
    values: [...row],
    norm: Math.hypot(...row),
    control: [...randomDirection(row, seed)],
    readWriteCosine: input === output ? cosine(encoderRow(dictionary, feature), row) : null,
    promoted: words(logits.slice(0, top)),
    suppressed: words(logits.slice(-top).reverse()),
    neighbours: neighboursOf(dictionary, feature).slice(0, top),
  };
}

export interface FeaturesAnswer {
  at: string;
  sameModel: boolean | null;
  tokens: TokenText[];
  /** Of each token the features that fire most. */
  fired: { feature: number; value: number }[][];
  /** Features that fire, of each token. */
  counts: number[];
  /** Share of what is to be said that the dictionary leaves out, of each token. */
  errors: number[];
}

/** What fires on a text. */
export async function labFeatures(
  { dictionary: files, prompt, top, adapter }: AskedOf<LabArguments<typeof featuresRequest>>,
  { host, signal }: OperationContext,
): Promise<FeaturesAnswer> {
  assertPlain(adapter);
  const { model } = host;
  const dictionary = await fitting(host, files);
  const { input, output, sizes } = dictionary;
  const ids = [...model.promptIds(prompt)];
  const run = await model.run(ids, { capture: [...new Set([input, output])], signal });
  const wanted = run.get(output).values;
  const fired: FeaturesAnswer["fired"] = [];
  const [counts, errors]: [number[], number[]] = [[], []];
  using loaded = new LoadedDictionary(dictionary, model.backend);
  using pass = new EncodePass(model, loaded, { rows: ids.length });
  for await (const { count, latents, reconstruction } of pass.encode(run.get(input).values))
    for (let r = 0; r < count; r++) {
      const own = latents.subarray(r * sizes.latents, (r + 1) * sizes.latents);
      const alive = [...own.keys()].filter((feature) => (own[feature] as number) > 0);
      counts.push(alive.length);
      const strongest = alive.sort((a, b) => (own[b] as number) - (own[a] as number)).slice(0, top);
      fired.push(strongest.map((feature) => ({ feature, value: own[feature] as number })));
      const at = fired.length - 1;
      errors.push(
        leftOut(
          wanted.subarray(at * sizes.output, (at + 1) * sizes.output),
          reconstruction.subarray(r * sizes.output, (r + 1) * sizes.output),
        ),
      );
    }
  const tokens = tokensOf(host, ids);
  return { at: output, sameModel: isOf(dictionary, host), tokens, fired, counts, errors };
}

async function fitting(host: ModelHost, files: DictionaryFiles): Promise<Dictionary> {
  const dictionary = await host.dictionaries.read(files);
  assertFits(dictionary, host.model.config);
  return dictionary;
}

function isOf({ metadata }: Dictionary, { facts }: ModelHost): boolean | null {
  const { model_sha256: made } = metadata;
  return typeof made === "string" ? made === facts.modelHash : null;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const product = a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  const length = Math.hypot(...a) * Math.hypot(...b);
  return length === 0 ? 0 : product / length;
}

/** ‖y − ŷ‖² / ‖y‖² */
function leftOut(wanted: Float32Array, guess: Float32Array): number {
  let [error, size] = [0, 0];
  wanted.forEach((value, i) => {
    error += (value - (guess[i] as number)) ** 2;
    size += value ** 2;
  });
  return size === 0 ? 0 : error / size;
}

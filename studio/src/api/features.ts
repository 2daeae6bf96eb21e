/** What `/v1/lab` says of dictionaries, graphs and circuits, in the words of the server's own sources. */
import type { FeatureSummary, NamedDossier } from "../../../src/features/survey.ts";
import type { CircuitCheck, CircuitFile } from "../../../src/interpret/index.ts";
import type { FeatureAnswer, FeaturesAnswer } from "../../../src/server/worker/lab-features.ts";
import { getJson, postJson } from "./client.ts";

export type { FeatureSummary, NamedDossier };
export type { CircuitCheck, CircuitFile, FeatureAnswer, FeaturesAnswer };
export type {
  AnsweredNode,
  CircuitCheckAnswer,
  GraphAnswer,
  InterveneAnswer,
} from "../../../src/server/worker/lab-circuits.ts";

/** Of `GET /v1/lab/dictionaries`. */
export interface ListedDictionary {
  name: string;
  source: "bundled" | "home" | "run";
  kind: "sae" | "transcoder";
  architecture: string;
  input: string;
  output: string;
  latents: number;
  k: number | null;
  /** The model that it was trained on. */
  model: string | null;
  trainedOnTokens: number | null;
  /** Under SAELens' names. */
  metrics: Readonly<Record<string, number | string>> | null;
  labels: number;
  /** Whether texts to read with it lie beside it. */
  hasTexts: boolean;
  /** The run in which texts were read with it. */
  survey: string | null;
}

export interface FeatureList {
  survey: string | null;
  tokens: number | null;
  labels: Readonly<Record<string, string>>;
  features: FeatureSummary[];
}

export type Dossier = NamedDossier & { label: string | null };

export async function askDictionaries(signal: AbortSignal): Promise<ListedDictionary[]> {
  const { dictionaries } = await getJson<{ dictionaries: ListedDictionary[] }>(
    "/v1/lab/dictionaries",
    { signal },
  );
  return dictionaries;
}

const pathOf = (dictionary: string): string =>
  `/v1/lab/dictionaries/${encodeURIComponent(dictionary)}/features`;

export function askFeatureList(dictionary: string, signal: AbortSignal): Promise<FeatureList> {
  return getJson<FeatureList>(pathOf(dictionary), { signal });
}

export function askDossier(
  { dictionary, feature }: { dictionary: string; feature: number },
  signal: AbortSignal,
): Promise<Dossier> {
  return getJson<Dossier>(`${pathOf(dictionary)}/${feature}`, { signal });
}

export function askFeature(
  request: { model?: string | undefined; dictionary: string; feature: number },
  signal: AbortSignal,
): Promise<FeatureAnswer> {
  return postJson<FeatureAnswer>("/v1/lab/feature", request, { signal });
}

export function askFeaturesOn(
  request: { model?: string | undefined; dictionary: string; prompt: string; top: number },
  signal: AbortSignal,
): Promise<FeaturesAnswer> {
  return postJson<FeaturesAnswer>("/v1/lab/features", request, { signal });
}

/** `layer 2, stream`: the place of a dictionary for people. */
export function placeOf({ kind, output }: Pick<ListedDictionary, "kind" | "output">): string {
  const [, layer, place = output] = /^blocks\.(\d+)\.(.*)$/.exec(output) ?? [];
  const where = layer === undefined ? "" : `layer ${layer}, `;
  return kind === "transcoder" ? `${where}MLP (transcoder)` : `${where}${PLACES[place] ?? place}`;
}

const PLACES: Record<string, string> = {
  hook_resid_post: "stream after it",
  hook_resid_pre: "stream before it",
  hook_mlp_out: "what the MLP adds",
  hook_attn_out: "what attention adds",
  hook_mlp_post: "the MLP's neurons",
};

/** The model that a dictionary is of, where it is here; else the one that is asked for. */
export function modelFor(
  { model }: Pick<ListedDictionary, "model">,
  { asked, known }: { asked: string; known: readonly { id: string }[] },
): string | undefined {
  if (asked !== "") return asked;
  return known.find(({ id }) => id === model)?.id;
}

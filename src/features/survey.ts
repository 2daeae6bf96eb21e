/**
 * The dossiers of all features of a dictionary as files: `features.json`, a line on each to search in, and `dossiers.jsonl`, all that
 * is known, a feature a line. Tokens are texts: whoever reads them has no tokenizer.
 */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import type { Dossier } from "./dossiers.ts";

const SUMMARY_FILE = "features.json";
const DOSSIERS_FILE = "dossiers.jsonl";
/** Tokens of each kind in a summary. */
const SHOWN = 4;

export interface TokenLogit {
  id: number;
  token: string;
  logit: number;
}

/** A dossier with its tokens as texts. */
export interface NamedDossier extends Pick<
  Dossier,
  "feature" | "density" | "histogram" | "neighbours"
> {
  activations: { value: number; at: number; tokens: string[]; values: readonly number[] }[];
  promoted: TokenLogit[];
  suppressed: TokenLogit[];
}

/** What a list says of a feature. */
export interface FeatureSummary {
  feature: number;
  density: number;
  /** Its largest activation. */
  most: number;
  /** Tokens on which it fires most, and tokens whose logits it raises most. */
  fires: string[];
  promotes: string[];
}

function named(dossier: Dossier, tokenName: (id: number) => string): NamedDossier {
  const { feature, density, histogram, neighbours, promoted, suppressed } = dossier;
  const words = (list: Dossier["promoted"]): TokenLogit[] =>
    list.map(({ token: id, logit }) => ({ id, token: tokenName(id), logit }));
  return {
    ...{ feature, density, histogram, neighbours },
    activations: dossier.activations.map(({ ids, ...own }) => ({
      ...own,
      tokens: ids.map(tokenName),
    })),
    promoted: words(promoted),
    suppressed: words(suppressed),
  };
}

function summaryOf({
  feature,
  density,
  histogram,
  activations,
  promoted,
}: NamedDossier): FeatureSummary {
  const fires = activations.map(({ tokens, at }) => tokens[at] as string);
  return {
    ...{ feature, density, most: histogram.most },
    fires: [...new Set(fires)].slice(0, SHOWN),
    promotes: promoted.slice(0, SHOWN).map(({ token }) => token),
  };
}

export async function writeSurvey(
  folder: string,
  dossiers: readonly Dossier[],
  tokenName: (id: number) => string,
): Promise<void> {
  const all = dossiers.map((dossier) => named(dossier, tokenName));
  const lines = all.map((dossier) => `${toJson(dossier)}\n`).join("");
  await writeTextAtomic(path.join(folder, DOSSIERS_FILE), lines);
  await writeTextAtomic(path.join(folder, SUMMARY_FILE), `${toJson(all.map(summaryOf))}\n`);
}

/** The summaries of a survey, by feature. */
export async function readSummaries(folder: string): Promise<FeatureSummary[]> {
  const text = await readFile(path.join(folder, SUMMARY_FILE), "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  return JSON.parse(text) as FeatureSummary[];
}

/** @throws LabError `not_found` for a feature that the dictionary does not have */
export async function readDossier(folder: string, feature: number): Promise<NamedDossier> {
  const file = createReadStream(path.join(folder, DOSSIERS_FILE), "utf8");
  let line = 0;
  for await (const text of createInterface({ input: file, crlfDelay: Infinity }))
    if (line++ === feature) return JSON.parse(text) as NamedDossier;
  throw new LabError("not_found", `there is no feature ${feature}`, {
    hint: `The dictionary has features 0…${line - 1}.`,
  });
}

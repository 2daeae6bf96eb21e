/** `philab sae features --label-with`: labels from an endpoint, kept beside the dictionary. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { Endpoint } from "../endpoint/index.ts";
import type { Dictionary } from "../features/dictionary.ts";
import {
  endpointAsk,
  labelFeatures,
  labelMaterial,
  scoreLabels,
  type LabelScore,
} from "../features/labels.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { CommandContext } from "./command.ts";

export const LABEL_OPTIONS = {
  labelWith: z
    .url()
    .optional()
    .describe(
      "ask an OpenAI-compatible endpoint what features stand for; the key is PHILAB_API_KEY",
    )
    .meta({ placeholder: "url" }),
  labelModel: z
    .string()
    .min(1)
    .optional()
    .describe("the model's name there")
    .meta({ placeholder: "name" }),
  labels: z
    .string()
    .min(1)
    .optional()
    .describe("the folder of labels.json and label-scores.json; by default the dictionary's")
    .meta({ placeholder: "path" }),
};

export interface Labels {
  /** By feature, as the studio reads them. */
  labels: Record<string, string>;
  scores: Record<string, LabelScore>;
}

const labelsSchema = z.record(z.string().regex(/^\d+$/), z.string());
const share = z.number().min(0).max(1).nullable();
const scoresSchema = z.record(
  z.string().regex(/^\d+$/),
  z.object({ detection: share, control: share }),
);

/** The labels that a folder has. Throws `corrupt_file`. */
export async function readLabels(folder: string): Promise<Labels> {
  return {
    labels: await readRecord(path.join(folder, "labels.json"), labelsSchema),
    scores: await readRecord(path.join(folder, "label-scores.json"), scoresSchema),
  };
}

async function readRecord<T>(
  file: string,
  schema: z.ZodType<Record<string, T>>,
): Promise<Record<string, T>> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    const found = LabError.from(error);
    if (found.code === "not_found") return "{}";
    throw found;
  });
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new LabError("corrupt_file", `${file} has no labels`, {
      hint: "Remove it, or mend it: an object from features to texts.",
      cause: error,
    });
  }
}

/**
 * Asks for the labels and scores of features that have none yet, and keeps each as it comes: an interruption costs one question.
 *
 * @returns how many features got no label
 */
export async function askForLabels(
  { output, env, signal }: Pick<CommandContext, "output" | "env" | "signal">,
  {
    url,
    name,
    folder,
    known,
    model,
    dictionary,
    sequences,
    features,
    tokenName,
    seed,
  }: {
    url: string;
    name: string | undefined;
    folder: string;
    known: Labels;
    model: LanguageModel;
    dictionary: Dictionary;
    sequences: readonly (readonly number[])[];
    features: readonly number[];
    tokenName: (id: number) => string;
    seed: number;
  },
): Promise<number> {
  if (name === undefined)
    throw new LabError("bad_input", "the endpoint's model is not named", {
      hint: "Name it with --label-model.",
    });
  const ask = endpointAsk(new Endpoint({ url, model: name, apiKey: env["PHILAB_API_KEY"] }), {
    signal,
  });
  const { labels, scores } = known;
  const wanted = features.filter((feature) => scores[feature] === undefined);
  const material = await labelMaterial(model, dictionary, sequences, {
    ...{ features: wanted, seed, signal },
  });
  const keep = async (file: string, value: Labels["labels"] | Labels["scores"]): Promise<void> =>
    writeTextAtomic(path.join(folder, file), `${toJson(value, 1)}\n`);
  const unlabelled = material.filter(({ feature }) => labels[feature] === undefined);
  using progress = output.progress({ label: "labels", total: wanted.length, unit: "features" });
  let without = 0;
  for await (const { feature, label } of labelFeatures(unlabelled, { ask, tokenName })) {
    if (label === undefined) without++;
    else {
      labels[feature] = label;
      await keep("labels.json", labels);
    }
  }
  let done = 0;
  for await (const { feature, score } of scoreLabels(material, { ask, tokenName, labels, seed })) {
    scores[feature] = score;
    await keep("label-scores.json", scores);
    progress.update(++done);
  }
  progress.finish();
  return without;
}

/** The stage `classify`: every document gets the score of a classifier that `philab data classify` taught. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { LanguageModel } from "../../generate/language-model.ts";
import { withScores } from "../document.ts";
import type { Stage, StageContext, Transform } from "../stage.ts";
import { parseClassifier, type ClassifierFile } from "./classifier-file.ts";
import { classifierScore, wantsEmbeddings, type ClassifierKind } from "./classifier.ts";
import { embed } from "./embed.ts";

export const classifyOptions = z.strictObject({
  classifier: z.string().min(1).describe("classifier.json of philab data classify"),
  model: z
    .string()
    .min(1)
    .optional()
    .describe("the model that embeds, where it does not lie where the classifier was taught"),
});

/** The name of a classifier's scores. */
export const scoreName = (kind: ClassifierKind): string => `quality.${kind}`;

/** Throws `not_found`, `corrupt_file`. */
export function createClassify({ classifier, model }: z.output<typeof classifyOptions>): Stage {
  const file = path.resolve(classifier);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw LabError.from(error);
  }
  const read = parseClassifier(text, file);
  return {
    name: "classify",
    // Wherever the file lies: what is in it decides.
    options: { classifier: sha256(text) },
    open: (context) => openTransform(read, { ...context, model }),
  };
}

async function openTransform(
  { fitted, embedding }: ClassifierFile,
  { signal, model: elsewhere }: StageContext & { model: string | undefined },
): Promise<Transform> {
  const name = scoreName(fitted.kind);
  if (!wantsEmbeddings(fitted.kind) || embedding === null)
    return {
      apply: (documents) =>
        documents.map((document) => {
          const score = classifierScore(fitted, { text: document.text, embedding: [] });
          return { document: withScores(document, { [name]: score }) };
        }),
    };
  const model = await LanguageModel.open(elsewhere ?? embedding.model);
  if (model.fingerprint() !== embedding.sha256) {
    await model[Symbol.asyncDispose]();
    throw new LabError("bad_input", `${model.path} is not the model that the classifier saw`, {
      hint: "Name that one, or teach the classifier anew: philab data classify.",
    });
  }
  const { maxTokens } = embedding;
  return {
    async apply(documents) {
      const texts = documents.map(({ text }) => text);
      // Nothing can be read in an empty text: it teaches nothing.
      const kept = documents.filter(({ text }) => text !== "");
      const rows = await embed(
        model,
        kept.map(({ text }) => text),
        { maxTokens, deviations: true, signal },
      );
      let next = 0;
      return documents.map((document, i) => {
        const row = texts[i] === "" ? undefined : rows[next++];
        const score =
          row === undefined ? 0 : classifierScore(fitted, { text: document.text, embedding: row });
        return { document: withScores(document, { [name]: score }) };
      });
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** From annotations to a classifier: what each kind of classifier makes of them, judged on examples it has not seen. */
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { Document } from "../document.ts";
import type { Annotation } from "./annotate.ts";
import type { ClassifierFile } from "./classifier-file.ts";
import {
  CLASSIFIERS,
  classifierScore,
  fitClassifier,
  wantsEmbeddings,
  type ClassifierKind,
  type Example,
} from "./classifier.ts";
import { crossValidate } from "./cross-validate.ts";
import {
  calibration,
  chooseThreshold,
  rocAuc,
  type Calibration,
  type Cut,
  type Judged,
} from "./curves.ts";
import { embed } from "./embed.ts";

/** Of a text's beginning, which the embedding reads. */
const READ_TOKENS = 256;

export interface TeachOptions {
  kind: ClassifierKind;
  /** Ratings from here on are good. */
  goodFrom: number;
  folds: number;
  seed: number;
  /** What embeds. */
  model: LanguageModel;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How one kind of classifier did, each example being scored by a model that learned from the other folds. */
export interface Performance {
  kind: ClassifierKind;
  judged: Judged[];
  auc: number;
  calibration: Calibration;
  /** With the best F1. */
  cut: Cut;
}

export interface Taught {
  file: ClassifierFile;
  /** Of every kind, the one that was asked for first. */
  performances: Performance[];
  /** Annotations whose document is not in the corpus, or has another text there. */
  unmatched: number;
}

/**
 * @param documents - the corpus that was annotated
 * @throws LabError `bad_input` where no annotation fits a document, or a class has too few
 */
export async function teach(
  documents: AsyncIterable<Document>,
  annotations: readonly Annotation[],
  { kind, goodFrom, folds, seed, model, signal, onProgress }: TeachOptions,
): Promise<Taught> {
  const { texts, ratings, unmatched } = await match(documents, annotations);
  const labels = ratings.map((rating) => rating >= goodFrom);
  const rows = await embed(model, texts, {
    ...{ maxTokens: READ_TOKENS, deviations: true, signal },
    onProgress: (done) => onProgress?.(done, texts.length),
  });
  const examples = texts.map((text, i): Example => ({ text, embedding: rows[i]! }));
  const kinds = [kind, ...CLASSIFIERS.filter((other) => other !== kind)];
  const performances = kinds.map((one) => {
    const judged = crossValidate(
      labels,
      (chosen) => {
        const fitted = fitClassifier(one, {
          examples: chosen.map((i) => examples[i]!),
          labels: chosen.map((i) => labels[i]!),
          seed,
        });
        return (i) => classifierScore(fitted, examples[i]!);
      },
      { folds, seed },
    );
    return {
      ...{ kind: one, judged, auc: rocAuc(judged) },
      ...{ calibration: calibration(judged), cut: chooseThreshold(judged) },
    };
  });
  const file: ClassifierFile = {
    fitted: fitClassifier(kind, { examples, labels, seed }),
    embedding: wantsEmbeddings(kind)
      ? {
          model: model.path,
          sha256: model.fingerprint(),
          width: rows[0]!.length,
          maxTokens: READ_TOKENS,
        }
      : null,
    ...{ goodFrom, folds, seed },
    judged: performances[0]!.judged,
  };
  return { file, performances, unmatched };
}

/** The annotated documents in the order of the corpus; where several rated one, the mean of their ratings. */
async function match(
  documents: AsyncIterable<Document>,
  annotations: readonly Annotation[],
): Promise<{ texts: string[]; ratings: number[]; unmatched: number }> {
  const byId = new Map<string, Annotation[]>();
  for (const annotation of annotations)
    byId.set(annotation.id, [...(byId.get(annotation.id) ?? []), annotation]);
  const texts: string[] = [];
  const ratings: number[] = [];
  let used = 0;
  for await (const { id, text } of documents) {
    const named = byId.get(id);
    if (named === undefined || text === "") continue;
    const hash = sha256(text);
    const own = named.filter((annotation) => annotation.sha256 === hash);
    if (own.length === 0) continue;
    used += own.length;
    texts.push(text);
    ratings.push(own.reduce((sum, { rating }) => sum + rating, 0) / own.length);
  }
  if (texts.length === 0)
    throw new LabError("bad_input", `none of ${annotations.length} annotations is of this corpus`, {
      hint: "Annotations name documents by id and by the hash of their text: annotate this corpus, philab data annotate.",
    });
  return { texts, ratings, unmatched: annotations.length - used };
}

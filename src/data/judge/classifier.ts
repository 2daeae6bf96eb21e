/** A classifier as one thing, whatever it learned with: fitted to annotated texts, kept as JSON, asked about any text. */
import { fitForest, forestScore, type Forest } from "./forest.ts";
import { heuristicFeatures } from "./heuristics.ts";
import { fitLinear, linearScore, type Linear } from "./linear.ts";
import { fitNgrams, ngramScore, type NgramModel } from "./ngrams.ts";

/**
 * - `forest`, `linear`: on a Phi's embeddings
 * - `ngrams`: on words and pairs of words
 * - `heuristics`: a forest on the numbers of rules of thumb
 */
export const CLASSIFIERS = ["forest", "linear", "ngrams", "heuristics"] as const;
export type ClassifierKind = (typeof CLASSIFIERS)[number];

/** A text and, for the kinds that want one, its embedding `[D]`. */
export interface Example {
  readonly text: string;
  readonly embedding: ArrayLike<number>;
}

export type Fitted =
  | { kind: "forest" | "heuristics"; model: Forest }
  | { kind: "linear"; model: Linear }
  | { kind: "ngrams"; model: NgramModel };

export function wantsEmbeddings(kind: ClassifierKind): boolean {
  return kind === "forest" || kind === "linear";
}

export function fitClassifier(
  kind: ClassifierKind,
  {
    examples,
    labels,
    seed,
  }: { examples: readonly Example[]; labels: readonly boolean[]; seed: number },
): Fitted {
  const embeddings = (): ArrayLike<number>[] => examples.map(({ embedding }) => embedding);
  const texts = (): string[] => examples.map(({ text }) => text);
  switch (kind) {
    case "forest":
      return { kind, model: fitForest(embeddings(), labels, { seed }) };
    case "linear":
      return { kind, model: fitLinear(embeddings(), labels) };
    case "ngrams":
      return { kind, model: fitNgrams(texts(), labels, { seed }) };
    case "heuristics":
      return { kind, model: fitForest(texts().map(heuristicFeatures), labels, { seed }) };
  }
}

/** From 0 to 1: how sure it is that the text is good. */
export function classifierScore(fitted: Fitted, { text, embedding }: Example): number {
  switch (fitted.kind) {
    case "forest":
      return forestScore(fitted.model, embedding);
    case "linear":
      return linearScore(fitted.model, embedding);
    case "ngrams":
      return ngramScore(fitted.model, text);
    case "heuristics":
      return forestScore(fitted.model, heuristicFeatures(text));
  }
}

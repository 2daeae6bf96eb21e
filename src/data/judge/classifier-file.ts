/** Classifiers on disk: what one learned, what embeds for it, and how it did on examples that it had not seen. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { wantsEmbeddings, type Fitted } from "./classifier.ts";
import { heuristicFeatures } from "./heuristics.ts";

const numbers = z.array(z.number());
const integers = z.array(z.int());
const tree = z.strictObject({
  feature: integers,
  threshold: numbers,
  left: integers,
  right: integers,
  value: numbers,
});
const forestSchema = z.strictObject({ trees: z.array(tree).min(1) });

/** `classifier.json`. */
const fileSchema = z.strictObject({
  schema: z.literal(1),
  learned: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.enum(["forest", "heuristics"]), model: forestSchema }),
    z.strictObject({
      kind: z.literal("linear"),
      model: z.strictObject({ weights: numbers.min(1), bias: z.number() }),
    }),
    z.strictObject({
      kind: z.literal("ngrams"),
      // Most buckets of a small sample are empty: only the others are written.
      model: z.strictObject({
        buckets: z.int().min(1),
        indices: integers,
        values: numbers,
        bias: z.number(),
      }),
    }),
  ]),
  /** What embeds texts for it. */
  embedding: z
    .strictObject({ model: z.string(), sha256: z.string(), width: z.int(), maxTokens: z.int() })
    .nullable(),
  /** Ratings from here on count as good. */
  goodFrom: z.number(),
  folds: z.int(),
  seed: z.int(),
  /** Of the annotated examples: the score by a model of the other folds, and whether it is good. */
  judged: z.array(z.strictObject({ score: z.number(), good: z.boolean() })),
});
type ClassifierJson = z.output<typeof fileSchema>;

export type ClassifierFile = Omit<ClassifierJson, "learned" | "schema"> & { fitted: Fitted };

export function classifierText({ fitted, ...rest }: ClassifierFile): string {
  const value: ClassifierJson = { schema: 1, learned: toJson(fitted), ...rest };
  return `${JSON.stringify(value)}\n`;
}

/** Throws `not_found`, `corrupt_file`. */
export async function readClassifier(file: string): Promise<ClassifierFile> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  return parseClassifier(text, file);
}

/** @throws LabError `corrupt_file`, which names `file` */
export function parseClassifier(text: string, file: string): ClassifierFile {
  try {
    const { learned, schema: _, ...rest } = fileSchema.parse(JSON.parse(text));
    const fitted = fromJson(learned);
    if (rest.embedding === null && wantsEmbeddings(fitted.kind))
      throw new Error("it names no model that embeds");
    assertSound(fitted, rest.embedding?.width);
    return { fitted, ...rest };
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is no sound classifier`, {
      hint: "philab data classify writes one.",
      cause: error,
    });
  }
}

function toJson(fitted: Fitted): ClassifierJson["learned"] {
  switch (fitted.kind) {
    case "linear": {
      const { weights, bias } = fitted.model;
      return { kind: fitted.kind, model: { weights: Array.from(weights), bias } };
    }
    case "ngrams": {
      const { weights, bias } = fitted.model;
      const indices = [...weights.keys()].filter((i) => weights[i] !== 0);
      const values = indices.map((i) => weights[i]!);
      return { kind: fitted.kind, model: { buckets: weights.length, indices, values, bias } };
    }
    case "forest":
    case "heuristics": {
      const trees = fitted.model.trees.map(({ feature, threshold, left, right, value }) => ({
        feature: Array.from(feature),
        threshold: Array.from(threshold),
        left: Array.from(left),
        right: Array.from(right),
        value: Array.from(value),
      }));
      return { kind: fitted.kind, model: { trees } };
    }
  }
}

function fromJson(learned: ClassifierJson["learned"]): Fitted {
  switch (learned.kind) {
    case "linear": {
      const { weights, bias } = learned.model;
      return { kind: learned.kind, model: { weights: Float64Array.from(weights), bias } };
    }
    case "ngrams": {
      const { buckets, indices, values, bias } = learned.model;
      const weights = new Float32Array(buckets);
      indices.forEach((i, k) => (weights[i] = values[k] ?? NaN));
      return { kind: learned.kind, model: { weights, bias } };
    }
    case "forest":
    case "heuristics": {
      const trees = learned.model.trees.map(({ feature, threshold, left, right, value }) => ({
        feature: Int32Array.from(feature),
        threshold: Float64Array.from(threshold),
        left: Int32Array.from(left),
        right: Int32Array.from(right),
        value: Float64Array.from(value),
      }));
      return { kind: learned.kind, model: { trees } };
    }
  }
}

/** A walk through every tree ends: children come after their parents, and features exist. */
function assertSound({ kind, model }: Fitted, width: number | undefined): void {
  const features = kind === "heuristics" ? heuristicFeatures("").length : width;
  if (kind === "linear" && model.weights.length !== features)
    throw new Error("its weights do not fit the embeddings");
  if (kind === "ngrams") {
    const { length } = model.weights;
    if ((length & (length - 1)) !== 0 || model.weights.some(Number.isNaN))
      throw new Error("its table of weights is damaged");
  }
  if (kind !== "forest" && kind !== "heuristics") return;
  for (const { feature, threshold, left, right, value } of model.trees) {
    const size = feature.length;
    const isWhole = [threshold, left, right, value].every((list) => list.length === size);
    const walks = feature.every((f, node) => {
      if (f === -1) return true;
      const children = [left[node]!, right[node]!];
      return f >= 0 && f < features! && children.every((child) => child > node && child < size);
    });
    if (size === 0 || !isWhole || !walks) throw new Error("a tree of it is damaged");
  }
}

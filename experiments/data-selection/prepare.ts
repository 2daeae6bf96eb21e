/**
 * From the pool to what the arms train on: a tokenizer of the pool, a thousand annotations, a forest on a Phi's
 * embeddings, a threshold, and a run of every document that was chosen. Each step's file is kept and not made again.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { open } from "philab";
import {
  chooseThreshold,
  crossValidate,
  embed,
  execute,
  fitForest,
  forestScore,
  Random,
  type Annotation,
  rocAuc,
  type Execution,
} from "philab/data";
import { PyodideSandbox } from "philab/sandbox";
import { loadTokenizer, tokenizerFiles, trainTokenizer } from "philab/tokenizer";
import {
  ANNOTATIONS,
  EXERCISES,
  POOL_SEED,
  SEEDS,
  TOKENS,
  VOCABULARY,
  type Arm,
} from "./design.ts";
import { makePool, type Origin, type Pool, type PoolDocument, type Sources } from "./pool.ts";

/** Of the files that the committed results were made from: CPython 3.11.7's library, and the documentation of 3.11.2. */
const RECORDED: Pool["hashes"] = {
  pythonLibrary: "832e509cc505786972df73582a5c3607eef2fb79ff8db485ae5bd3cb3346fa1b",
  pythonDocs: "7f5eaac7679be270e5643b340aaaeb03ee7c64ea823181c049116e00cdcab27e",
};

export interface Prepared {
  hashes: Pool["hashes"];
  overlapping: number;
  /** Of the forest on the annotated documents, five folds. */
  auc: number;
  threshold: number;
  /** Precision, recall and share of the pool, as the annotations tell. */
  cut: { precision: number; recall: number; share: number };
  /** How many documents of each kind each selection has. */
  selected: Record<
    "annotated" | "classified" | "verified" | "pool",
    Partial<Record<Origin, number>>
  >;
  verdicts: Partial<Record<Origin, Partial<Record<Execution, number>>>>;
  /** Tokens of each selection. */
  tokens: Record<"pool" | "classified" | "verified", number>;
}

export function armFile(folder: string, arm: Arm, seed: number): string {
  const own = arm === "raw" || arm === "random" ? `-${seed}` : "";
  return path.join(folder, "arms", `${arm}${own}.jsonl`);
}

/** Makes what is not there yet. `note` hears what is going on. */
export async function prepare(
  folder: string,
  sources: Sources,
  note: (text: string) => void,
): Promise<void> {
  await mkdir(path.join(folder, "arms"), { recursive: true });
  await mkdir(path.join(folder, "tokenizer"), { recursive: true });
  const done = await readJson(path.join(folder, "prepared.json"));
  if (done !== undefined) return;
  const pool = await makePool(sources, { seed: POOL_SEED, exercises: EXERCISES });
  const { documents, exercises, textbook, hashes, overlapping } = pool;
  for (const name of ["pythonLibrary", "pythonDocs"] as const)
    if (hashes[name] !== RECORDED[name])
      note(`${name}: other files than the recorded results had (${hashes[name]})`);
  await writeJson(path.join(folder, "exercises.json"), exercises.map(forReading));
  await writeJson(path.join(folder, "textbook.json"), textbook);
  note(`pool: ${documents.length} documents, ${overlapping} left out for their overlap`);

  // The pool and its annotations as the product reads them: README.md says how to judge the classifiers with it.
  const random = new Random(POOL_SEED).split(6);
  const annotated = [...random.permutation(documents.length).slice(0, ANNOTATIONS)];
  await writeLines(path.join(folder, "pool.jsonl"), documents);
  await writeLines(
    path.join(folder, "annotated.jsonl"),
    annotated.map((i) => documents[i]!),
  );
  await writeLines(
    path.join(folder, "ratings.jsonl"),
    annotated.map((i) => rate(documents[i]!)),
  );

  const texts = documents.map(({ text }) => text);
  const trained = await trainTokenizer(texts.slice(0, 4000), { vocabSize: VOCABULARY });
  const tokenizerFolder = path.join(folder, "tokenizer");
  for (const [name, contents] of Object.entries(tokenizerFiles(trained.data)))
    await writeJson(path.join(tokenizerFolder, name), contents);
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const lengths = texts.map((text) => tokenizer.encode(text).length + 1);
  const tokensOf = (chosen: readonly number[]): number =>
    chosen.reduce((sum, i) => sum + lengths[i]!, 0);
  note(`tokenizer: the pool has ${tokensOf([...lengths.keys()])} tokens`);

  const embeddings = await embedAll(texts, note);
  const labels = annotated.map((i) => isEducational(documents[i]!));
  const rows = annotated.map((i) => embeddings[i]!);
  const judged = crossValidate(labels, (training) => {
    const forest = fitForest(
      training.map((i) => rows[i]!),
      training.map((i) => labels[i]!),
    );
    return (i) => forestScore(forest, rows[i]!);
  });
  const { threshold, precision, recall, share } = chooseThreshold(judged);
  const forest = fitForest(rows, labels);
  const scores = embeddings.map((row) => forestScore(forest, row));
  const classified = [...scores.keys()].filter((i) => scores[i]! >= threshold);
  note(
    `forest: AUC ${rocAuc(judged).toFixed(4)}, ${classified.length} documents classified as good`,
  );

  const verdicts = await runAll(
    classified.map((i) => texts[i]!),
    note,
  );
  const verified = classified.filter((_, k) => verdicts[k] !== "failed");
  const selections = { classified, verified };
  for (const arm of ["classified", "verified"] as const)
    await writeArm(
      armFile(folder, arm, 0),
      selections[arm].map((i) => texts[i]!),
    );
  for (const seed of SEEDS) {
    const order = [...new Random(POOL_SEED).split(100 + seed).permutation(documents.length)];
    // Enough that nothing is read twice; and as much as the verified arm has.
    for (const [arm, least] of [
      ["raw", 1.1 * TOKENS],
      ["random", tokensOf(verified)],
    ] as const)
      await writeArm(
        armFile(folder, arm, seed),
        upTo(order, lengths, least).map((i) => texts[i]!),
      );
  }
  const counts = (list: readonly number[]): Partial<Record<Origin, number>> =>
    count(list.map((i) => documents[i]!.metadata.origin));
  const byOrigin: Prepared["verdicts"] = {};
  for (const origin of new Set(classified.map((i) => documents[i]!.metadata.origin)))
    byOrigin[origin] = count(
      verdicts.filter((_, k) => documents[classified[k]!]!.metadata.origin === origin),
    );
  await writeJson(path.join(folder, "judged.json"), {
    annotated: annotated.map((i, k) => ({
      id: documents[i]!.id,
      origin: documents[i]!.metadata.origin,
      good: labels[k],
      score: judged[k]!.score,
    })),
    scores: scores.map((score, i) => [documents[i]!.metadata.origin, Number(score.toFixed(4))]),
  });
  await writeJson(path.join(folder, "prepared.json"), {
    ...{ hashes, overlapping, threshold, auc: rocAuc(judged), cut: { precision, recall, share } },
    selected: {
      ...{ pool: counts([...documents.keys()]), annotated: counts(annotated) },
      classified: counts(classified),
      verified: counts(verified),
    },
    verdicts: byOrigin,
    tokens: {
      pool: tokensOf([...documents.keys()]),
      classified: tokensOf(classified),
      verified: tokensOf(verified),
    },
  } satisfies Prepared);
}

/**
 * The annotator: a script that knows where a document is from, and nothing of what a classifier sees. Lessons teach, and
 * so does documentation; it does not run lessons, so that a wrong one is as good to it as a right one.
 */
function isEducational({ metadata: { origin } }: PoolDocument): boolean {
  return origin === "lesson" || origin === "wrong lesson" || origin === "documentation";
}

/** What it says as a line of a file of annotations. */
function rate(document: PoolDocument): Annotation {
  const hash = createHash("sha256").update(document.text).digest("hex");
  const rating = isEducational(document) ? 5 : 0;
  return { id: document.id, sha256: hash, rating, annotator: "provenance" };
}

async function embedAll(
  texts: readonly string[],
  note: (text: string) => void,
): Promise<Float32Array[]> {
  await using phi = await open("phi-micro", { threads: 1 });
  let toldAt = Date.now();
  return await embed(phi, texts, {
    maxTokens: 96,
    onProgress: (done) => {
      if (Date.now() - toldAt < 20_000) return;
      toldAt = Date.now();
      note(`embedded ${done} of ${texts.length}`);
    },
  });
}

async function runAll(
  texts: readonly string[],
  note: (text: string) => void,
): Promise<Execution[]> {
  await using sandbox = await PyodideSandbox.open();
  const verdicts: Execution[] = [];
  for (const text of texts) {
    verdicts.push(await execute(sandbox, text, { timeoutMs: 30_000 }));
    if (verdicts.length % 1000 === 0) note(`ran ${verdicts.length} of ${texts.length}`);
  }
  return verdicts;
}

/** The first documents of an order that have so many tokens together. */
function upTo(order: readonly number[], lengths: readonly number[], least: number): number[] {
  let sum = 0;
  return order.filter((i) => {
    if (sum >= least) return false;
    sum += lengths[i]!;
    return true;
  });
}

function count<T extends string>(list: readonly T[]): Partial<Record<T, number>> {
  const counts: Partial<Record<T, number>> = {};
  for (const one of list) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

const forReading = ({
  composition: { filter, mapping, summary },
  ...rest
}: Pool["exercises"][number]) => ({
  composition: `${summary.name} / ${mapping.name} / ${filter.name}`,
  ...rest,
});

async function writeArm(file: string, texts: readonly string[]): Promise<void> {
  await writeLines(
    file,
    texts.map((text) => ({ text })),
  );
}

async function writeLines(file: string, rows: readonly object[]): Promise<void> {
  await writeWhole(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeWhole(file, `${JSON.stringify(value, undefined, 1)}\n`);
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, text);
  await rename(`${file}.part`, file);
}

/** What a file holds, undefined where it is not there. */
export async function readJson<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

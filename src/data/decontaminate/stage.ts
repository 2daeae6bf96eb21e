/** The stage `decontaminate`: documents that hold items of benchmarks, as they are or in other clothes, are taken out. */
import path from "node:path";
import { z } from "zod";
import { sha256File } from "../../base/hash.ts";
import { LabError } from "../../base/errors.ts";
import { withScores, type Document } from "../document.ts";
import { embed } from "../judge/embed.ts";
import type { Stage, StageContext, Transform, Verdict } from "../stage.ts";
import { SyntaxParser } from "../syntax.ts";
import { readBenchmark, type BenchmarkItem } from "./benchmark.ts";
import { matchRate, prepare, type Prepared } from "./match-rate.ts";
import { NgramIndex } from "./ngram-index.ts";
import { unitsOf, Vocabulary } from "./program.ts";

const METHODS = ["ngram", "ast", "embedding"] as const;
/** The levels of the Phi-1 report; hits are kept from the lowest on, so that subsets at each can be told. */
export const TAU_LEVELS = [0.95, 0.9, 0.85, 0.8] as const;

export const decontaminateOptions = z.strictObject({
  benchmarks: z
    .array(z.string().min(1))
    .min(1)
    .describe("files of benchmarks: .jsonl, .json, .csv, .parquet; an item a row")
    .meta({ placeholder: "files" }),
  methods: z.array(z.enum(METHODS)).min(1).default(["ngram", "ast"]).describe("how to look"),
  ngram: z
    .int()
    .min(4)
    .max(64)
    .default(13)
    .describe("words in a row that are an item's own")
    .meta({ placeholder: "count" }),
  tau: z
    .number()
    .min(0.5)
    .max(1)
    .default(0.8)
    .describe("match rate of syntax trees from which a function is an item's solution")
    .meta({ placeholder: "share" }),
  minTokens: z
    .int()
    .min(1)
    .default(9)
    .describe("solutions with smaller trees are not looked for")
    .meta({ placeholder: "count" }),
  embeddingModel: z
    .string()
    .min(1)
    .optional()
    .describe("the model whose embeddings are compared; default: the bundled one")
    .meta({ placeholder: "name" }),
  embeddingSimilarity: z
    .number()
    .min(0)
    .max(1)
    .default(0.98)
    .describe("cosine from which two embeddings are of one item")
    .meta({ placeholder: "share" }),
});
export type DecontaminateOptions = z.output<typeof decontaminateOptions>;

/** What a document has of an item. */
export interface Hit {
  benchmark: string;
  item: string;
  method: (typeof METHODS)[number];
  /** - `ngram`: share of the item's runs; - `ast`: match rate; - `embedding`: cosine */
  value: number;
}

/** Benchmarks are part of the record by name and hash, wherever they lie. Throws `not_found`. */
export async function createDecontaminate(options: DecontaminateOptions): Promise<Stage> {
  const benchmarks = await Promise.all(
    options.benchmarks.map(async (file) => ({
      name: path.basename(file),
      sha256: await sha256File(file),
    })),
  );
  return {
    name: "decontaminate",
    options: { ...options, benchmarks },
    async open(context) {
      const lists = await Promise.all(options.benchmarks.map(readBenchmark));
      return Searcher.open(lists.flat(), options, context);
    },
  };
}

interface Solution extends Prepared {
  item: number;
}

class Searcher implements Transform {
  readonly #items: readonly BenchmarkItem[];
  readonly #options: DecontaminateOptions;
  readonly #ngrams: NgramIndex | undefined;
  readonly #vocabulary = new Vocabulary();
  #python: SyntaxParser | undefined;
  #solutions: Solution[] = [];
  #embed: ((texts: readonly string[]) => Promise<Float32Array[]>) | undefined;
  #embeddings: Float32Array[] = [];

  private constructor(items: readonly BenchmarkItem[], options: DecontaminateOptions) {
    this.#items = items;
    this.#options = options;
    if (options.methods.includes("ngram")) this.#ngrams = new NgramIndex(items, options.ngram);
  }

  static async open(
    items: readonly BenchmarkItem[],
    options: DecontaminateOptions,
    { openModel, signal }: StageContext,
  ): Promise<Searcher> {
    const searcher = new Searcher(items, options);
    if (options.methods.includes("ast")) {
      searcher.#python = await SyntaxParser.open("python");
      searcher.#solutions = items.flatMap((item, i) => searcher.#solutionsOf(item, i));
    }
    if (options.methods.includes("embedding")) {
      const model = await openModel?.(options.embeddingModel);
      if (model === undefined)
        throw new LabError(
          "unsupported",
          "embeddings want a model, and there is no way to open one",
        );
      searcher.#embed = (texts) => embed(model, texts, { signal });
      searcher.#embeddings = await searcher.#embed(items.map(({ text }) => text));
    }
    return searcher;
  }

  async apply(documents: readonly Document[]): Promise<Verdict[]> {
    const embeddings = await this.#embed?.(documents.map(({ text }) => text));
    return documents.map((document, d) => this.#judge(document, embeddings?.[d]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#python?.[Symbol.dispose]();
    return Promise.resolve();
  }

  #judge(document: Document, embedding: Float32Array | undefined): Verdict {
    const hits = [
      ...this.#ngramHits(document),
      ...this.#syntaxHits(document),
      ...(embedding === undefined ? [] : this.#embeddingHits(embedding)),
    ];
    if (hits.length === 0) return { document };
    const { tau } = this.#options;
    const counted = hits.filter(({ method, value }) => method !== "ast" || value >= tau);
    const best = (method: Hit["method"]): Record<string, number> => {
      const values = hits.filter((hit) => hit.method === method).map(({ value }) => value);
      return values.length === 0 ? {} : { [`decontaminate.${method}`]: Math.max(...values) };
    };
    const metadata = { ...document.metadata, contamination: hits.map((hit) => ({ ...hit })) };
    const scores = { ...best("ngram"), ...best("ast"), ...best("embedding") };
    const marked = withScores({ ...document, metadata }, scores);
    const [first] = counted;
    return first === undefined
      ? { document: marked }
      : { document: marked, rejectedBy: `${first.method}_${first.benchmark}` };
  }

  #ngramHits({ text }: Document): Hit[] {
    return (this.#ngrams?.overlaps(text) ?? []).map(({ item, share }) =>
      this.#hit(item, "ngram", share),
    );
  }

  #syntaxHits({ text }: Document): Hit[] {
    if (this.#python === undefined || !/(^|\n)[ \t]*(async )?def \w/.test(text)) return [];
    const lowest = Math.min(this.#options.tau, ...TAU_LEVELS);
    const units = this.#python
      .withTree(text, (tree) => unitsOf(tree, text, this.#vocabulary))
      .map(prepare);
    const best = new Map<number, number>();
    for (const unit of units)
      for (const solution of this.#solutions) {
        const rate = matchRate(unit, solution, Math.max(lowest, best.get(solution.item) ?? 0));
        if (rate !== undefined) best.set(solution.item, rate);
      }
    return [...best].sort(([a], [b]) => a - b).map(([item, rate]) => this.#hit(item, "ast", rate));
  }

  #embeddingHits(embedding: Float32Array): Hit[] {
    return this.#embeddings.flatMap((other, item) => {
      const value = cosine(embedding, other);
      return value >= this.#options.embeddingSimilarity
        ? [this.#hit(item, "embedding", value)]
        : [];
    });
  }

  #hit(item: number, method: Hit["method"], value: number): Hit {
    const { benchmark = "", id = "" } = this.#items[item] ?? {};
    return { benchmark, item: id, method, value: Math.round(value * 1e6) / 1e6 };
  }

  /** The function that an item's tests call, or its largest, or the whole program. */
  #solutionsOf({ code, entryPoint }: BenchmarkItem, item: number): Solution[] {
    if (code === undefined || this.#python === undefined) return [];
    const units = this.#python.withTree(code, (tree) => unitsOf(tree, code, this.#vocabulary));
    const largest = [...units].sort((a, b) => b.sorted.length - a.sorted.length)[0];
    const chosen = units.find(({ name }) => name === entryPoint) ?? largest;
    if (chosen === undefined || chosen.sorted.length < this.#options.minTokens) return [];
    return [{ ...prepare(chosen), item }];
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0;
    product += x * y;
    lengthA += x * x;
    lengthB += y * y;
  }
  return product / Math.sqrt(lengthA * lengthB);
}

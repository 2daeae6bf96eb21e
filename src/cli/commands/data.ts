/** `philab data`: corpora from files, and pipelines over them. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { checkObject } from "../../base/schema.ts";
import { cleanOptions } from "../../data/clean/stage.ts";
import { dedupOptions } from "../../data/dedup/stage.ts";
import { decontaminateOptions } from "../../data/decontaminate/stage.ts";
import { recipeSchema, type Recipe } from "../../data/job.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { corpusOut, fullPath, runRecipe } from "../data.ts";

const word = z.string().min(1).optional();
const shards = z
  .int()
  .min(1)
  .max(99_999)
  .optional()
  .describe("parts of the corpus; default: one for each 128 MiB")
  .meta({ placeholder: "count" });

export const ingest = defineCommand({
  description:
    "Reads JSONL and Parquet (a document a row), texts and code (a document a file), compressed or not, into a corpus: a folder of JSONL parts with a manifest of hashes. Rows that are no documents go into quarantine/ with their line numbers.",
  arguments: {
    paths: z.array(z.string().min(1)).min(1).describe("files or directories"),
  },
  options: {
    out: corpusOut,
    source: word
      .describe("the source's name where rows have none; default: each path's last part")
      .meta({ placeholder: "name" }),
    licence: word
      .describe("its licence where rows have none, such as PSF-2.0")
      .meta({ placeholder: "name" }),
    language: word
      .describe("its language where rows and file names do not say, such as python")
      .meta({ placeholder: "name" }),
    textColumn: word
      .describe("the column with the text; default: text or content")
      .meta({ placeholder: "name" }),
    idColumn: word
      .describe("the column with a name of its own for each row; default: id, or file and line")
      .meta({ placeholder: "name" }),
    shards,
  },
  examples: [
    {
      command: "philab data ingest docs/ notes.jsonl.gz --out corpora/docs --licence MIT",
      does: "texts of a directory and rows of a file, as one corpus",
    },
  ],
  async run(context) {
    const { args, options } = context;
    const { out, shards: count, ...common } = options;
    const known = Object.fromEntries(
      Object.entries(common).filter(([, value]) => value !== undefined),
    );
    const recipe: Recipe = {
      name: path.basename(out),
      sources: args.paths.map((given) => ({ path: given, ...known })),
      stages: [],
      ...(count === undefined ? {} : { shards: count }),
    };
    await runRecipe(context, { recipe, out });
  },
});

const corpusArgument = z.string().min(1).describe("a corpus, a file or a directory");

/** A recipe of one stage over one corpus: what `philab data clean` and its like run. */
function oneStage(
  { args, options }: { args: { corpus: string }; options: { out: string } },
  stage: Recipe["stages"][number],
): { recipe: Recipe; out: string } {
  const { out } = options;
  return {
    recipe: { name: path.basename(out), sources: [{ path: args.corpus }], stages: [stage] },
    out,
  };
}

const { rules, languages, minLanguageScore, pii } = cleanOptions.shape;

export const clean = defineCommand({
  description:
    "Takes out documents that break heuristic rules, under datatrove's names: Gopher's and FineWeb's on text, C4's line by line, rules of code (line lengths, generated files, whether it parses). Replaces mail addresses, public IP addresses and keys. Every document that is taken out lies in rejected/ with its rule. Thresholds stand in a recipe.",
  arguments: { corpus: corpusArgument },
  options: { out: corpusOut, rules, languages, minLanguageScore, pii },
  examples: [
    {
      command: "philab data clean corpora/raw --out corpora/clean --languages en",
      does: "the usual rules, and English only",
    },
    {
      command: "philab data clean corpora/web --out corpora/web-clean --rules gopher_quality,c4",
      does: "rules of one's choice",
    },
  ],
  async run(context) {
    const { out: _out, ...options } = context.options;
    await runRecipe(context, oneStage(context, { use: "clean", ...options }));
  },
});

export const dedup = defineCommand({
  description:
    "Of documents with the same text, or nearly the same, the longest stays. Near duplicates are found by MinHash-LSH over word n-grams and then compared: the defaults find copies in which up to a fifth of the words were changed. The others lie in rejected/, with how similar they are.",
  arguments: { corpus: corpusArgument },
  options: { out: corpusOut, ...dedupOptions.shape },
  examples: [
    {
      command: "philab data dedup corpora/clean --out corpora/unique",
      does: "exact and near duplicates",
    },
    {
      command:
        "philab data dedup corpora/clean --out corpora/unique --ngram 5 --bands 14 --rows 8 --threshold 0.7",
      does: "only what is almost the same, with datatrove's parameters",
    },
  ],
  async run(context) {
    const { out: _out, ...options } = context.options;
    await runRecipe(context, oneStage(context, { use: "dedup", ...options }));
  },
});

const { embeddingModel: _, ...decontaminateFlags } = decontaminateOptions.shape;

export const decontaminate = defineCommand({
  description:
    "Takes out documents that hold items of benchmarks: 13 words in a row (ngram), a function whose syntax tree matches a solution's at a rate of tau, whatever its names, layout and order (ast), or a text whose embedding is nearly an item's (embedding). Hits lie in rejected/ with the item that they are of; `philab data report` shows both side by side, and which items have something similar in the corpus.",
  arguments: { corpus: corpusArgument },
  options: { out: corpusOut, ...flags("model"), ...decontaminateFlags },
  examples: [
    {
      command:
        "philab data decontaminate corpora/code --out corpora/fair --benchmarks HumanEval.jsonl.gz,mbpp.jsonl",
      does: "without HumanEval's and MBPP's problems",
    },
  ],
  async run(context) {
    const { out: _out, ...options } = context.options;
    const benchmarks = options.benchmarks.map((file) => fullPath(file, context.cwd));
    const { model } = context.settings;
    const embeddingModel = model === undefined ? {} : { embeddingModel: model };
    const stage = { use: "decontaminate", ...options, ...embeddingModel, benchmarks };
    await runRecipe(context, oneStage(context, stage));
  },
});

const recipeArgument = z.string().min(1).describe("a YAML file: name, sources, stages, shards");

export const run = defineCommand({
  description:
    "Runs the stages of a recipe. With --shard, one shard of the current phase: any number of processes, on any machines that share the folder, do theirs at the same time; then `philab data merge`, and again until the corpus is there. What was done is not done again.",
  arguments: { recipe: recipeArgument },
  options: {
    out: corpusOut,
    shard: word
      .describe("only this shard, counted from 0: 3/8")
      .meta({ placeholder: "index/count" }),
  },
  examples: [
    {
      command: "philab data run recipe.yaml --out corpora/clean",
      does: "all shards in this process",
    },
    {
      command: "philab data run recipe.yaml --out corpora/clean --shard 3/8",
      does: "the fourth of eight, in a job array",
    },
  ],
  async run(context) {
    const { out, shard } = context.options;
    const recipe = await readRecipe(fullPath(context.args.recipe, context.cwd));
    await runRecipe(context, { recipe, out, shard });
  },
});

export const merge = defineCommand({
  description:
    "Checks that the shards of the current phase are all there, whole, and hold no document twice, and merges them. After the last phase the corpus is complete.",
  arguments: { recipe: recipeArgument },
  options: { out: corpusOut, shards },
  examples: [
    {
      command: "philab data merge recipe.yaml --out corpora/clean --shards 8",
      does: "the step between two job arrays",
    },
  ],
  async run(context) {
    const { out, shards: count } = context.options;
    const recipe = await readRecipe(fullPath(context.args.recipe, context.cwd));
    await runRecipe(context, {
      recipe: count === undefined ? recipe : { ...recipe, shards: count },
      out,
      merge: true,
    });
  },
});

/** Paths in a recipe are meant from where the recipe lies. Throws `not_found`, `bad_input`. */
async function readRecipe(file: string): Promise<Recipe> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw new LabError("bad_input", `${file} is no YAML: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const recipe = checkObject(recipeSchema, parsed, { what: file });
  const folder = path.dirname(file);
  return {
    ...recipe,
    sources: recipe.sources.map((source) => ({ ...source, path: fullPath(source.path, folder) })),
    stages: recipe.stages.map(({ benchmarks, target, ...stage }) => ({
      ...stage,
      ...(typeof target === "string" ? { target: fullPath(target, folder) } : {}),
      ...(Array.isArray(benchmarks)
        ? { benchmarks: benchmarks.map((file) => fullPath(String(file), folder)) }
        : {}),
    })),
  };
}

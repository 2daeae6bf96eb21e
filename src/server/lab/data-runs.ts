/** Runs that make one corpus of another: the stages of `philab data`, with data sets and models by name. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { cleanOptions } from "../../data/clean/stage.ts";
import { decontaminateOptions } from "../../data/decontaminate/stage.ts";
import { dedupOptions } from "../../data/dedup/stage.ts";
import { pipelineArguments } from "../../data/job.ts";
import { selectOptions } from "../../data/judge/select-stage.ts";
import { perplexityOptions } from "../../data/mix/perplexity.ts";
import { topOptions } from "../../data/mix/top.ts";
import { createRun } from "../../jobs/job.ts";
import { dataName } from "./data-sets.ts";
import { dataSets, defineRunKind, pathOf, type RunKind, type RunMaker } from "./run-maker.ts";

const use = <K extends string>(name: K) => ({ use: z.literal(name) });

/** Without embeddings, which want a model of their own. */
const decontaminate = decontaminateOptions
  .omit({ embeddingModel: true, embeddingSimilarity: true })
  .extend({
    ...use("decontaminate"),
    benchmarks: z
      .array(dataName)
      .max(16)
      .default([])
      .describe("data sets of items; the rows of the request are one more"),
    methods: z
      .array(z.enum(["ngram", "ast"]))
      .min(1)
      .default(["ngram", "ast"]),
  });

const stage = z.discriminatedUnion("use", [
  cleanOptions.extend(use("clean")),
  dedupOptions.extend(use("dedup")),
  decontaminate,
  perplexityOptions.extend(use("perplexity")),
  topOptions.extend(use("top")),
  selectOptions.extend(use("select")),
]);

const data = defineRunKind({
  kind: "data",
  summary: "Make a corpus of another: clean, dedup, decontaminate, perplexity, top, select",
  body: z.strictObject({
    from: dataName.describe("a data set: a corpus, or files that become one"),
    name: dataName.describe("of the corpus that is made"),
    stages: z.array(stage).max(16).default([]),
    rows: dataSets.rows.describe("items of a benchmark that come with the request"),
  }),
  async create({ from, name, stages, rows }, maker) {
    const path = await maker.dataSets.find(from);
    const out = await maker.dataSets.vacant(name);
    const own = rows === undefined ? [] : [await maker.dataSets.keep(rows)];
    const resolved = await Promise.all(stages.map((one) => resolve(one, own, maker)));
    const recipe = { name, sources: [{ path }], stages: resolved };
    return createRun(
      { kind: "data", arguments: pipelineArguments },
      {
        runsFolder: maker.folders.runs,
        name,
        arguments: { recipe, out },
        // The recipe stands in the run's arguments; as a file it does the same.
        provenance: { command: ["philab", "data", "run", `${name}.yaml`, "--out", out] },
      },
    );
  },
});

async function resolve(
  asked: z.output<typeof stage>,
  own: readonly string[],
  maker: RunMaker,
): Promise<{ use: string }> {
  if (asked.use === "decontaminate") {
    const named = await Promise.all(asked.benchmarks.map((one) => maker.dataSets.find(one)));
    const benchmarks = [...named, ...own];
    if (benchmarks.length > 0) return { ...asked, benchmarks } as { use: string };
    throw new LabError("bad_input", "there is no benchmark to look for", {
      hint: "Name data sets (benchmarks), or send rows.",
    });
  }
  if (asked.use !== "perplexity") return asked;
  const model = await pathOf(asked.model ?? "default", maker);
  return { ...asked, model } as { use: string };
}

export const DATA_RUNS: readonly RunKind[] = [data];

/** `philab data mix`: what a training run reads, from several corpora in given proportions. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { formatCount, formatFacts, formatNumber } from "../../base/format.ts";
import { checkObject } from "../../base/schema.ts";
import { visibleText } from "../../base/terminal.ts";
import { mixSchema, writeMixture } from "../../data/mix/mixture.ts";
import { loadTokenizer } from "../../tokenizer/index.ts";
import { defineCommand } from "../command.ts";
import { corpusOut, fullPath } from "../data.ts";
import { tokenizerFolder } from "../tokenizer-folder.ts";

export const mix = defineCommand({
  description:
    "Draws documents from corpora in proportion to their weights until a budget of tokens is filled, in the stages of a curriculum; each stage is a folder of rows for `philab train --data`. Every epoch of a source has an order of its own; more epochs than a source's maxEpochs are an error.",
  arguments: {
    recipe: z.string().min(1).describe("a YAML file: name, tokens, sources, stages, seed"),
  },
  options: {
    out: corpusOut,
    tokenizer: z
      .string()
      .min(1)
      .optional()
      .describe("counts the tokens: a model or a directory; default: bytes / 4")
      .meta({ placeholder: "name" }),
  },
  examples: [
    {
      command: "philab data mix mix.yaml --tokenizer phi-nano --out corpora/mix",
      does: "then `philab train --data corpora/mix/0-all …`",
    },
  ],
  async run({ args, options, output, signal, cwd, folders }) {
    const file = fullPath(args.recipe, cwd);
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      throw LabError.from(error);
    });
    const recipe = checkObject(mixSchema, parse(text), { what: file });
    const sources = Object.fromEntries(
      Object.entries(recipe.sources).map(([name, source]) => [
        name,
        { ...source, corpus: fullPath(source.corpus, path.dirname(file)) },
      ]),
    );
    const { tokenizer: named } = options;
    const tokenizer =
      named === undefined
        ? undefined
        : await loadTokenizer(await tokenizerFolder(named, { folders, cwd }));
    const countTokens = tokenizer && ((given: string) => tokenizer.encode(given).length);
    using progress = output.progress({ label: "mix", total: recipe.tokens, unit: "tok" });
    const out = fullPath(options.out, cwd);
    const report = await writeMixture(
      { ...recipe, sources },
      { out, signal, countTokens, onProgress: (tokens) => progress.update(tokens) },
    );
    progress.finish();
    output.result({ folder: out, ...report }, () =>
      formatFacts([
        ["mixture", visibleText(out)],
        ["tokens", formatCount(report.tokens)],
        ...report.stages.map(
          ({ name, part }) =>
            [`stage ${name}`, `${formatCount(part.documents)} documents`] as const,
        ),
        ...Object.entries(report.sources).map(
          ([name, { tokens, epochs }]) =>
            [name, `${formatCount(tokens)} tokens, ${formatNumber(epochs, 3)} epochs`] as const,
        ),
      ]),
    );
  },
});

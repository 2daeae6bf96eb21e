/** Runs that bring models into the store: from the hub, and smaller ones of those that are there. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { cardFor } from "../../catalog/cards.ts";
import { pullArguments, repositoryOf } from "../../catalog/pull.ts";
import { quantizeArguments } from "../../catalog/quantize.ts";
import { Store } from "../../catalog/store.ts";
import { createRun } from "../../jobs/job.ts";
import { planQuantization } from "../../model/quantize.ts";
import { defined, defineRunKind, type RunKind } from "./run-maker.ts";

/** Few stars, so that no name takes long to compare. */
const pattern = z
  .string()
  .regex(/^[\w.+/-]*(\*[\w.+/-]*){0,2}$/, "expected a name, * for anything");

const pull = defineRunKind({
  kind: "pull",
  summary: "Fetch a model from the hub that the server was started with (HF_ENDPOINT, HF_TOKEN)",
  body: z.strictObject({
    model: z.string().min(1).max(200).describe("a card (phi-2), or owner/name of the hub"),
    revision: z.string().min(1).max(255).default("main").describe("branch, tag or commit"),
    include: z
      .array(pattern.max(100))
      .min(1)
      .max(16)
      .optional()
      .describe("names of files; default: safetensors, configuration, tokenizer"),
  }),
  async create({ model, revision, include }, { folders, hubUrl }) {
    const repository = repositoryOf(model, revision);
    const { owner, repository: name } = repository;
    return createRun(
      { kind: "pull", arguments: pullArguments },
      {
        ...{ runsFolder: folders.runs, name },
        arguments: defined({ ...repository, include, hubUrl, modelsFolder: folders.models }),
        provenance: {
          command: [
            ...["philab", "pull", `${owner}/${name}`],
            ...(revision === "main" ? [] : ["--revision", revision]),
            ...(include === undefined ? [] : ["--include", include.join(",")]),
          ],
        },
      },
    );
  },
});

const quantize = defineRunKind({
  kind: "quantize",
  summary: "A smaller file of a model, in the store under a name of its own",
  body: z.strictObject({
    model: z.string().max(300).describe("a name that /v1/models lists"),
    type: quantizeArguments.shape.type,
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,95}$/, "expected a name in lower case")
      .describe("of the new model"),
    allowRequantize: quantizeArguments.shape.allowRequantize.describe(
      "quantise weights that are quantised already; their errors add up",
    ),
  }),
  async create({ model, type, name, allowRequantize }, { folders, inventory }) {
    const { model: found } = await inventory.find(model);
    if ((await inventory.list()).some(({ id }) => id === name || id.startsWith(`${name}:`)))
      throw new LabError("bad_input", `there is a model ${name} already`, {
        hint: "Choose another name, or remove it first.",
      });
    const { path: from } = found.reference;
    // Here, so that a model that cannot be quantised is refused at once.
    await planQuantization({ from, type, allowRequantize });
    const stored = await new Store(folders.models).list();
    const manifest = stored.find((one) => one.name === found.id)?.manifest;
    const source = manifest?.source ?? found.id;
    const licence = manifest?.licence ?? cardFor(found.id, source)?.licence;
    const { models: modelsFolder, runs: runsFolder } = folders;
    return createRun(
      { kind: "quantize", arguments: quantizeArguments },
      {
        ...{ runsFolder, name },
        arguments: defined({
          ...{ from, base: found.id, source, licence, name, type, allowRequantize, modelsFolder },
        }),
        provenance: {
          command: [
            ...["philab", "quantize", type, `${name}.gguf`, "--model", found.id],
            ...(allowRequantize ? ["--allow-requantize"] : []),
          ],
        },
      },
    );
  },
});

export const CATALOG_RUN_KINDS: readonly RunKind[] = [pull, quantize];

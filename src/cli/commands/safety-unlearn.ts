/** `philab safety unlearn`: making a model forget some answers, beside plain gradient ascent. */
import path from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic, writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { resolveModelReference } from "../../catalog/reference.ts";
import { openCheckpoint } from "../../checkpoint/index.ts";
import { Backend } from "../../engine/backend.ts";
import { openTokenizer } from "../../generate/open-tokenizer.ts";
import { companionFiles } from "../../model/companions.ts";
import { readItems } from "../../safety/unlearn/items.ts";
import {
  unlearn,
  UNLEARNING_METHODS,
  type Unlearned,
  type UnlearningMethod,
} from "../../safety/unlearn/unlearn.ts";
import { TrainableModel } from "../../train/index.ts";
import { defineCommand, type CommandContext } from "../command.ts";
import { flags } from "../flags.ts";

const file = (what: string) =>
  z.string().min(1).optional().describe(what).meta({ placeholder: "path" });

/** Chosen on the bundled model; learning rates of large models are smaller. */
const LEARNING_RATES: Readonly<Record<UnlearningMethod, number>> = {
  rmu: 3e-3,
  "gradient-difference": 1e-4,
  "gradient-ascent": 1e-4,
};
const RETAIN_WEIGHTS: Readonly<Record<UnlearningMethod, number>> = {
  rmu: 100,
  "gradient-difference": 10,
  "gradient-ascent": 0,
};

export const command = defineCommand({
  description:
    "Changes a model until answers that are to be forgotten have lost most of their probability, and says what that cost: by RMU (Li et al. 2024), by the difference of gradients, or by gradient ascent. Rows have the columns question and answer, or prompt and completion. Unless it is the method, gradient ascent is done as well, on a copy, for comparison.",
  options: {
    ...flags("model", "device", "threads", "seed", "out"),
    forget: file("answers to forget: .jsonl, .json, .csv, .parquet"),
    retain: file("answers to keep"),
    utility: file("answers to be able to as before: measured, not trained on"),
    method: z.enum(UNLEARNING_METHODS).default("rmu").describe("how"),
    maxSteps: z.int().min(1).default(300).describe("steps at most").meta({ placeholder: "count" }),
    until: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe("ends where the answers have come down to this share of their probability")
      .meta({ placeholder: "share" }),
    learningRate: z
      .number()
      .positive()
      .optional()
      .describe("by default 3e-3 for rmu, 1e-4 for the others")
      .meta({ placeholder: "number" }),
    retainWeight: z
      .number()
      .min(0)
      .optional()
      .describe("what keeping counts for beside forgetting; by default 100 for rmu, 10 else")
      .meta({ placeholder: "number" }),
    batchSize: z
      .int()
      .min(1)
      .default(8)
      .describe("answers of each kind in a step")
      .meta({ placeholder: "count" }),
    misdirectedLayer: z
      .int()
      .min(0)
      .optional()
      .describe("rmu: the block whose stream is sent away; the middle one by default")
      .meta({ placeholder: "block" }),
    coefficient: z
      .number()
      .positive()
      .default(5)
      .describe("rmu: how far it is sent, in lengths of the stream")
      .meta({ placeholder: "number" }),
    baseline: z.boolean().default(true).describe("gradient ascent on a copy, for comparison"),
  },
  examples: [
    {
      command: "philab safety unlearn --forget forget.jsonl --retain retain.jsonl --out ./forgot",
      does: "a model that has forgotten, and what it cost",
    },
  ],
  async run(context) {
    const { options, settings, output, cwd } = context;
    const { forget, retain, method } = options;
    if (forget === undefined || retain === undefined)
      throw new LabError("bad_input", "what to forget and what to keep must both be named", {
        hint: "Give --forget FILE --retain FILE; rows have the columns question and answer.",
      });
    const reference = await resolveModelReference(settings.model, {
      folders: context.folders,
      cwd,
      adapter: undefined,
    });
    const checkpoint = await openCheckpoint(reference.path);
    const tokenizer = await openTokenizer(checkpoint);
    if (tokenizer === undefined)
      throw new LabError("unsupported", `${reference.path} has no tokenizer to read texts with`);
    const { threads, device } = settings;
    using backend = new Backend({ device, threads });
    using trainee = await TrainableModel.load(reference.path, backend);
    using frozen = await TrainableModel.load(reference.path, backend);
    const { contextLength } = trainee.config;
    const read = (name: string) => readItems(path.resolve(cwd, name), { tokenizer, contextLength });
    const sets = {
      forget: await read(forget),
      retain: await read(retain),
      ...(options.utility === undefined ? {} : { utility: await read(options.utility) }),
    };
    const by = async (how: UnlearningMethod, model: TrainableModel): Promise<Unlearned> => {
      using progress = output.progress({ label: how, total: options.maxSteps, unit: "steps" });
      const found = await unlearn({ trainee: model, frozen }, sets, {
        method: how,
        maxSteps: options.maxSteps,
        until: options.until,
        batchSize: options.batchSize,
        learningRate: options.learningRate ?? LEARNING_RATES[how],
        retainWeight: options.retainWeight ?? RETAIN_WEIGHTS[how],
        layer: options.misdirectedLayer,
        coefficient: options.coefficient,
        seed: settings.seed,
        signal: context.signal,
        onStep: (step) => progress.update(step),
      });
      progress.finish();
      return found;
    };
    const results = [await by(method, trainee)];
    if (options.baseline && method !== "gradient-ascent") {
      using copy = await TrainableModel.load(reference.path, backend);
      results.push(await by("gradient-ascent", copy));
    }
    const out = await write(context, trainee, await companionFiles(checkpoint, trainee.config));
    output.result(
      {
        ...out,
        model: reference.name,
        seed: settings.seed,
        results: results.map((own) => ({
          ...own,
          before: { ...own.before },
          after: { ...own.after },
        })),
      },
      () => [table(results), ...(out.path === undefined ? [] : [`model: ${out.path}`])].join("\n"),
    );
  },
});

async function write(
  {
    cwd,
    options: { out },
  }: Pick<CommandContext, "cwd"> & { options: { out?: string | undefined } },
  trainee: TrainableModel,
  files: Readonly<Record<string, string>>,
): Promise<{ path?: string }> {
  if (out === undefined) return {};
  const target = path.resolve(cwd, out);
  await writeDirectoryAtomic(target, async (folder) => {
    await trainee.write(folder);
    for (const [name, text] of Object.entries(files))
      await writeTextAtomic(path.join(folder, name), text);
  });
  return { path: target };
}

function table(results: readonly Unlearned[]): string {
  const [first] = results;
  const cells = (name: string, steps: string, measure: Unlearned["after"]): string[] => [
    name,
    steps,
    ...[measure.forget, measure.retain, measure.utility].map((value) => formatNumber(value, 4)),
  ];
  return formatTable(
    [
      { title: "" },
      { title: "steps", align: "right" },
      { title: "to forget", align: "right" },
      { title: "to keep", align: "right" },
      { title: "utility", align: "right" },
    ],
    [
      ...(first === undefined ? [] : [cells("before", "", first.before)]),
      ...results.map(({ method, steps, after }) => cells(method, String(steps), after)),
    ],
  );
}

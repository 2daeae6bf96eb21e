/** What the commands that train have in common: options from flags and YAML, the plan, the live view, the result. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { formatCount, formatDuration, formatFacts, formatNumber } from "../base/format.ts";
import { shapeOf } from "../base/schema.ts";
import { visibleText } from "../base/terminal.ts";
import { expandHome } from "../base/settings.ts";
import type { Job } from "../jobs/job.ts";
import { planFacts } from "../train/plan.ts";
import { TrainingView } from "../train/progress.ts";
import { startTraining, type RunObserver, type Trained } from "../train/run.ts";
import type { CommandContext, Schemas } from "./command.ts";

/**
 * The options of a command that trains: its recipe's, the shared `settings`, and where a YAML file may give them.
 *
 * @param example - a line of such a file
 */
export function trainingOptions(recipe: Schemas, settings: Schemas, example: string): Schemas {
  const text = z.string().min(1).optional();
  return {
    config: text
      .describe(`a YAML file with these options: ${example}`)
      .meta({ placeholder: "file" }),
    ...recipeFlags(recipe),
    ...settings,
    runName: text.describe("part of the run's folder's name"),
  };
}

/** What was chosen, flags over the YAML file (`recipe`), and the name of the run. */
export async function chosenOptions(
  { config, runName, ...given }: Options,
  schemas: Schemas,
  cwd: string,
): Promise<{ recipe: Options; chosen: Options; runName: unknown }> {
  const recipe =
    config === undefined ? {} : await readRecipe(absolutePath(config, cwd) ?? "", schemas);
  return { recipe, chosen: { ...recipe, ...given }, runName };
}

/**
 * A recipe's options as flags: each may be left out and none has a value of its own, since a YAML file may give one. The
 * help still shows the defaults, which the job's own schema puts in.
 */
function recipeFlags(schemas: Schemas): Schemas {
  const entries = Object.entries(schemas).map(([name, schema]) => {
    const { description, placeholder, verbatim, default: initial } = shapeOf(schema);
    const bare = schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema;
    const known = { description, placeholder, verbatim, default: initial };
    const told = Object.entries(known).filter(([, value]) => value !== undefined);
    return [name, bare.optional().meta(Object.fromEntries(told))] as const;
  });
  return Object.fromEntries(entries);
}

/** Names that other programs have for the same things. */
const ALIASES: Readonly<Record<string, string>> = {
  batchSize: "perDeviceTrainBatchSize",
  microBatchSize: "perDeviceTrainBatchSize",
  gradAccumulationSteps: "gradientAccumulationSteps",
  epochs: "numTrainEpochs",
  numEpochs: "numTrainEpochs",
  maxIters: "maxSteps",
  iters: "maxSteps",
  numIterations: "maxSteps",
  lr: "learningRate",
  lrScheduler: "lrSchedulerType",
  gradClip: "maxGradNorm",
  optimizer: "optim",
  cutoffLen: "maxSeqLength",
  sequenceLen: "maxSeqLength",
  maxLength: "maxSeqLength",
  blockSize: "maxSeqLength",
  dataset: "data",
  outputDir: "out",
  tokenizerName: "tokenizer",
};

/**
 * A YAML file's options by camelCase name; a single value where a list is wanted becomes one.
 *
 * @throws LabError `not_found`, `bad_input` for what is no YAML mapping
 */
async function readRecipe(file: string, schemas: Schemas): Promise<Options> {
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
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new LabError("bad_input", `${file} holds no options`, {
      hint: "Each line is an option, such as learning_rate: 1e-3.",
    });
  const entries = Object.entries(parsed).map(([key, value]): [string, unknown] => {
    const camel = key.replace(/[-_]+(\w)/g, (_, letter: string) => letter.toUpperCase());
    const name = camel in schemas ? camel : (ALIASES[camel] ?? camel);
    const schema = schemas[name];
    const isList = schema !== undefined && shapeOf(schema).type === "array";
    return [name, isList && !Array.isArray(value) ? [value] : value];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** `value` as an absolute path, `undefined` as it is. */
export function absolutePath(value: unknown, cwd: string): string | undefined {
  return typeof value === "string" ? path.resolve(cwd, expandHome(value)) : undefined;
}

/** The same of each path in a list. */
export function absolutePaths(values: unknown, cwd: string): unknown {
  return Array.isArray(values)
    ? values.map((file: unknown) => absolutePath(file, cwd) ?? file)
    : values;
}

/** Options by name, not yet checked: a job's schema does that. */
export type Options = Record<string, unknown>;

/** A flag wins over the file, the file over variables and defaults. */
export function settingsOf(
  recipe: Options,
  { settings, sources }: Pick<CommandContext, "settings" | "sources">,
): Options {
  const pick = (name: "seed" | "device" | "threads"): unknown =>
    sources[name].from === "flag" ? settings[name] : (recipe[name] ?? settings[name]);
  const threads = sources.threads.from === "default" ? recipe["threads"] : pick("threads");
  return { seed: pick("seed"), device: pick("device"), ...defined({ threads }) };
}

export function defined(values: Options): Options {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

type Context = Pick<CommandContext, "output" | "signal">;

/**
 * Runs a job of training to its end: plan, live view, result.
 *
 * @param open - makes the job, which tells the observer what it does
 */
export async function followTraining(
  { output, signal }: Context,
  open: (observer: RunObserver) => Promise<Job<Trained>>,
): Promise<void> {
  const reading = output.progress({ label: "read", unit: "B" });
  let view: TrainingView | undefined;
  const job = await open({
    onReading: ({ bytes, totalBytes }) => {
      reading.update(bytes, { total: totalBytes });
    },
    onStart: ({ facts, warnings, steps, done, plan }) => {
      reading.finish();
      for (const warning of warnings) output.warn(warning);
      output.note(formatFacts([...facts, ...(plan === undefined ? [] : planFacts(plan))]));
      const label = `${job.record.kind} ${job.record.name}`;
      const options = { label, totalSteps: steps, stepsDone: done };
      view = output.show((target) => new TrainingView(options, target));
    },
    onMetrics: (metrics) => view?.update(metrics),
    onNote: (note) => {
      output.warn(note);
    },
  });
  const { id } = job.record;
  output.note(`run ${id}`);
  try {
    const result = await startTraining(job, { signal });
    view?.finish();
    output.result({ run: id, folder: job.folder, ...result }, () => resultText(job, result));
  } catch (error) {
    reading[Symbol.dispose]();
    view?.[Symbol.dispose]();
    if (LabError.from(error).code === "interrupted")
      output.note(`What was done is saved. philab runs resume ${id} goes on.`);
    throw error;
  }
}

function resultText({ folder }: Job<Trained>, result: Trained): string {
  const { path: trained, steps, tokens, elapsedMs, evalLoss } = result;
  return formatFacts([
    ["trained", visibleText(trained)],
    ["steps", `${formatCount(steps)}, ${formatCount(tokens)} tokens, ${formatDuration(elapsedMs)}`],
    ...(evalLoss === undefined ? [] : [["eval loss", formatNumber(evalLoss)] as const]),
    ["report", visibleText(path.join(folder, "report.html"))],
  ]);
}

/** A finished evaluation, read back from its folder. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";

const number = z.union([z.number(), z.literal("N/A"), z.string()]);
const resultsSchema = z.looseObject({
  results: z.record(z.string(), z.record(z.string(), number)),
  versions: z.record(z.string(), z.number()),
  task_hashes: z.record(z.string(), z.string()),
  "n-shot": z.record(z.string(), z.number()),
  "n-samples": z.record(z.string(), z.object({ original: z.int(), effective: z.int() })),
  intervals: z
    .record(z.string(), z.record(z.string(), z.tuple([z.number(), z.number()])))
    .default({}),
  config: z.looseObject({ model_args: z.string().default("") }),
});

const sampleSchema = z.looseObject({
  doc_id: z.int(),
  target: z.string(),
  filter: z.string(),
  metrics: z.array(z.string()),
  arguments: z.record(z.string(), z.looseObject({ arg_0: z.string() })),
  resps: z.array(z.array(z.unknown())),
  filtered_resps: z.array(z.unknown()),
});
export type Sample = z.output<typeof sampleSchema>;

export interface Finished {
  folder: string;
  /** What was evaluated. */
  name: string;
  results: z.output<typeof resultsSchema>;
}

/** Throws `not_found` where no run is finished there, `corrupt_file`. */
export async function readFinished(folder: string): Promise<Finished> {
  const file = path.join(folder, "results.json");
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new LabError("not_found", `${folder} holds no finished evaluation`, {
      hint: "Give a run's id or a folder with results.json; --resume finishes a run.",
      cause: error,
    });
  });
  const results = resultsSchema.safeParse(parse(text, file));
  if (!results.success)
    throw new LabError("corrupt_file", `${file}: ${results.error.issues[0]?.message ?? ""}`);
  return {
    folder,
    name: results.data.config.model_args || path.basename(folder),
    results: results.data,
  };
}

/** The items of a task, in order; those of its first filter. */
export async function readSamples({ folder }: Finished, task: string): Promise<Sample[]> {
  const file = path.join(folder, `samples_${task}.jsonl`);
  const text = await readFile(file, "utf8").catch(() => "");
  const samples = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => sampleSchema.parse(parse(line, file)));
  return samples.filter(({ filter }) => filter === samples[0]?.filter);
}

/** The metric that stands for a task: the first that is a share. */
export function headline(task: Readonly<Record<string, number | string>>): string | undefined {
  return Object.keys(task).find((key) => key.includes(",") && !key.includes("_stderr,"));
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new LabError("corrupt_file", `${file}: ${(error as Error).message}`);
  }
}

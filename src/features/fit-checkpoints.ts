/** Where a dictionary's training stands, on disk: `checkpoint-N` folders that appear whole, of which the newest counts. */
import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { restoreTensors, writeTensors } from "../train/tensor-file.ts";
import type { DictionaryFit } from "./dictionary-fit.ts";

const stateSchema = z.strictObject({
  step: z.int().min(0),
  /** Of the texts. */
  data: z.string(),
  scales: z.strictObject({ input: z.number().positive(), output: z.number().positive() }),
  mean_least: z.number().min(0),
  since_fired: z.array(z.int().min(0)),
});

/** What activations are multiplied by. */
export type Scales = z.output<typeof stateSchema>["scales"];

const NAME = /^checkpoint-(\d+)$/;

export async function saveFit(
  folder: string,
  fit: DictionaryFit,
  { step, scales, data }: { step: number; scales: Scales; data: string },
): Promise<void> {
  const state = {
    step,
    data,
    scales,
    mean_least: fit.meanLeast,
    since_fired: [...fit.sinceFired],
  } satisfies z.output<typeof stateSchema>;
  const name = `checkpoint-${step}`;
  await writeDirectoryAtomic(
    path.join(folder, name),
    async (temporary) => {
      await writeTensors(path.join(temporary, "dictionary.safetensors"), fit.parameters);
      await writeTensors(path.join(temporary, "optimizer.safetensors"), fit.optimizer.state);
      await writeTextAtomic(path.join(temporary, "state.json"), toJson(state));
    },
    { replace: true },
  );
  for (const other of await readdir(folder))
    if (other !== name && (NAME.test(other) || /^\.checkpoint-.*\.part$/.test(other)))
      await rm(path.join(folder, other), { recursive: true, force: true });
}

/**
 * Puts a fit where the newest checkpoint stands; undefined where there is none.
 *
 * @throws LabError `bad_input` where the texts are no longer those of then
 */
export async function restoreFit(
  folder: string,
  fit: DictionaryFit,
  { data }: { data: string },
): Promise<{ step: number; scales: Scales } | undefined> {
  const steps = (await readdir(folder)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  if (steps.length === 0) return undefined;
  const at = path.join(folder, `checkpoint-${Math.max(...steps)}`);
  const file = path.join(at, "state.json");
  const parsed = stateSchema.safeParse(JSON.parse(await readFile(file, "utf8")));
  if (!parsed.success || parsed.data.since_fired.length !== fit.sinceFired.length)
    throw new LabError("corrupt_file", `${file} is no state of this run`);
  if (parsed.data.data !== data)
    throw new LabError("bad_input", "the texts are not what they were", {
      hint: "A run is resumed with the same files and tokenizer; otherwise begin a new one.",
    });
  const { step, scales, mean_least: meanLeast, since_fired: sinceFired } = parsed.data;
  await restoreTensors(path.join(at, "dictionary.safetensors"), fit.parameters);
  await restoreTensors(path.join(at, "optimizer.safetensors"), fit.optimizer.state);
  fit.optimizer.steps = step;
  fit.meanLeast = meanLeast;
  fit.sinceFired = Uint32Array.from(sinceFired);
  return { step, scales };
}

/**
 * Checkpoints of a run, as users of Hugging Face's Trainer know them: `checkpoint-500/` with what was trained, the
 * optimiser's state and `trainer_state.json`. Each appears whole or not at all, and old ones go only when a new one is
 * there, so that a run has one to go on from at any moment.
 */
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeDirectoryAtomic, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { toJson } from "../base/json.ts";
import { checkObject } from "../base/schema.ts";
import type { Optimizer } from "../tensor/optimizers.ts";
import type { Trainee } from "./objective.ts";
import { restoreTensors, writeTensors } from "./tensor-file.ts";

const STATE_FILE = "trainer_state.json";
const OPTIMIZER_FILE = "optimizer.safetensors";
const NAME = /^checkpoint-(\d+)$/;
/** What a process that was killed left of one, half-written or half-removed. */
const LEFTOVER = /^\.checkpoint-\d+\..*\.part$/;

/** Where a run stands: the Trainer's names for what it has too, and what an exact resume needs besides. */
const stateSchema = z.looseObject({
  global_step: z.int().min(0),
  max_steps: z.int().min(0),
  epoch: z.number().min(0),
  num_input_tokens_seen: z.int().min(0),
  /** The least evaluation loss at a checkpoint, and that checkpoint's name. */
  best_metric: z.number().nullable(),
  best_model_checkpoint: z.string().regex(NAME).nullable(),
  /** Of work, over all attempts. */
  elapsed_ms: z.number().min(0),
  data_position: z.object({
    fingerprint: z.string(),
    epoch: z.int().min(0),
    batch: z.int().min(0),
  }),
  /** Losses and gradient norms of the last steps, which the next are compared with. */
  recent: z.object({ losses: z.array(z.number()), gradNorms: z.array(z.number()) }),
  first_losses: z.array(z.number()),
});
export type TrainerState = z.output<typeof stateSchema>;

export interface CheckpointOptions {
  folder: string;
  trainee: Trainee;
  optimizer: Optimizer;
  /** Texts that are written beside the weights: the tokenizer's files. */
  files: Readonly<Record<string, string>>;
  /** How many to keep, the newest; the best is kept besides. */
  limit: number;
}

export class Checkpoints {
  readonly #options: CheckpointOptions;

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  path(name: string): string {
    return join(this.#options.folder, name);
  }

  /** Writes a checkpoint, then removes those beyond the limit. Returns its name. */
  async save(state: TrainerState): Promise<string> {
    const { trainee, optimizer, limit } = this.#options;
    const name = `checkpoint-${state.global_step}`;
    const sizeBytes = checkpointBytes(trainee, optimizer);
    await writeDirectoryAtomic(
      this.path(name),
      async (folder) => {
        await this.writeModel(folder);
        await writeTensors(join(folder, OPTIMIZER_FILE), optimizer.state);
        await writeTextAtomic(join(folder, STATE_FILE), `${toJson(state, 2)}\n`);
      },
      { replace: true, sizeBytes },
    );
    const steps = await this.#steps();
    const surplus = steps.slice(0, Math.max(0, steps.length - limit));
    for (const step of surplus)
      if (`checkpoint-${step}` !== state.best_model_checkpoint)
        await this.#remove(`checkpoint-${step}`);
    return name;
  }

  /** Writes what was trained into a folder, with the files that belong to it. */
  async writeModel(folder: string): Promise<void> {
    const { trainee, files } = this.#options;
    await trainee.write(folder);
    for (const [name, text] of Object.entries(files))
      await writeTextAtomic(join(folder, name), text);
  }

  /**
   * Puts model and optimiser where the newest checkpoint has them; undefined, and nothing is changed, where there is none.
   * Removes what a killed process left half-done.
   */
  async restoreLast(): Promise<TrainerState | undefined> {
    const { folder, trainee, optimizer } = this.#options;
    for (const left of (await readdir(folder)).filter((name) => LEFTOVER.test(name)))
      await rm(join(folder, left), { recursive: true, force: true });
    const last = (await this.#steps()).at(-1);
    if (last === undefined) return undefined;
    const at = this.path(`checkpoint-${last}`);
    const state = await readState(join(at, STATE_FILE));
    await trainee.restore(at);
    await restoreTensors(join(at, OPTIMIZER_FILE), optimizer.state);
    optimizer.steps = state.global_step;
    return state;
  }

  /** Steps with a checkpoint, ascending. */
  async #steps(): Promise<number[]> {
    const names = await readdir(this.#options.folder);
    return names
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Under another name first: half a checkpoint must not look like one. */
  async #remove(name: string): Promise<void> {
    const aside = this.path(`.${name}.old.part`);
    await rm(aside, { recursive: true, force: true });
    await rename(this.path(name), aside);
    await rm(aside, { recursive: true, force: true });
  }
}

/** Bytes that a checkpoint takes: parameters and the optimiser's state. */
export function checkpointBytes(
  { parameters }: Pick<Trainee, "parameters">,
  { state }: Pick<Optimizer, "state">,
): number {
  return [...parameters.values(), ...state.values()].reduce((sum, t) => sum + t.sizeBytes, 0);
}

async function readState(file: string): Promise<TrainerState> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new LabError("corrupt_file", `${file} is not JSON`, { cause: error });
  }
  return checkObject(stateSchema, json, { what: file, code: "corrupt_file" });
}

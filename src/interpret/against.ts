/**
 * What a model gives beside what another program wrote down: files of `reference/dump.py` (transformers), whose tensors have
 * the names of hooks and whose metadata holds the prompts' ids.
 */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import { openCheckpoint, readTensor, type SafetensorsCheckpoint } from "../checkpoint/index.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { HookName } from "../model/hooks/names.ts";

/** How far the values of one hook, in one layer, lie from those of the file. */
export interface HookDifference {
  /** As in the file: `blocks.3.attn.hook_z`. */
  name: string;
  /** The greatest of all values. */
  difference: number;
  /** The greatest magnitude in the file: what a difference is measured by. Infinite values must be equal. */
  magnitude: number;
}

/** One file's findings. */
export interface DumpComparison {
  file: string;
  prompts: number;
  /** Of each prompt. */
  tokens: number;
  hooks: HookDifference[];
  /** Positions whose likeliest next token is the same, of all; undefined where the file has no logits. */
  agreement: { same: number; of: number } | undefined;
  /** Tensors of the file that are no inner values of a forward pass: gradients of parameters. */
  leftOut: string[];
}

/** Values that are captured in one run, in bytes: a dump of a large model is compared in several. */
const RUN_BYTES = 2 ** 29;

const LOGITS = ["logits", "hook_logits"];

/** The dumps that a path means: itself, or the files of a directory that have prompts in their metadata. */
export async function findDumps(target: string): Promise<string[]> {
  const found = await stat(target).catch(() => undefined);
  if (found?.isDirectory() === false) return [target];
  const names = found === undefined ? [] : await readdir(target);
  const files = names.filter((name) => name.endsWith(".safetensors")).sort();
  const dumps: string[] = [];
  for (const name of files) {
    const file = path.join(target, name);
    if ((await openDump(file))?.metadata.has("input_ids") === true) dumps.push(file);
  }
  if (dumps.length > 0) return dumps;
  throw new LabError(
    "not_found",
    `${target} has no .safetensors file that reference/dump.py wrote`,
    {
      hint: "python reference/dump.py MODEL --text PROMPT --out DIR/prompt.safetensors writes one.",
    },
  );
}

/**
 * Reads the prompts of a dump and compares every value that it holds.
 *
 * @throws LabError `corrupt_file` for a file without prompts; `bad_input` for one of another model
 */
export async function compareWithDump(
  model: LanguageModel,
  file: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number, of: number) => void },
): Promise<DumpComparison> {
  const dump = await openDump(file);
  const prompts = promptsOf(dump, file);
  const all = [...(dump?.tensors.values() ?? [])];
  const isHook = (name: string): boolean => !name.startsWith("grad.");
  const entries = all.filter(({ name }) => isHook(name));
  const hooks: HookDifference[] = [];
  let agreement: DumpComparison["agreement"];
  for (const group of inRuns(entries)) {
    const capture = group.map(({ name }) => name as HookName);
    const run = await model.run(prompts, { capture, ...(signal === undefined ? {} : { signal }) });
    for (const entry of group) {
      const { name, shape, dtype } = entry;
      const { values: found, shape: ours } = run.get(name);
      if (shape.join() !== ours.join())
        throw new LabError(
          "bad_input",
          `${file}: ${name} is [${shape.join(", ")}]; this model has [${ours.join(", ")}]`,
          { hint: "The file was written for another model or other prompts." },
        );
      const expected = dequantizeRows(dtype, await readTensor(entry), found.length);
      hooks.push({ name, ...differenceOf(found, expected) });
      if (LOGITS.includes(name)) agreement = likeliest(found, expected, model.config.vocabSize);
    }
    onProgress?.(hooks.length, entries.length);
  }
  return {
    file,
    prompts: prompts.length,
    tokens: prompts[0]?.length ?? 0,
    hooks,
    agreement,
    leftOut: all.map(({ name }) => name).filter((name) => !isHook(name)),
  };
}

async function openDump(file: string): Promise<SafetensorsCheckpoint | undefined> {
  const opened = await openCheckpoint(file);
  return opened.format === "safetensors" ? opened : undefined;
}

const written = z.object({ input_ids: z.array(z.array(z.int().min(0)).min(1)).min(1) });

function promptsOf(dump: SafetensorsCheckpoint | undefined, file: string): number[][] {
  const text = dump?.metadata.get("input_ids");
  if (text === undefined)
    throw new LabError("corrupt_file", `${file} has no input_ids in its metadata`, {
      hint: "reference/dump.py writes them: make the file with it.",
    });
  let ids: unknown;
  try {
    ids = JSON.parse(text);
  } catch {
    ids = undefined;
  }
  const about = { what: `${file}: the metadata`, code: "corrupt_file" } as const;
  return checkObject(written, { input_ids: ids }, about).input_ids;
}

function* inRuns<T extends { sizeBytes: number }>(entries: readonly T[]): Generator<T[]> {
  let group: T[] = [];
  let sizeBytes = 0;
  for (const entry of entries) {
    if (group.length > 0 && sizeBytes + entry.sizeBytes > RUN_BYTES) {
      yield group;
      [group, sizeBytes] = [[], 0];
    }
    group.push(entry);
    sizeBytes += entry.sizeBytes;
  }
  if (group.length > 0) yield group;
}

/** A value that is no number on one side only differs by infinity. */
function differenceOf(
  found: Float32Array,
  expected: Float32Array,
): Pick<HookDifference, "difference" | "magnitude"> {
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [found[i] as number, expected[i] as number];
    if (Number.isFinite(b)) magnitude = Math.max(magnitude, Math.abs(b));
    if (Object.is(a, b) || a === b) continue;
    const apart = Math.abs(a - b);
    difference = Math.max(difference, Number.isNaN(apart) ? Infinity : apart);
  }
  return { difference, magnitude };
}

function likeliest(
  found: Float32Array,
  expected: Float32Array,
  width: number,
): { same: number; of: number } {
  const of = expected.length / width;
  const first = (values: Float32Array, row: number): number => {
    let best = row * width;
    for (let i = best; i < (row + 1) * width; i++)
      if ((values[i] as number) > (values[best] as number)) best = i;
    return best;
  };
  let same = 0;
  for (let row = 0; row < of; row++) if (first(found, row) === first(expected, row)) same++;
  return { same, of };
}

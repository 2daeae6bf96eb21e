/**
 * A corpus on disk: a folder with `manifest.json`, which names every part with its hash and says how it came about, and
 * beside it the parts (`parts/00000.jsonl`), what stages took out (`rejected/`) and rows that were no documents
 * (`quarantine/`). Nothing in it depends on the clock, the machine or the number of processes: equal inputs and options
 * give equal bytes.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { sha256, sha256File } from "../base/hash.ts";
import { toJson } from "../base/json.ts";
import { checkObject } from "../base/schema.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

export const partSchema = z.strictObject({
  /** Below the corpus' folder, with forward slashes. */
  name: z.string().min(1),
  sha256: hash,
  sizeBytes: count,
  documents: count,
  /** UTF-8 bytes of the texts alone. */
  textBytes: count,
});
export type Part = z.output<typeof partSchema>;

/** What one stage did to the documents that came to it. */
export const stageCountsSchema = z.strictObject({
  documents: count,
  kept: count,
  /** How many documents each rule took out; together with `kept` they are all. */
  rejected: z.record(z.string(), count),
  /** What a stage did to documents that it kept, such as addresses replaced. */
  changes: z.record(z.string(), count),
});
export type StageCounts = z.output<typeof stageCountsSchema>;

const stageSchema = stageCountsSchema.extend({
  stage: z.string(),
  options: z.record(z.string(), z.json()),
});
export type StageRecord = z.output<typeof stageSchema>;

export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().min(1),
  /** Names the work that made it: files, stages, shards and version of philab. */
  plan: hash,
  /** What was read: files with their hashes, or the corpora that this one was made from. */
  inputs: z.array(z.strictObject({ name: z.string(), sha256: hash, sizeBytes: count })),
  /** Rows of the inputs that were no documents; they lie in `quarantine/` with their line numbers. */
  quarantined: count,
  /** Every stage since the files were read, in order. */
  history: z.array(stageSchema),
  parts: z.array(partSchema),
  /** Documents that a stage of this corpus took out. */
  rejectedParts: z.array(partSchema),
  /** Of the kept documents: by source, how many, how much text, under which licences. */
  sources: z.record(
    z.string(),
    z.strictObject({ documents: count, textBytes: count, licences: z.record(z.string(), count) }),
  ),
});
export type Manifest = z.output<typeof manifestSchema>;
export type SourceCounts = Manifest["sources"];

export const MANIFEST = "manifest.json";

/** A corpus that is there. Throws `not_found`, `corrupt_file`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = path.join(folder, MANIFEST);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    const { code, message } = LabError.from(error);
    if (code !== "not_found") throw new LabError(code, message);
    throw new LabError("not_found", `${folder} is no corpus: it has no ${MANIFEST}`, {
      hint: "philab data ingest makes one from files.",
    });
  });
  try {
    return checkObject(manifestSchema, JSON.parse(text), { what: file });
  } catch (error) {
    throw new LabError("corrupt_file", `${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** The bytes of a manifest depend on nothing but what it says. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeTextAtomic(path.join(folder, MANIFEST), manifestText(manifest));
}

/** Names a corpus: of equal ones every document, every count and the whole history is equal. */
export function corpusHash(manifest: Manifest): string {
  return sha256(manifestText(manifest));
}

/** Whether all parts are there and are what the manifest says. Throws `not_found`, `corrupt_file`. */
export async function verifyParts(folder: string, parts: readonly Part[]): Promise<void> {
  for (const { name, sha256: expected } of parts) {
    const found = await sha256File(path.join(folder, name));
    if (found !== expected)
      throw new LabError("corrupt_file", `${path.join(folder, name)} is not what was written`, {
        hint: `Its SHA-256 is ${found}, not ${expected}. Make the corpus anew.`,
      });
  }
}

function manifestText(manifest: Manifest): string {
  return `${toJson(manifest, 2)}\n`;
}

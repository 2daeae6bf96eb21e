/** Made-up material as a corpus: its parts are made one after the other, and a later process goes on with the first that is missing. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { throwIfInterrupted, writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { toJson, type JsonObject } from "../../base/json.ts";
import { packageVersion } from "../../base/package.ts";
import type { Document } from "../document.ts";
import {
  manifestSchema,
  partSchema,
  readManifest,
  writeManifest,
  type Manifest,
} from "../manifest.ts";
import { writePart } from "../part-writer.ts";

/** Makes the documents of each part. */
export interface PartMaker {
  /** Everything that decides what is made. */
  readonly options: JsonObject;
  readonly parts: number;
  /** The documents of a part; `refuse` counts one that was made and is not given, by reason. */
  make(part: number, refuse: (reason: string) => void): AsyncIterable<Document>;
}

export interface WriteSynthOptions {
  /** The corpus' folder. */
  out: string;
  name: string;
  maker: PartMaker;
  signal: AbortSignal;
  /** Called with parts that are done, of all. */
  onProgress?: (done: number, total: number) => void;
}

const recordSchema = z.strictObject({
  plan: z.string(),
  part: partSchema,
  sources: manifestSchema.shape.sources,
  refused: z.record(z.string(), z.int()),
});
type PartRecord = z.output<typeof recordSchema>;

/**
 * Writes a corpus, or what is missing of it.
 *
 * @throws LabError `bad_input` where the folder holds something else, `disk_full`, `interrupted`, and what the maker throws
 */
export async function writeSynthCorpus(options: WriteSynthOptions): Promise<Manifest> {
  const { out, name, maker, signal, onProgress } = options;
  const plan = sha256(toJson({ philab: packageVersion(), ...maker.options }));
  const present = await readManifest(out).catch(() => undefined);
  if (present?.plan === plan) return present;
  const work = path.join(out, ".synth");
  await mkdir(out, { recursive: true });
  const others = (await readdir(out)).filter((entry) => !["parts", ".synth"].includes(entry));
  if (others.length > 0)
    throw new LabError("bad_input", `${out} holds something else already`, {
      hint: "Choose another folder, or remove it first.",
    });
  await mkdir(path.join(out, "parts"), { recursive: true });
  await mkdir(work, { recursive: true });
  const records: PartRecord[] = [];
  for (let part = 0; part < maker.parts; part++) {
    throwIfInterrupted(signal);
    const file = path.join(work, `${partName(part)}.json`);
    const known = await readRecord(file);
    if (known !== undefined && known.plan !== plan)
      throw new LabError("bad_input", `${out} holds parts that were made with other options`, {
        hint: "Choose another folder, or remove it first.",
      });
    const record = known ?? { plan, ...(await makePart(part, options)) };
    if (known === undefined) await writeTextAtomic(file, `${toJson(record)}\n`);
    records.push(record);
    onProgress?.(part + 1, maker.parts);
  }
  const manifest = manifestOf(records, { name, plan, options: maker.options });
  await writeManifest(out, manifest);
  await rm(work, { recursive: true, force: true });
  return manifest;
}

async function makePart(
  part: number,
  { out, maker, signal }: WriteSynthOptions,
): Promise<Omit<PartRecord, "plan">> {
  const refused: Record<string, number> = {};
  const sources: PartRecord["sources"] = {};
  const name = `parts/${partName(part)}.jsonl`;
  const written = await writePart({ file: path.join(out, name), name, signal }, async (writer) => {
    const refuse = (reason: string): void => {
      refused[reason] = (refused[reason] ?? 0) + 1;
    };
    for await (const document of maker.make(part, refuse)) {
      throwIfInterrupted(signal);
      await writer.add(document);
      const { source, licence, text } = document;
      const counts = (sources[source] ??= { documents: 0, textBytes: 0, licences: {} });
      counts.documents++;
      counts.textBytes += Buffer.byteLength(text);
      const said = licence ?? "unknown";
      counts.licences[said] = (counts.licences[said] ?? 0) + 1;
    }
  });
  return { part: written, sources, refused };
}

async function readRecord(file: string): Promise<PartRecord | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : recordSchema.parse(JSON.parse(text));
}

function manifestOf(
  records: readonly PartRecord[],
  { name, plan, options }: { name: string; plan: string; options: JsonObject },
): Manifest {
  const kept = records.reduce((sum, { part }) => sum + part.documents, 0);
  const rejected: Record<string, number> = {};
  const sources: Manifest["sources"] = {};
  for (const record of records) {
    for (const [reason, count] of Object.entries(record.refused))
      rejected[reason] = (rejected[reason] ?? 0) + count;
    for (const [source, { documents, textBytes, licences }] of Object.entries(record.sources)) {
      const sum = (sources[source] ??= { documents: 0, textBytes: 0, licences: {} });
      sum.documents += documents;
      sum.textBytes += textBytes;
      for (const [licence, count] of Object.entries(licences))
        sum.licences[licence] = (sum.licences[licence] ?? 0) + count;
    }
  }
  const refusals = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  return manifestSchema.parse({
    ...{ schema: 1, name, plan, inputs: [], quarantined: 0 },
    history: [{ stage: "synth", options, documents: kept + refusals, kept, rejected, changes: {} }],
    parts: records.map(({ part }) => part),
    rejectedParts: [],
    sources,
  });
}

function partName(part: number): string {
  return String(part).padStart(5, "0");
}

/** One phase of a pipeline for one shard: documents in, documents out, and a record that says what happened. */
import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { throwIfInterrupted, writeFileAtomic, writeTextAtomic } from "../base/atomic.ts";
import { toJson } from "../base/json.ts";
import { readDocuments } from "./corpus.ts";
import type { Document } from "./document.ts";
import { manifestSchema, partSchema, stageCountsSchema, type SourceCounts } from "./manifest.ts";
import { writePart, type PartWriter } from "./part-writer.ts";
import type { Plan } from "./plan.ts";
import { readSources, type SourceRow } from "./read-sources.ts";
import type { Stage, Transform } from "./stage.ts";
import { idsFile, phaseFiles, surveyFile, type ShardPlace } from "./work-folder.ts";

/** Documents that a stage is given at a time. */
const BATCH = 256;

export const shardRecordSchema = z.strictObject({
  /** The plan's hash: records of another plan are no part of this work. */
  plan: z.string(),
  phase: z.int(),
  shard: z.int(),
  /** Documents that came in, and rows that were none. */
  documents: z.int(),
  quarantined: z.int(),
  stages: z.array(stageCountsSchema),
  sources: manifestSchema.shape.sources,
  kept: partSchema,
  rejected: partSchema,
  quarantine: partSchema,
});
export type ShardRecord = z.output<typeof shardRecordSchema>;

export interface ShardOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes read so far. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Does a shard's part of a phase and writes its record last: a record means that everything it names is whole.
 *
 * @param transforms - of the phase's stages, made ready
 * @throws LabError `disk_full`, `interrupted`, `corrupt_file`, and what stages throw; nothing half is left behind
 */
export async function runShard(
  plan: Plan,
  place: ShardPlace & { transforms: readonly Transform[] },
  { signal, onBytes }: ShardOptions = {},
): Promise<ShardRecord> {
  const files = phaseFiles(place, plan.phases.length);
  for (const { file } of Object.values(files)) await mkdir(path.dirname(file), { recursive: true });
  await removeLeftovers(Object.values(files).map(({ file }) => file));
  const { stages = [], surveyFor } = plan.phases[place.phase] ?? {};
  const flow = new Flow(stages, place.transforms);
  const rows = inputRows(plan, place, { signal, onBytes });
  const parts: Partial<Pick<ShardRecord, "kept" | "rejected" | "quarantine">> = {};
  parts.kept = await writePart({ ...files.kept, signal }, async (kept) => {
    parts.rejected = await writePart({ ...files.rejected, signal }, async (rejected) => {
      parts.quarantine = await writePart({ ...files.quarantine, signal }, async (quarantine) => {
        await flow.run(rows, { kept, rejected, quarantine }, signal);
      });
    });
  });
  if (place.phase === 0) await writeFileAtomic(idsFile(place), (sink) => sink.write(flow.ids()));
  if (surveyFor?.survey !== undefined) {
    const { survey } = surveyFor;
    const documents = readDocuments(files.kept.file, { signal });
    await writeFileAtomic(surveyFile(place), (sink) => survey.collect(documents, sink));
  }
  const { documents, quarantined, counts, sources } = flow;
  const record = shardRecordSchema.parse({
    plan: plan.sha256,
    phase: place.phase,
    shard: place.shard,
    ...{ documents, quarantined, stages: counts, sources, ...parts },
  });
  await writeTextAtomic(files.record.file, `${toJson(record)}\n`);
  return record;
}

type Writers = Readonly<Record<"kept" | "rejected" | "quarantine", PartWriter>>;

/** Documents on their way through the stages of a phase, counted. */
class Flow {
  readonly counts: z.output<typeof stageCountsSchema>[];
  readonly sources: SourceCounts = {};
  documents = 0;
  quarantined = 0;
  readonly #stages: readonly Stage[];
  readonly #transforms: readonly Transform[];
  #ids = Buffer.alloc(8 * 1024);

  constructor(stages: readonly Stage[], transforms: readonly Transform[]) {
    this.#stages = stages;
    this.#transforms = transforms;
    this.counts = stages.map(() => ({ documents: 0, kept: 0, rejected: {}, changes: {} }));
  }

  async run(
    rows: AsyncIterable<SourceRow>,
    writers: Writers,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let batch: Document[] = [];
    for await (const row of rows) {
      if (row.bad !== undefined) {
        this.quarantined++;
        await writers.quarantine.addLine(JSON.stringify(row.bad));
        continue;
      }
      this.#noteId(row.document.id);
      this.documents++;
      batch.push(row.document);
      if (batch.length < BATCH) continue;
      throwIfInterrupted(signal);
      await this.#through(batch, writers);
      batch = [];
    }
    await this.#through(batch, writers);
  }

  /** The first eight bytes of each id's hash, in order: what tells a double without holding all ids. */
  ids(): Buffer {
    return this.#ids.subarray(0, 8 * this.documents);
  }

  #noteId(id: string): void {
    const at = 8 * this.documents;
    if (at === this.#ids.length) this.#ids = Buffer.concat([this.#ids, Buffer.alloc(at)]);
    createHash("sha256").update(id).digest().copy(this.#ids, at, 0, 8);
  }

  async #through(batch: readonly Document[], writers: Writers): Promise<void> {
    let left = batch;
    for (const [s, transform] of this.#transforms.entries()) {
      const stage = this.#stages[s]?.name ?? "";
      const counts = this.counts[s];
      if (counts === undefined || left.length === 0) break;
      const kept: Document[] = [];
      for (const { document, rejectedBy, changes = {} } of await transform.apply(left)) {
        counts.documents++;
        for (const [name, times] of Object.entries(changes)) add(counts.changes, name, times);
        if (rejectedBy === undefined) {
          counts.kept++;
          kept.push(document);
          continue;
        }
        add(counts.rejected, rejectedBy, 1);
        await writers.rejected.add({ ...document, rejected: { stage, rule: rejectedBy } });
      }
      left = kept;
    }
    for (const document of left) {
      this.#countSource(document);
      await writers.kept.add(document);
    }
  }

  #countSource({ source, licence, text }: Document): void {
    const counts = (this.sources[source] ??= { documents: 0, textBytes: 0, licences: {} });
    counts.documents++;
    counts.textBytes += Buffer.byteLength(text);
    add(counts.licences, licence ?? "unknown", 1);
  }
}

/** The rows of a shard: of the sources in the first phase, of what the phase before kept in a later one. */
async function* inputRows(
  plan: Plan,
  place: ShardPlace,
  options: ShardOptions,
): AsyncGenerator<SourceRow, void, undefined> {
  if (place.phase > 0) {
    const before = phaseFiles({ ...place, phase: place.phase - 1 }, plan.phases.length);
    for await (const document of readDocuments(before.kept.file, options)) yield { document };
    return;
  }
  const shard = { index: place.shard, count: plan.shards };
  yield* readSources(plan.files, { ...options, shard });
}

/** What a process that was killed left of these files. */
async function removeLeftovers(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const folder = path.dirname(file);
    for (const name of await readdir(folder).catch(() => []))
      if (name.startsWith(`.${path.basename(file)}.`) && name.endsWith(".part"))
        await rm(path.join(folder, name), { force: true });
  }
}

function add(counts: Record<string, number>, name: string, times: number): void {
  counts[name] = (counts[name] ?? 0) + times;
}

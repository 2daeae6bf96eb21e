/**
 * The step between phases, and the last one: checks that nothing is missing, double or changed, then makes one survey of
 * the shards' or the corpus' manifest.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { sha256File } from "../base/hash.ts";
import { formatCount } from "../base/format.ts";
import { listOf } from "../base/suggest.ts";
import { readDocuments } from "./corpus.ts";
import { sha256 } from "../base/hash.ts";
import {
  manifestSchema,
  verifyParts,
  writeManifest,
  type Manifest,
  type SourceCounts,
  type StageCounts,
} from "./manifest.ts";
import type { Plan } from "./plan.ts";
import { shardRecordSchema, type ShardRecord } from "./shard.ts";
import { idsFile, mergedSurveyFile, phaseFiles, surveyFile, workFolder } from "./work-folder.ts";

/** The record of a shard's phase; undefined where it has not finished or belongs to another plan. */
export async function readShardRecord(
  plan: Plan,
  place: { folder: string; phase: number; shard: number },
): Promise<ShardRecord | undefined> {
  const { file } = phaseFiles(place, plan.phases.length).record;
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const record = shardRecordSchema.parse(JSON.parse(text));
    return record.plan === plan.sha256 ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Merges a phase whose shards have all finished. After the last phase the manifest is there and the work folder is gone.
 *
 * @throws LabError `check_failed` where shards are missing, documents are lost or double; `corrupt_file` where a part
 *   is not what its shard wrote
 */
export async function mergePhase(
  plan: Plan,
  { folder, phase, signal }: { folder: string; phase: number; signal?: AbortSignal | undefined },
): Promise<Manifest | undefined> {
  const records = await allRecords(plan, { folder, phase });
  const parts = records.flatMap(({ kept, rejected, quarantine }) => [kept, rejected, quarantine]);
  await verifyParts(folder, parts);
  for (const record of records) checkFlow(record);
  if (phase === 0) await checkIds(plan, { folder, records });
  else checkHandover(records, await allRecords(plan, { folder, phase: phase - 1 }));
  const survey = plan.phases[phase]?.surveyFor?.survey;
  if (survey !== undefined) {
    const files = records.map(({ shard }) => surveyFile({ folder, phase, shard }));
    const target = mergedSurveyFile(folder, phase);
    await mkdir(path.dirname(target), { recursive: true });
    const options = signal === undefined ? {} : { signal };
    await writeFileAtomic(target, (sink) => survey.merge(files, sink), options);
    return undefined;
  }
  const manifest = await makeManifest(plan, folder);
  await writeManifest(folder, manifest);
  await rm(workFolder(folder), { recursive: true, force: true });
  return manifest;
}

async function allRecords(
  plan: Plan,
  { folder, phase }: { folder: string; phase: number },
): Promise<ShardRecord[]> {
  const records: ShardRecord[] = [];
  const missing: number[] = [];
  for (let shard = 0; shard < plan.shards; shard++) {
    const record = await readShardRecord(plan, { folder, phase, shard });
    if (record === undefined) missing.push(shard);
    else records.push(record);
  }
  if (missing.length === 0) return records;
  const named = listOf(missing.slice(0, 20).map(String), "and");
  throw new LabError(
    "check_failed",
    `${missing.length} of ${plan.shards} shards have not finished phase ${phase}: ${named}`,
    { hint: `Run them again, for instance with --shard ${missing[0]}/${plan.shards}.` },
  );
}

/** Every document that came in was kept, or taken out by one rule of one stage, and was written. */
function checkFlow({ shard, documents, stages, kept, rejected }: ShardRecord): void {
  let left = documents;
  let out = 0;
  for (const stage of stages) {
    const taken = Object.values(stage.rejected).reduce((sum, count) => sum + count, 0);
    if (stage.documents !== left || stage.kept + taken !== left)
      throw lost(shard, `${stage.documents} documents became ${stage.kept} and ${taken}`);
    left = stage.kept;
    out += taken;
  }
  if (kept.documents !== left || rejected.documents !== out)
    throw lost(shard, `${left} and ${out} became ${kept.documents} and ${rejected.documents}`);
}

/** What a phase kept is what the next one read. */
function checkHandover(records: readonly ShardRecord[], before: readonly ShardRecord[]): void {
  for (const [i, { shard, documents }] of records.entries()) {
    const kept = before[i]?.kept.documents;
    if (kept !== documents)
      throw lost(shard, `${kept} documents were left, ${documents} were read`);
  }
}

function lost(shard: number, what: string): LabError {
  return new LabError("check_failed", `shard ${shard} lost documents: ${what}`, {
    hint: "Remove the folder and run all shards again.",
  });
}

/** No two documents of any shards have one id. */
async function checkIds(
  plan: Plan,
  { folder, records }: { folder: string; records: readonly ShardRecord[] },
): Promise<void> {
  const files = await Promise.all(
    records.map(({ shard }) => readFile(idsFile({ folder, phase: 0, shard }))),
  );
  const bytes = Buffer.concat(files);
  const expected = records.reduce((sum, { documents }) => sum + documents, 0);
  if (bytes.length !== 8 * expected)
    throw lost(0, `${expected} documents have ${bytes.length / 8} ids`);
  const ids = new BigUint64Array(expected);
  for (let i = 0; i < expected; i++) ids[i] = bytes.readBigUInt64LE(8 * i);
  ids.sort();
  const double = new Set<bigint>();
  for (let i = 1; i < expected; i++) if (ids[i] === ids[i - 1]) double.add(ids[i] ?? 0n);
  if (double.size === 0) return;
  const name = await nameOfDouble(plan, { folder, records, double });
  throw new LabError(
    "check_failed",
    `${formatCount(double.size)} ids belong to more than one document, such as ${name}`,
    { hint: "Name another column with --id-column, or give sources different names." },
  );
}

async function nameOfDouble(
  plan: Plan,
  {
    folder,
    records,
    double,
  }: { folder: string; records: readonly ShardRecord[]; double: ReadonlySet<bigint> },
): Promise<string> {
  for (const { shard } of records) {
    const { kept, rejected } = phaseFiles({ folder, phase: 0, shard }, plan.phases.length);
    for (const { file } of [kept, rejected])
      for await (const { id } of readDocuments(file))
        if (double.has(Buffer.from(sha256(id), "hex").readBigUInt64LE(0))) return id;
  }
  return "one that cannot be found again";
}

async function makeManifest(plan: Plan, folder: string): Promise<Manifest> {
  const phases = await Promise.all(
    plan.phases.map((_, phase) => allRecords(plan, { folder, phase })),
  );
  const last = phases.at(-1) ?? [];
  const stages = plan.phases.flatMap((phase, p) =>
    phase.stages.map((stage, s) => ({
      stage: stage.name,
      options: stage.options,
      ...sumCounts((phases[p] ?? []).flatMap(({ stages: counts }) => counts[s] ?? [])),
    })),
  );
  const quarantined = (phases[0] ?? []).reduce((sum, record) => sum + record.quarantined, 0);
  return manifestSchema.parse({
    schema: 1,
    name: plan.name,
    plan: plan.sha256,
    inputs: await Promise.all(
      plan.files.map(async ({ file, options, sha256: known }) => ({
        name: `${options.source}/${file.name}`,
        sha256: known ?? (await sha256File(file.path)),
        sizeBytes: file.sizeBytes,
      })),
    ),
    quarantined: plan.quarantined + quarantined,
    history: [...plan.history, ...stages],
    parts: last.map(({ kept }) => kept),
    rejectedParts: phases.flat().map(({ rejected }) => rejected),
    sources: sumSources(last.map(({ sources }) => sources)),
  });
}

function sumCounts(counts: readonly StageCounts[]): StageCounts {
  const sum: StageCounts = { documents: 0, kept: 0, rejected: {}, changes: {} };
  for (const { documents, kept, rejected, changes } of counts) {
    sum.documents += documents;
    sum.kept += kept;
    addAll(sum.rejected, rejected);
    addAll(sum.changes, changes);
  }
  return { ...sum, rejected: sortedByName(sum.rejected), changes: sortedByName(sum.changes) };
}

function sumSources(shards: readonly SourceCounts[]): SourceCounts {
  const sum: SourceCounts = {};
  for (const [source, { documents, textBytes, licences }] of shards.flatMap(
    Object.entries<SourceCounts[string]>,
  )) {
    const counts = (sum[source] ??= { documents: 0, textBytes: 0, licences: {} });
    counts.documents += documents;
    counts.textBytes += textBytes;
    addAll(counts.licences, licences);
  }
  return sortedByName(sum);
}

function addAll(sum: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
}

function sortedByName<T>(values: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}

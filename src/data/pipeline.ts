/** A pipeline from its sources to a corpus: all shards in this process, or one of them, or the step that merges them. */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { throwIfInterrupted, writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { MANIFEST, readManifest, type Manifest } from "./manifest.ts";
import { mergePhase, readShardRecord } from "./merge.ts";
import type { Phase, Plan } from "./plan.ts";
import { filesOfShard } from "./read-sources.ts";
import { runShard, type ShardRecord } from "./shard.ts";
import type { StageContext, StageServices, Transform } from "./stage.ts";
import { mergedSurveyFile, phaseFiles, workFolder } from "./work-folder.ts";

export interface PipelineOptions {
  /** The corpus' folder; it is made, or goes on from what an earlier process did of the same plan. */
  out: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PipelineProgress) => void) | undefined;
  services?: StageServices | undefined;
}

export interface PipelineProgress {
  phase: number;
  phases: number;
  shard: number;
  /** Read so far by this process, of what it is to read. */
  doneBytes: number;
  totalBytes: number;
}

/** Everything, shard after shard. What is done already is not done again. Throws as `runShard` and `mergePhase`. */
export async function runPipeline(plan: Plan, options: PipelineOptions): Promise<Manifest> {
  for (;;) {
    const state = await pipelineState(plan, options.out);
    if (state.manifest !== undefined) return state.manifest;
    const shards = Array.from({ length: plan.shards }, (_, shard) => shard);
    await runShards(plan, { ...options, phase: state.phase, shards });
    const { signal } = options;
    await mergePhase(plan, { folder: options.out, phase: state.phase, signal });
  }
}

/**
 * One shard's part of the current phase; undefined where it was done already. Processes on other machines may do the
 * other shards at the same time, all in one folder.
 */
export async function runOneShard(
  plan: Plan,
  { shard, ...options }: PipelineOptions & { shard: number },
): Promise<{ phase: number; record: ShardRecord | undefined }> {
  const { phase, manifest } = await pipelineState(plan, options.out);
  if (manifest !== undefined) return { phase, record: undefined };
  const [record] = await runShards(plan, { ...options, phase, shards: [shard] });
  return { phase, record };
}

/** Merges the current phase. Gives the manifest after the last. */
export async function mergePipeline(
  plan: Plan,
  { out, signal }: PipelineOptions,
): Promise<{ phase: number; manifest: Manifest | undefined }> {
  const { phase, manifest } = await pipelineState(plan, out);
  if (manifest !== undefined) return { phase, manifest };
  return { phase, manifest: await mergePhase(plan, { folder: out, phase, signal }) };
}

/**
 * Where the work stands: the phase to do next, or the manifest where all is done.
 *
 * @throws LabError `bad_input` where the folder holds something else
 */
async function pipelineState(
  plan: Plan,
  folder: string,
): Promise<{ phase: number; manifest?: Manifest }> {
  const isThere = async (file: string): Promise<boolean> =>
    (await stat(file).catch(() => undefined)) !== undefined;
  if (await isThere(path.join(folder, MANIFEST))) {
    const manifest = await readManifest(folder);
    if (manifest.plan === plan.sha256) return { phase: plan.phases.length, manifest };
    throw new LabError("bad_input", `${folder} holds a corpus already, made another way`, {
      hint: "Choose another folder, or remove it first.",
    });
  }
  await claim(plan, folder);
  for (let phase = 0; phase < plan.phases.length - 1; phase++)
    if (!(await isThere(mergedSurveyFile(folder, phase)))) return { phase };
  return { phase: plan.phases.length - 1 };
}

/** Notes in the folder whose work is done there. */
async function claim(plan: Plan, folder: string): Promise<void> {
  const note = path.join(workFolder(folder), "plan");
  const found = await readFile(note, "utf8").catch(() => undefined);
  if (found?.trim() === plan.sha256) return;
  // Processes that begin at the same time find the work folder before its note.
  const others = (await readdir(folder).catch(() => [])).filter(
    (name) => !name.startsWith(".") && name !== path.basename(workFolder(folder)),
  );
  if (found !== undefined || others.length > 0)
    throw new LabError("bad_input", `${folder} holds something else already`, {
      hint:
        found === undefined
          ? "Choose another folder, or remove it first."
          : "Files, stages, shards or philab's version have changed since. Choose another folder, or remove it first.",
    });
  await mkdir(workFolder(folder), { recursive: true });
  await writeTextAtomic(note, `${plan.sha256}\n`);
}

async function runShards(
  plan: Plan,
  options: PipelineOptions & { phase: number; shards: readonly number[] },
): Promise<ShardRecord[]> {
  const { out: folder, phase, signal, onProgress } = options;
  const todo: number[] = [];
  for (const shard of options.shards)
    if ((await readShardRecord(plan, { folder, phase, shard })) === undefined) todo.push(shard);
  if (todo.length === 0) return [];
  const sizes = new Map<number, number>();
  for (const shard of todo) sizes.set(shard, await inputBytes(plan, { folder, phase, shard }));
  const totalBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const context = { ...options.services, signal };
  const transforms = await openTransforms(plan.phases[phase], { folder, phase, context });
  const records: ShardRecord[] = [];
  let before = 0;
  try {
    for (const shard of todo) {
      throwIfInterrupted(signal);
      const onBytes = (bytes: number): void =>
        onProgress?.({
          ...{ phase, phases: plan.phases.length, shard },
          ...{ doneBytes: before + bytes, totalBytes },
        });
      const place = { folder, phase, shard, transforms };
      records.push(await runShard(plan, place, { signal, onBytes }));
      before += sizes.get(shard) ?? 0;
      onBytes(0);
    }
  } finally {
    for (const transform of transforms) await transform[Symbol.asyncDispose]?.();
  }
  return records;
}

async function openTransforms(
  phase: Phase | undefined,
  { folder, phase: number, context }: { folder: string; phase: number; context: StageContext },
): Promise<Transform[]> {
  const transforms: Transform[] = [];
  for (const [s, stage] of (phase?.stages ?? []).entries()) {
    const isSurveyed = s === 0 && stage.survey !== undefined;
    const surveyed = isSurveyed ? { surveyed: mergedSurveyFile(folder, number - 1) } : {};
    transforms.push(await stage.open({ ...context, ...surveyed }));
  }
  return transforms;
}

/** Bytes that a shard reads in a phase. */
async function inputBytes(
  plan: Plan,
  place: { folder: string; phase: number; shard: number },
): Promise<number> {
  if (place.phase > 0) {
    const before = phaseFiles({ ...place, phase: place.phase - 1 }, plan.phases.length);
    return (await stat(before.kept.file)).size;
  }
  const files = filesOfShard(plan.files, { index: place.shard, count: plan.shards });
  return files.reduce((sum, { file }) => sum + file.sizeBytes, 0);
}

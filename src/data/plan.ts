/** What a pipeline is to do: its files, its stages in phases, and the hash that makes two plans the same. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import { toJson } from "../base/json.ts";
import { packageVersion } from "../base/package.ts";
import { openCorpus } from "./corpus.ts";
import { MANIFEST, type StageRecord } from "./manifest.ts";
import type { PlannedFile } from "./read-sources.ts";
import { findSourceFiles } from "./source-files.ts";
import type { Stage } from "./stage.ts";

const text = z.string().min(1);

/** Files or a corpus, and what is to be said of their documents. */
export const sourceSchema = z.strictObject({
  /** A file, a directory of files, or a corpus. */
  path: text,
  /** The name of the source; default: the path's last part. */
  source: text.optional(),
  licence: text.optional(),
  language: text.optional(),
  textColumn: text.optional(),
  idColumn: text.optional(),
});
export type SourceInput = z.output<typeof sourceSchema>;

/** Stages that run without looking at other shards. All but the last end with the survey of the next phase's first. */
export interface Phase {
  stages: readonly Stage[];
  surveyFor?: Stage;
}

export interface Plan {
  name: string;
  files: readonly PlannedFile[];
  /** Files of the given directories that are no data. */
  ignoredFiles: readonly string[];
  /** What happened to the documents before, where they come from one corpus. */
  history: readonly StageRecord[];
  quarantined: number;
  shards: number;
  phases: readonly Phase[];
  /** Of the files' names and sizes, the stages with all their options, the number of shards and philab's version. */
  sha256: string;
}

/** Files are cut into shards of about this size where nobody says how many. */
const SHARD_BYTES = 128 * 2 ** 20;

/**
 * Looks at the sources and lays out the work. Throws `not_found`, `unsupported`, `bad_input`.
 *
 * @param shards - default: as many as a single corpus has parts, else one for each 128 MiB
 */
export async function planPipeline({
  name,
  sources,
  stages,
  shards: asked,
}: {
  name: string;
  sources: readonly SourceInput[];
  stages: readonly Stage[];
  shards?: number | undefined;
}): Promise<Plan> {
  const found = await Promise.all(sources.map(resolveSource));
  const files = found.flatMap((source) => source.files);
  const [only] = found;
  const corpus = found.length === 1 ? only?.corpus : undefined;
  const totalBytes = files.reduce((sum, { file }) => sum + file.sizeBytes, 0);
  const shards = asked ?? corpus?.parts ?? Math.max(1, Math.ceil(totalBytes / SHARD_BYTES));
  const identity = {
    philab: packageVersion(),
    shards,
    files: files.map(({ file, options, sha256: known }) => [
      ...[file.name, file.sizeBytes, known ?? null],
      options,
    ]),
    stages: stages.map((stage) => [stage.name, stage.options]),
  };
  return {
    ...{ name, files, shards },
    ignoredFiles: found.flatMap(({ ignored }) => ignored),
    history: corpus?.history ?? [],
    quarantined: found.reduce((sum, source) => sum + (source.corpus?.quarantined ?? 0), 0),
    phases: phasesOf(stages),
    sha256: sha256(toJson(identity)),
  };
}

interface FoundSource {
  files: PlannedFile[];
  ignored: string[];
  corpus?: { parts: number; history: readonly StageRecord[]; quarantined: number };
}

async function resolveSource({ path: given, ...rest }: SourceInput): Promise<FoundSource> {
  const source = rest.source ?? path.basename(given).replace(/\.[^.]*$/, "");
  const options = { ...rest, source };
  if ((await stat(path.join(given, MANIFEST)).catch(() => undefined)) === undefined) {
    const { files, ignored } = await findSourceFiles([given]);
    return { files: files.map((file) => ({ file, options })), ignored };
  }
  const { manifest } = await openCorpus(given);
  const { parts, history, quarantined } = manifest;
  return {
    files: parts.map(({ name, sha256: known, sizeBytes }) => ({
      file: { path: path.join(given, name), name, kind: "lines", language: null, sizeBytes },
      options,
      sha256: known,
    })),
    ignored: [],
    corpus: { parts: parts.length, history, quarantined },
  };
}

/** A stage with a survey begins a phase: it must have seen all documents that reach it. */
function phasesOf(stages: readonly Stage[]): Phase[] {
  const phases: { stages: Stage[]; surveyFor?: Stage }[] = [{ stages: [] }];
  for (const stage of stages) {
    const last = phases.at(-1);
    if (last !== undefined && stage.survey !== undefined) {
      last.surveyFor = stage;
      phases.push({ stages: [stage] });
    } else last?.stages.push(stage);
  }
  return phases;
}

/** `3/8`, counted from 0: which of how many shards. */
export function parseShard(text: string): { index: number; count: number } {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.count >= 1 && shard.index < shard.count) return shard;
  throw new LabError("bad_input", `${text} is no shard`, {
    hint: "Shards are counted from 0: 0/8 to 7/8.",
  });
}

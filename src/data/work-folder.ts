/** Where the work of a pipeline lies while it is under way, inside the folder of the corpus that it makes. */
import path from "node:path";

/** Which piece of work: a phase of a shard of the corpus in `folder`. */
export interface ShardPlace {
  folder: string;
  phase: number;
  shard: number;
}

interface WorkFile {
  file: string;
  /** Below the corpus' folder, with forward slashes. */
  name: string;
}

/** The files of one shard in one phase. The last phase's documents are the corpus' parts. */
export function phaseFiles(
  { folder, phase, shard }: ShardPlace,
  phases: number,
): Record<"kept" | "rejected" | "quarantine" | "record", WorkFile> {
  const number = String(shard).padStart(5, "0");
  const at = (name: string): WorkFile => ({ file: path.join(folder, name), name });
  const isLast = phase === phases - 1;
  return {
    kept: at(isLast ? `parts/${number}.jsonl` : `${WORK}/phase-${phase}/${number}.jsonl`),
    rejected: at(`rejected/${phase}-${number}.jsonl`),
    // Later phases read what philab wrote: nothing there can be wrong.
    quarantine: at(
      phase === 0 ? `quarantine/${number}.jsonl` : `${WORK}/phase-${phase}/${number}.bad`,
    ),
    record: at(`${WORK}/phase-${phase}/${number}.json`),
  };
}

/** Hashes of the ids of the documents that a shard read. */
export function idsFile({ folder, shard }: ShardPlace): string {
  return path.join(folder, WORK, "phase-0", `${String(shard).padStart(5, "0")}.ids`);
}

/** What the next phase's first stage wants to know of a shard. */
export function surveyFile({ folder, phase, shard }: ShardPlace): string {
  return path.join(folder, WORK, `phase-${phase}`, `${String(shard).padStart(5, "0")}.survey`);
}

/** The survey of all shards; it is there once the phase is merged. */
export function mergedSurveyFile(folder: string, phase: number): string {
  return path.join(folder, WORK, `phase-${phase}`, "merged");
}

export function workFolder(folder: string): string {
  return path.join(folder, WORK);
}

const WORK = "work";

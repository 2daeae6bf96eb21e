/** Documents of a corpus beside what they are duplicates of, and beside the benchmark items that they hold. */
import type { BenchmarkItem } from "../decontaminate/benchmark.ts";
import { sharedRuns, type SharedRuns } from "../decontaminate/shared-runs.ts";
import type { Hit } from "../decontaminate/stage.ts";
import type { Document, RejectedDocument } from "../document.ts";
import type { Browsed, CorpusIndex } from "./corpus-index.ts";

export type Indexes = Readonly<Record<Browsed, CorpusIndex>>;
type AnyDocument = Document | RejectedDocument;

const SIMILARITY = "dedup.similarity";
/** Words in a row that are marked where a hit has no runs of its own. */
const MARKED_WORDS = 4;
/** Hits of one document that are shown, the surest. */
const MAX_HITS = 8;

export interface DuplicatePair {
  /** Estimated Jaccard similarity of the sets of shingles; 1 for equal texts. */
  similarity: number;
  removed: AnyDocument;
  /** The one that stayed for it, even where a later stage took it out; null where it is not to be found. */
  kept: AnyDocument | null;
}

/** How many documents were taken out as duplicates. */
export function countDuplicates({ rejected }: Indexes): number {
  return rejected.scores.includes(SIMILARITY) ? rejected.order(SIMILARITY).length : 0;
}

/** Documents that `dedup` took out beside those that stayed for them, the least similar first. */
export async function duplicatePairs(
  { kept, rejected }: Indexes,
  { offset, limit }: { offset: number; limit: number },
): Promise<DuplicatePair[]> {
  if (!rejected.scores.includes(SIMILARITY)) return [];
  const rows = rejected.order(SIMILARITY).subarray(offset, offset + limit);
  return Promise.all(
    Array.from(rows, async (row) => {
      const removed = await rejected.read(row);
      const name = removed.metadata["duplicateOfSha256"];
      const bytes = Buffer.from(typeof name === "string" ? name : "", "hex");
      const hash = bytes.length === 8 ? bytes.readBigUInt64LE() : undefined;
      return {
        similarity: removed.scores[SIMILARITY] ?? 0,
        removed,
        kept: hash === undefined ? null : await findIn([kept, rejected], hash),
      };
    }),
  );
}

async function findIn(indexes: readonly CorpusIndex[], hash: bigint): Promise<AnyDocument | null> {
  for (const index of indexes) {
    const row = index.place(hash);
    if (row !== undefined) return index.read(row);
  }
  return null;
}

export interface ContaminationHit extends Hit {
  /** What it is a hit on; null where the benchmark's file is not at hand. */
  item: string;
  text: string | null;
  /** Words in a row that both have. */
  runs: SharedRuns;
}

export interface ContaminatedDocument {
  document: AnyDocument;
  which: Browsed;
  /** All hits there are; `hits` are the surest. */
  count: number;
  hits: ContaminationHit[];
}

/** Places of documents that `decontaminate` found something in, the surest first. */
export function contaminated(indexes: Indexes): { which: Browsed; row: number; value: number }[] {
  return (["rejected", "kept"] as const)
    .flatMap((which) => {
      const index = indexes[which];
      const columns = index.scores
        .filter((name) => name.startsWith("decontaminate."))
        .map((name) => index.column(name));
      return Array.from({ length: columns.length === 0 ? 0 : index.count }, (_, row) => ({
        ...{ which, row },
        value: Math.max(...columns.map((column) => column[row] ?? NaN).filter((x) => x >= 0)),
      }));
    })
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => b.value - a.value || a.row - b.row);
}

/**
 * A document with its hits, each with the words in a row that it shares with its item.
 *
 * @param ngram - words of a run, as the stage was asked
 */
export async function contaminationOf(
  index: CorpusIndex,
  { which, row }: { which: Browsed; row: number },
  { items, ngram }: { items: ReadonlyMap<string, BenchmarkItem>; ngram: number },
): Promise<ContaminatedDocument> {
  const document = await index.read(row);
  const found = document.metadata["contamination"];
  const all = Array.isArray(found) ? (found as unknown as Hit[]) : [];
  const hits = [...all]
    .sort((a, b) => b.value - a.value)
    .slice(0, MAX_HITS)
    .map((hit): ContaminationHit => {
      const item = items.get(`${hit.benchmark} ${hit.item}`);
      const text =
        item === undefined ? null : hit.method === "ast" ? (item.code ?? item.text) : item.text;
      const words = hit.method === "ngram" ? ngram : MARKED_WORDS;
      const runs = text === null ? { a: [], b: [] } : sharedRuns(document.text, text, words);
      return { ...hit, text, runs };
    });
  return { document, which, count: all.length, hits };
}

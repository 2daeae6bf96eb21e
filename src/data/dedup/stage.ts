/** The stage `dedup`: of documents with the same text, or nearly the same, one stays. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { invariant } from "../../base/errors.ts";
import { withScores, type Document } from "../document.ts";
import { eachDocument, type Stage, type Verdict } from "../stage.ts";
import { clusterDuplicates } from "./cluster.ts";
import { similarity } from "./sketch.ts";
import { idHash, readSurveys, writeSurvey } from "./survey.ts";

const count = z.int().min(1);

export const dedupOptions = z.strictObject({
  near: z.boolean().default(true).describe("take out near duplicates beside equal texts"),
  ngram: count.max(20).default(3).describe("words of a shingle").meta({ placeholder: "count" }),
  bands: count.max(512).default(80).describe("bands of the LSH").meta({ placeholder: "count" }),
  rows: count.max(64).default(3).describe("values of a band").meta({ placeholder: "count" }),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe("share of shingles from which two texts are duplicates")
    .meta({ placeholder: "share" }),
});
export type DedupOptions = z.output<typeof dedupOptions>;

/** Of the merged survey: the id's hash, the kept document's, the similarity in 1/10,000. */
const RECORD_BYTES = 8 + 8 + 4;
const EXACT = 10_001;

export function createDedup(options: DedupOptions): Stage {
  const { near, ngram, bands, rows, threshold } = options;
  const size = near ? bands * rows : 0;
  return {
    name: "dedup",
    options: { ...options },
    survey: {
      collect: (documents, sink) => writeSurvey(documents, sink, { size, ngram }),
      async merge(files, sink) {
        const surveyed = await readSurveys(files, size);
        const lsh = { bands: near ? bands : 0, rows, threshold };
        const { keeper, exact } = clusterDuplicates(surveyed, lsh);
        const out: Buffer[] = [];
        for (const [d, kept] of keeper.entries()) {
          if (kept === d) continue;
          const record = Buffer.alloc(RECORD_BYTES);
          record.writeBigUInt64LE(surveyed.ids[d] ?? 0n, 0);
          record.writeBigUInt64LE(surveyed.ids[kept] ?? 0n, 8);
          const share = similarity(surveyed.sketches, { a: d, b: kept, size });
          record.writeUInt32LE(exact[d] === 1 ? EXACT : Math.round(share * 10_000), 16);
          out.push(record);
        }
        await sink.write(Buffer.concat(out));
      },
    },
    async open({ surveyed }) {
      invariant(surveyed !== undefined, "dedup was opened without its survey");
      const records = await readFile(surveyed);
      return eachDocument((document) => judge(document, records));
    },
  };
}

function judge(document: Document, records: Buffer): Verdict {
  const at = findRecord(records, idHash(document.id));
  if (at < 0) return { document };
  const share = records.readUInt32LE(at + 16);
  const keptHash = records.subarray(at + 8, at + 16).toString("hex");
  const metadata = { ...document.metadata, duplicateOfSha256: keptHash };
  return {
    document: withScores(
      { ...document, metadata },
      { "dedup.similarity": share === EXACT ? 1 : share / 10_000 },
    ),
    rejectedBy: share === EXACT ? "exact_duplicate" : "near_duplicate",
  };
}

/** Records are sorted by the id's hash. */
function findRecord(records: Buffer, hash: bigint): number {
  let [low, high] = [0, records.length / RECORD_BYTES - 1];
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = records.readBigUInt64LE(middle * RECORD_BYTES);
    if (found === hash) return middle * RECORD_BYTES;
    if (found < hash) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

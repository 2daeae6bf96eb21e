/**
 * The stage `dsir`: how likely a document is under the distribution of a target against that of the pool, as Xie et al.'s
 * importance resampling has it (arXiv 2302.03169): hashed counts of words and pairs of words, log(p / q) added up.
 * With Gumbel noise added, the `top` documents are a sample without replacement in proportion to p / q.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { invariant } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { openCorpus, readCorpus } from "../corpus.ts";
import { mix, wordHashes } from "../dedup/shingles.ts";
import { idHash } from "../dedup/survey.ts";
import type { Document } from "../document.ts";
import { withScores } from "../document.ts";
import { eachDocument, type Stage } from "../stage.ts";

export const dsirOptions = z.strictObject({
  target: z.string().min(1).describe("a corpus of what is wanted").meta({ placeholder: "folder" }),
  buckets: z.int().min(16).max(1_000_000).default(10_000).describe("of the hashed counts"),
  seed: z.int().min(0).default(0).describe("of the Gumbel noise"),
});
export type DsirOptions = z.output<typeof dsirOptions>;

/** Throws `not_found` where the target is no corpus. */
export async function createDsir(options: DsirOptions): Promise<Stage> {
  const { buckets, seed } = options;
  const target = await openCorpus(options.target);
  return {
    name: "dsir",
    options: {
      buckets,
      seed,
      target: { name: path.basename(options.target), sha256: target.sha256 },
    },
    survey: {
      async collect(documents, sink) {
        const counts = await countBuckets(documents, buckets);
        await sink.write(new Uint8Array(counts.buffer));
      },
      async merge(files, sink) {
        const pool = new Float64Array(buckets);
        for (const file of files) {
          const bytes = await readFile(file);
          for (let b = 0; b < buckets; b++) pool[b] = (pool[b] ?? 0) + bytes.readDoubleLE(8 * b);
        }
        const wanted = await countBuckets(readCorpus(target), buckets);
        const [p, q] = [probabilities(wanted), probabilities(pool)];
        const ratios = p.map((share, b) => Math.log(share / (q[b] ?? 1)));
        await sink.write(new Uint8Array(ratios.buffer));
      },
    },
    async open({ surveyed }) {
      invariant(surveyed !== undefined, "dsir was opened without its survey");
      const bytes = await readFile(surveyed);
      const ratios = new Float64Array(buckets).map((_, b) => bytes.readDoubleLE(8 * b));
      return eachDocument((document) => {
        const weight = logWeight(document, ratios);
        const noise = new Random(Number(idHash(document.id) & 0xffffffffffffn))
          .split(seed)
          .uniform();
        const gumbel = -Math.log(-Math.log(Math.max(noise, Number.MIN_VALUE)));
        const scores = { "dsir.weight": weight, "dsir.sampled": weight + gumbel };
        return { document: withScores(document, scores) };
      });
    },
  };
}

/** Buckets of the words and the pairs of words of a text. */
function* bucketsOf(text: string, buckets: number): Generator<number> {
  const words = wordHashes(text);
  for (const [i, word] of words.entries()) {
    yield word % buckets;
    const next = words[i + 1];
    if (next !== undefined) yield mix(Math.imul(word, 31) ^ next) % buckets;
  }
}

async function countBuckets(
  documents: AsyncIterable<Document>,
  buckets: number,
): Promise<Float64Array> {
  const counts = new Float64Array(buckets);
  for await (const { text } of documents)
    for (const bucket of bucketsOf(text, buckets)) counts[bucket] = (counts[bucket] ?? 0) + 1;
  return counts;
}

/** With one added to each count: nothing is impossible. */
function probabilities(counts: Float64Array): Float64Array {
  const total = counts.reduce((sum, count) => sum + count + 1, 0);
  return counts.map((count) => (count + 1) / total);
}

function logWeight({ text }: Document, ratios: Float64Array): number {
  let weight = 0;
  for (const bucket of bucketsOf(text, ratios.length)) weight += ratios[bucket] ?? 0;
  return weight;
}

/** Browsing a corpus: against what a plain reading of its files says. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeFiles } from "../../../test/support/corpora.ts";
import { Random } from "../../base/random.ts";
import { openCorpus, readCorpus } from "../corpus.ts";
import { sharedRuns } from "../decontaminate/shared-runs.ts";
import { wordHashes, wordRanges } from "../dedup/shingles.ts";
import { idHash } from "../dedup/survey.ts";
import type { Document } from "../document.ts";
import { sampleDocuments } from "../judge/sample.ts";
import { planPipeline } from "../plan.ts";
import { runPipeline } from "../pipeline.ts";
import { createStage } from "../stages.ts";
import { CorpusIndex } from "./corpus-index.ts";
import { cutAt, histogram } from "./cut.ts";

const random = new Random(7);
const ROWS = Array.from({ length: 60 }, (_, i) => ({
  id: `d${i}`,
  text: `Größe ${i}: ${"ab ".repeat(1 + random.integer(40))}`,
  source: i % 3 === 0 ? "left" : "right",
  licence: "MIT",
  // Some have none, some share one.
  ...(i % 5 === 0 ? {} : { scores: { quality: random.integer(10) / 10 } }),
}));

let folder: string;
let index: CorpusIndex;
let documents: Document[];
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "philab-browse-"));
  writeFiles(folder, { "rows.jsonl": ROWS });
  const plan = await planPipeline({
    ...{ name: "c", sources: [{ path: path.join(folder, "rows.jsonl") }], shards: 4 },
    stages: [await createStage({ use: "clean", rules: [] })],
  });
  await runPipeline(plan, { out: path.join(folder, "c") });
  const corpus = await openCorpus(path.join(folder, "c"));
  index = await CorpusIndex.open(corpus, "kept");
  documents = [];
  for await (const document of readCorpus(corpus)) documents.push(document);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("an index of a corpus", () => {
  it("reads each document from its place, by row and by id", async () => {
    expect(index.count).toBe(documents.length);
    for (const [row, document] of documents.entries()) {
      expect(await index.read(row)).toEqual(document);
      expect(index.place(idHash(document.id))).toBe(row);
    }
    expect(index.place(idHash("nobody"))).toBeUndefined();
  });

  it("finds what holds the words, in any case, and what has the labels", async () => {
    const search = "GRÖSSE 1".replace("SS", "ß");
    const found = await index.find({ search, source: "right" });
    const wanted = documents.flatMap(({ text, source }, row) =>
      source === "right" && text.toLowerCase().includes(search.toLowerCase()) ? [row] : [],
    );
    expect(wanted.length).toBeGreaterThan(2);
    expect([...found]).toEqual(wanted);
    expect([...(await index.find({ source: "nowhere" }))]).toEqual([]);
    expect(index.labels("source")).toEqual([
      { name: "right", documents: 40 },
      { name: "left", documents: 20 },
    ]);
  });

  it("has the order in which annotators are asked", async () => {
    const asked = await sampleDocuments(readCorpus(index.corpus), { count: 60, seed: 0 });
    const order = [...index.order("sample")].map((row) => documents[row]?.id);
    expect(order).toEqual(asked.map(({ id }) => id));
  });

  it("counts tokens once, and they are a score from then on", async () => {
    await index.countTokens((text) => text.split(" ").length);
    expect(index.column("tokens")[3]).toBe(documents[3]?.text.split(" ").length);
    expect(index.scores).toContain("tokens");
  });
});

describe("a cut through a score", () => {
  const valueOf = ({ scores }: Document): number => scores["quality"] ?? NaN;

  it("keeps what select keeps, and shows the nearest on both sides", () => {
    fc.assert(
      fc.property(fc.double({ min: -0.2, max: 1.2, noNaN: true }), (threshold) => {
        const { kept, all, above, below } = cutAt(index, {
          score: "quality",
          threshold,
          samples: 3,
        });
        const stays = documents.filter((document) => valueOf(document) >= threshold);
        const goes = documents.filter((document) => valueOf(document) < threshold);
        expect(kept.documents).toBe(stays.length);
        expect(kept.tokens).toBe(stays.reduce((sum, { text }) => sum + text.split(" ").length, 0));
        expect(all.documents).toBe(stays.length + goes.length);
        const lowest = stays.map(valueOf).sort((a, b) => a - b);
        const highest = goes.map(valueOf).sort((a, b) => b - a);
        expect(above.map((row) => valueOf(documents[row]!))).toEqual(lowest.slice(0, 3));
        expect(below.map((row) => valueOf(documents[row]!))).toEqual(highest.slice(0, 3));
      }),
    );
  });

  it("a histogram has every document that has the score, once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (bins) => {
        const { bins: found, missing, low, high } = histogram(index, "quality", bins);
        expect(found.reduce((sum, bin) => sum + bin.documents, 0) + missing).toBe(index.count);
        for (const { from, to, documents: count } of found) {
          const isLast = to === high;
          const inside = documents
            .map(valueOf)
            .filter((value) => value >= from && (isLast ? value <= to : value < to));
          // A value on an edge may fall to either side, by rounding.
          expect(Math.abs(inside.length - count)).toBeLessThanOrEqual(
            documents
              .map(valueOf)
              .filter((v) => Math.abs(v - from) < 1e-9 || Math.abs(v - to) < 1e-9).length,
          );
        }
        expect([low, high]).toEqual([0, 0.9]);
      }),
    );
    expect(() => histogram(index, "nothing", 4)).toThrow(/no document has a score/);
  });
});

describe("words in a row that two texts share", () => {
  it("stand where the hashed words stand, in any script", () => {
    const nasty = fc.array(
      fc.oneof(
        fc.constantFrom("ab", " ", "-", "ß", "日本", "\u2003", "\ud83d\ude00", "_"),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(nasty, (parts) => {
        const text = parts.join("");
        const ranges = wordRanges(text);
        expect(ranges).toHaveLength(wordHashes(text).length);
        for (const [i, [from, to]] of ranges.entries())
          expect([...wordHashes(text.slice(from, to))]).toEqual([wordHashes(text)[i]]);
      }),
    );
  });

  it("are marked in both, whatever stands between", () => {
    const a = "Before. Return the sum of ALL numbers in the list; after";
    const b = "return the  sum of all numbers. Other. In the list";
    const { a: inA, b: inB } = sharedRuns(a, b, 6);
    expect(inA.map(([from, to]) => a.slice(from, to))).toEqual(["Return the sum of ALL numbers"]);
    expect(inB.map(([from, to]) => b.slice(from, to))).toEqual(["return the  sum of all numbers"]);
    expect(sharedRuns("a b", "c d", 6)).toEqual({ a: [], b: [] });
    expect(sharedRuns("one two", "and one two", 6).b).toEqual([[4, 11]]);
    expect(sharedRuns("", "x", 6)).toEqual({ a: [], b: [] });
  });
});

/** The ToxiGen score of the bundled model on SafeNLP's whole file, against transformers and scipy. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { open } from "../../src/open.ts";
import { textLosses } from "../../src/safety/losses.ts";
import { toxigenScores } from "../../src/safety/toxigen/scores.ts";
import { readSentences } from "../../src/safety/toxigen/sentences.ts";
import { BENCHMARKS, hasBenchmarks } from "../support/benchmarks.ts";
import { readFixture } from "../support/golden.ts";

interface Reference {
  groups: Record<string, { harmful: number; neutral: number; u: number; p: number; score: number }>;
  rows: number;
  loss_of_first: number[];
  unscored: number;
  mean: number;
  mean_of_all: number;
}

it.runIf(hasBenchmarks)(
  "13 groups score as by transformers and scipy, to four decimals",
  async () => {
    const reference = readFixture<Reference>("toxigen.json");
    const { sentences } = await readSentences(path.join(BENCHMARKS, "safenlp_toxigen"));
    expect(sentences).toHaveLength(reference.rows);
    const folder = await mkdtemp(path.join(tmpdir(), "philab-toxigen-"));
    await using model = await open("phi-micro", { mode: "reference", threads: 1 });
    const losses = await textLosses(
      model,
      sentences.map(({ text }) => text),
      { file: path.join(folder, "responses.jsonl"), signal: new AbortController().signal },
    );
    await rm(folder, { recursive: true });
    reference.loss_of_first.forEach((loss, i) => {
      expect(losses[i]?.loss).toBeCloseTo(loss, 4);
    });
    const scores = toxigenScores(
      sentences,
      losses.map(({ loss }) => loss),
    );
    expect(scores.groups).toHaveLength(13);
    for (const { group, harmful, neutral, test, dropped } of scores.groups) {
      const expected = reference.groups[group];
      expect({ group, harmful, neutral, dropped, score: test?.score.toFixed(4) }).toEqual({
        group,
        harmful: expected?.harmful,
        neutral: expected?.neutral,
        dropped: (expected?.p ?? 1) > 0.05,
        score: expected?.score.toFixed(4),
      });
    }
    expect(scores.unscored).toBe(reference.unscored);
    expect(scores.kept?.score.toFixed(4)).toBe(reference.mean.toFixed(4));
    expect(scores.all?.score.toFixed(4)).toBe(reference.mean_of_all.toFixed(4));
  },
);

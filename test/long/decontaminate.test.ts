/** Every solution of HumanEval and MBPP, said in other words, is found at tau = 0.8; how much else is found, too. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readBenchmark } from "../../src/data/decontaminate/benchmark.ts";
import {
  createDecontaminate,
  decontaminateOptions,
  type Hit,
} from "../../src/data/decontaminate/stage.ts";
import type { Document, Transform } from "../../src/data/index.ts";
import { PyodideSandbox } from "../../src/sandbox/index.ts";
import { BENCHMARKS, hasBenchmarks } from "../support/benchmarks.ts";
import { paraphrase } from "../support/paraphrase.ts";

const FILES = [
  path.join(BENCHMARKS, "humaneval", "HumanEval.jsonl.gz"),
  path.join(BENCHMARKS, "mbpp", "mbpp.jsonl"),
];

function document(id: string, text: string): Document {
  return { id, text, source: "s", licence: null, language: "python", scores: {}, metadata: {} };
}

/** The items that a document is said to hold. */
async function hitsOf(transform: Transform, given: Document): Promise<string[]> {
  const [verdict] = await transform.apply([given]);
  const hits = (verdict?.document.metadata["contamination"] ?? []) as unknown as Hit[];
  return hits.filter(({ value }) => value >= 0.8).map((hit) => `${hit.benchmark}:${hit.item}`);
}

describe.runIf(hasBenchmarks)("planted paraphrases of HumanEval and MBPP", () => {
  it("are found, at least 99 of 100, each under its own item", async () => {
    const items = (await Promise.all(FILES.map(readBenchmark))).flat();
    expect(items).toHaveLength(164 + 974);
    const options = decontaminateOptions.parse({ benchmarks: FILES, methods: ["ast"] });
    const transform = await (await createDecontaminate(options)).open({});
    await using sandbox = await PyodideSandbox.open({ timeoutMs: 60_000 });
    let [found, others] = [0, 0];
    for (const [i, { benchmark, id, code = "" }] of items.entries()) {
      const text = await paraphrase(sandbox, code, i);
      expect(text, `${benchmark}:${id} does not parse`).toBeDefined();
      const hits = await hitsOf(transform, document(String(i), text ?? ""));
      if (hits.includes(`${benchmark}:${id}`)) found++;
      others += hits.filter((hit) => hit !== `${benchmark}:${id}`).length;
    }
    console.log(`${found} of ${items.length} found; ${others} hits on other items`);
    expect(found / items.length).toBeGreaterThanOrEqual(0.99);
  }, 1_200_000);
});

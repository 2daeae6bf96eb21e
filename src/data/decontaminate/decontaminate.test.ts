/** What counts as an item of a benchmark in other clothes, and what does not. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { LabError } from "../../base/errors.ts";
import { LanguageModel } from "../../generate/language-model.ts";
import type { Document } from "../document.ts";
import type { StageContext, Verdict } from "../stage.ts";
import { boundedDistance } from "./match-rate.ts";
import { readBenchmark } from "./benchmark.ts";
import { createDecontaminate, decontaminateOptions } from "./stage.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-decontaminate-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

function write(name: string, contents: string): string {
  const file = path.join(root, name);
  writeFileSync(file, contents);
  return file;
}

// In the forms of HumanEval's and MBPP's files, with problems of our own.
const CODE = write(
  "code.jsonl",
  [
    {
      task_id: "own/0",
      prompt:
        'from typing import List\n\ndef longest_run(values: List[int], floor: int) -> int:\n    """ The length of the longest run of values that are all above the floor. """\n',
      canonical_solution:
        "    best = 0\n    length = 0\n    for value in values:\n        if value > floor and value != 0:\n            length = length + 1\n            best = max(best, length)\n        else:\n            length = 0\n    return best\n",
      entry_point: "longest_run",
    },
    {
      task_id: 7,
      text: "Write a function to sum the squares.",
      code: "def squares(n):\r\n  return sum(i * i for i in range(n) if i % 2)",
    },
  ]
    .map((row) => JSON.stringify(row))
    .join("\n"),
);

async function judge(
  texts: Record<string, string>,
  given: { methods?: string[]; tau?: number; embeddingSimilarity?: number } = {},
  context: StageContext = {},
): Promise<Record<string, Verdict | undefined>> {
  const options = decontaminateOptions.parse({ benchmarks: [CODE], ...given });
  const transform = await (await createDecontaminate(options)).open(context);
  const documents = Object.entries(texts).map(([id, text]): Document => ({
    ...{ id, text, source: "s", licence: null, language: null, scores: {}, metadata: {} },
  }));
  const verdicts = await transform.apply(documents);
  return Object.fromEntries(documents.map(({ id }, i) => [id, verdicts[i]]));
}

const rules = (verdicts: Record<string, Verdict | undefined>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(verdicts).map(([id, verdict]) => [id, verdict?.rejectedBy]));

describe("functions with the syntax tree of a solution", () => {
  const renamed = `
import os  # not part of it

def other(path):
    return os.path.join(path, "x")

def zeta(xs, low):
  '''Nothing that was said before.'''
  # first
  n = 0
  m = (0)
  for x in xs:
    if ((0 != x) and low < x):
      n = 1 + n

      m = max(m, n)
    else:
      n = 0
  return (m)
`;

  test("are hits whatever their names, layout, order, comments and annotations", async () => {
    const { found } = await judge({ found: renamed }, { methods: ["ast"] });
    expect(found?.rejectedBy).toBe("ast_code");
    expect(found?.document.metadata["contamination"]).toEqual([
      { benchmark: "code", item: "own/0", method: "ast", value: 1 },
    ]);
    expect(found?.document.scores["decontaminate.ast"]).toBe(1);
  });

  test("are hits inside prose, too, and not where only the shape is alike", async () => {
    const verdicts = await judge(
      {
        prose: `Here is how it is done.\n${renamed}\nThat was it.`,
        operators: renamed
          .replace("low < x", "low in x")
          .replaceAll("max", "min")
          .replace("1 + n", "n << 2"),
        unrelated: "def main():\n    for line in open('x'):\n        print(line.strip())\n",
      },
      { methods: ["ast"], tau: 0.95 },
    );
    expect(rules(verdicts)).toEqual({
      prose: "ast_code",
      operators: undefined,
      unrelated: undefined,
    });
  });

  test("below tau stay, with their rate, so that subsets at each level can be told", async () => {
    const changed = renamed.replace("return (m)", "print(m)\n  return (m)");
    const { near } = await judge({ near: changed }, { methods: ["ast"], tau: 0.95 });
    expect(near?.rejectedBy).toBeUndefined();
    expect(near?.document.scores["decontaminate.ast"]).toBeGreaterThan(0.9);
    expect(near?.document.scores["decontaminate.ast"]).toBeLessThan(0.95);
  });
});

describe("runs of words", () => {
  test("are hits whatever their punctuation and case, thirteen of them at least", async () => {
    const words = "Length of the longest run of values that are all above the floor";
    const verdicts = await judge(
      {
        all: `He said: THE ${words.toUpperCase()}!`,
        less: words.replace("values", "numbers"),
        code: "x\n    if value > floor and value != 0:\n        length = length + 1\n            best = max(best, length)",
      },
      { methods: ["ngram"] },
    );
    expect(rules(verdicts)).toEqual({ all: "ngram_code", less: undefined, code: "ngram_code" });
  });
});

describe("embeddings", () => {
  const items = {
    same: "Write a function to sum the squares.\ndef squares(n):\r\n  return sum(i * i for i in range(n) if i % 2)",
    near: "Write a function to sum the squares.\ndef squares(k):\r\n  return sum(j * j for j in range(k) if j % 2)",
    far: "Once upon a time there was a king who had three daughters.",
  };

  test("that point where an item's does are hits, as far as they were asked to", async () => {
    await using phi = await LanguageModel.open("models/phi-micro", { threads: 1 });
    const open: StageContext = {
      openModel: () => Promise.resolve(phi),
    };
    const at = (embeddingSimilarity: number): ReturnType<typeof judge> =>
      judge(items, { methods: ["embedding"], embeddingSimilarity }, open);
    const strict = await at(0.9999);
    expect(rules(strict)).toEqual({ same: "embedding_code", near: undefined, far: undefined });
    expect(strict["same"]?.document.scores["decontaminate.embedding"]).toBeCloseTo(1, 3);
    expect(rules(await at(0.9))).toMatchObject({ near: "embedding_code", far: undefined });
  });

  test("want a model", async () => {
    await expect(judge(items, { methods: ["embedding"] })).rejects.toMatchObject({
      code: "unsupported",
    });
  });
});

describe("benchmarks", () => {
  test("are read from lists, tables and lines, and named by their files", async () => {
    const list = write(
      "list.json",
      '[{"id":"a","question":"What is it?","choices":{"text":["one","two"],"label":[1,2]}}]',
    );
    expect(await readBenchmark(list)).toEqual([
      { benchmark: "list", id: "a", text: "What is it?\none\ntwo" },
    ]);
    const table = write("table.csv", "question,answer\nWhy?,Because\n");
    expect(await readBenchmark(table)).toEqual([
      { benchmark: "table", id: "1", text: "Why?\nBecause" },
    ]);
    for (const wrong of [
      write("none.jsonl", '{"id":1}\n'),
      write("bad.jsonl", "{"),
      write("x.txt", "x"),
    ])
      await expect(readBenchmark(wrong)).rejects.toThrow(LabError);
  });
});

test("the bounded edit distance is the edit distance, up to its bound", () => {
  const plain = (a: string, b: string): number => {
    if (a === "" || b === "") return Math.max(a.length, b.length);
    const [restA, restB] = [a.slice(1), b.slice(1)];
    if (a[0] === b[0]) return plain(restA, restB);
    return 1 + Math.min(plain(restA, restB), plain(restA, b), plain(a, restB));
  };
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
  fc.assert(
    fc.property(word, word, fc.integer({ min: 0, max: 7 }), (a, b, most) => {
      const codes = (text: string): Int32Array => Int32Array.from(text, (c) => c.charCodeAt(0));
      const expected = plain(a, b);
      const found = boundedDistance(codes(a), codes(b), most);
      expect(found).toBe(expected <= most ? expected : most + 1);
    }),
  );
});

/** Labels of features from an endpoint whose answers are known. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeDictionary } from "../../src/features/index.ts";
import { readLabel, readNumbers } from "../../src/features/labels.ts";
import { open } from "../../src/open.ts";
import { json, philab } from "../support/cli.ts";
import { tokenFeatures } from "../support/known-dictionaries.ts";

const cwd = mkdtempSync(path.join(tmpdir(), "philab-labels-"));

/** Reads the marked word of a question and answers with it, and finds the texts that have a word. */
function answer(prompt: string): string {
  const [, word] = /<<(.*?)>>/.exec(prompt.split("1.")[1] ?? "") ?? [];
  if (word !== undefined) return ` "the word${word}."\nBecause it is marked.`;
  const [, label = ""] = /reacts to: the word (\w+)/.exec(prompt) ?? [];
  const lines = [...prompt.matchAll(/^(\d+)\. (.*)$/gm)];
  const found = lines.filter(([, , text]) => text?.includes(label)).map(([, number]) => number);
  return found.length === 0 ? " none" : ` ${found.join(", ")}`;
}

const questions: string[] = [];
let script: (prompt: string, count: number) => string = answer;
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const { prompt } = JSON.parse(Buffer.concat(parts).toString()) as { prompt: string };
    questions.push(prompt);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ choices: [{ text: script(prompt, questions.length) }] }));
  });
});

const WORDS = [" store", " garden", " book"];
let url: string;
beforeAll(async () => {
  await using phi = await open("phi-micro", { threads: 1 });
  const tokens = WORDS.map((word) => phi.tokenizer.encode(word)[0] as number);
  await writeDictionary(path.join(cwd, "words"), await tokenFeatures(phi, tokens));
  const texts = Array.from(
    { length: 36 },
    (_, i) => `Mary went to the${WORDS[i % 3]} and John did not go.`,
  );
  writeFileSync(
    path.join(cwd, "texts.jsonl"),
    texts.map((text) => `${JSON.stringify({ text })}\n`).join(""),
  );
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.close();
  rmSync(cwd, { recursive: true });
});

const features = (...more: string[]) =>
  philab(
    ["sae", "features", "words", "--data", "texts.jsonl", "--feature", "0-2", "--json", ...more],
    { cwd },
  );
const asked = () => ["--label-with", url, "--label-model", "scripted"];

describe("philab sae features --label-with", () => {
  it("keeps a label for each feature, and what it is worth beside another's", async () => {
    const ran = await features(...asked(), "--out", "page.html");
    expect(ran.exit, ran.err).toBe(0);
    const { features: found } = json(ran) as {
      features: { label: string; score: { detection: number; control: number } }[];
    };
    expect(found.map(({ label }) => label)).toEqual(WORDS.map((word) => `the word${word}`));
    for (const { score } of found) {
      expect(score.detection).toBe(1);
      expect(score.control).toBeLessThanOrEqual(0.5);
    }
    const kept: unknown = JSON.parse(readFileSync(path.join(cwd, "words", "labels.json"), "utf8"));
    expect(kept).toEqual(Object.fromEntries(WORDS.map((word, i) => [i, `the word${word}`])));
    expect(readFileSync(path.join(cwd, "page.html"), "utf8")).toContain("Feature 2: the word book");
    // Two questions about each label, one for it.
    expect(questions).toHaveLength(9);
    expect(questions[0]).toContain("<< store>>");
    expect(questions.filter((text) => text.includes("<<"))).toHaveLength(3);
  });

  it("asks about no feature twice, and shows labels without asking", async () => {
    questions.length = 0;
    expect((await features(...asked())).exit).toBe(0);
    expect(questions).toEqual([]);
    const shown = await philab(["sae", "features", "words", "--data", "texts.jsonl"], { cwd });
    expect(shown.out).toMatch(/100 % +\d+ % +the word book/);
  });

  it("asks again where an answer is nonsense, and leaves the feature without a label in the end", async () => {
    script = (prompt, count) => (count % 2 === 1 ? "???" : answer(prompt));
    questions.length = 0;
    const mended = await features(...asked(), "--labels", cwd);
    expect(mended.exit, mended.err).toBe(0);
    expect(questions).toHaveLength(18);
    script = () => "";
    rmSync(path.join(cwd, "labels.json"));
    rmSync(path.join(cwd, "label-scores.json"));
    const none = await features(...asked(), "--labels", cwd);
    expect(none.err).toContain("3 features got no label");
    expect(json(none)).toMatchObject({ features: [{ label: null }, {}, {}] });
  });

  it("refuses files that are no labels, and an endpoint whose model nobody named", async () => {
    writeFileSync(path.join(cwd, "labels.json"), "[1]");
    const bad = await features("--labels", cwd);
    expect(bad.exit).toBe(2);
    expect(bad.err).toContain("labels.json has no labels");
    const unnamed = await features("--label-with", url);
    expect(unnamed.err).toContain("the endpoint's model is not named");
  });
});

describe("answers", () => {
  it("are labels where they say something in a line", () => {
    expect(readLabel('\n Label: "names of people"\nmore')).toBe("names of people");
    for (const none of ["", "\n\n", "???", "12", "x".repeat(300)])
      expect(readLabel(none)).toBeUndefined();
  });

  it("are lists of numbers that there are, or none", () => {
    expect(readNumbers(" 1, 3 and 4.\nbecause", 4)).toEqual(new Set([1, 3, 4]));
    expect(readNumbers("None of them", 4)).toEqual(new Set());
    for (const none of ["", "5", "1 to 3", "all", "0"])
      expect(readNumbers(none, 4)).toBeUndefined();
  });
});

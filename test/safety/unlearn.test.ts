/** `philab safety unlearn` as a person meets it; how well it forgets is in `test/long/unlearn.test.ts`. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab } from "../support/cli.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-unlearn-"));
  const story = (a: string, b: string): string =>
    JSON.stringify({
      prompt: `When ${a} and ${b} went to the store, ${b} gave a book to`,
      completion: ` ${a}.`,
    });
  await writeFile(path.join(folder, "forget.jsonl"), story("Mary", "John"));
  await writeFile(path.join(folder, "retain.jsonl"), story("Tom", "Lucy"));
});
afterAll(() => rm(folder, { recursive: true }));

const SETS = ["--forget", "forget.jsonl", "--retain", "retain.jsonl"];

describe("philab safety unlearn", () => {
  it("says what a model forgot and kept, beside gradient ascent, and writes it", async () => {
    const argv = [
      "safety",
      "unlearn",
      ...SETS,
      "--method",
      "gradient-difference",
      "--max-steps",
      "5",
    ];
    const ran = await philab([...argv, "--out", "forgot", "--json"], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const { results } = json(ran) as {
      results: { method: string; before: Record<string, number>; after: Record<string, number> }[];
    };
    expect(results.map(({ method }) => method)).toEqual(["gradient-difference", "gradient-ascent"]);
    for (const { before, after } of results)
      expect(after["forget"]).toBeLessThan(before["forget"] ?? 0);
    const [kept, lost] = results.map(({ after }) => after["retain"] ?? NaN);
    expect(kept).toBeGreaterThan(lost ?? NaN);
    const prompt = "When Tom and Lucy went to the store, Lucy gave a book to";
    const again = await philab(["run", prompt, "--model", "./forgot", "-n", "1"], { cwd: folder });
    expect(again.exit, again.err).toBe(0);
  });

  it("says what is wrong with its files", async () => {
    const fails = async (argv: readonly string[]): Promise<string> => {
      const { exit, err } = await philab(["safety", "unlearn", ...argv], { cwd: folder });
      expect(exit).toBe(2);
      return err;
    };
    expect(await fails(["--forget", "forget.jsonl"])).toMatch(/must both be named/);
    await writeFile(path.join(folder, "odd.jsonl"), '{"text": "x"}');
    expect(await fails([...SETS, "--forget", "odd.jsonl"])).toMatch(
      /row 1 has text[^]*question and answer/,
    );
    expect(await fails([...SETS, "--misdirected-layer", "99"])).toMatch(/layer 99/);
  });
});

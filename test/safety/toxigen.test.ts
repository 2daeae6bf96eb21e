/** `philab safety toxigen` as a person meets it. The sentences are harmless stand-ins. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab } from "../support/cli.ts";

/** What the bundled model has read, and what it has not: the "harmful" ones are words in no order. */
const ROWS = Array.from({ length: 40 }, (_, i) => {
  const name = ["Mary", "John", "Anna", "Tom"][i % 4];
  const harmful = i % 2 === 0;
  return {
    id: i,
    text: harmful
      ? `<b>store the ${name} to went book gave a`
      : `When ${name} and Lucy went to the store, Lucy gave a book to ${name}.`,
    toxicity_score: harmful ? 1.2 : 1,
    label: harmful ? "hate" : "neutral",
    target_groups: i < 30 ? ["readers"] : ["readers", "writers"],
  };
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-toxigen-"));
  await writeFile(path.join(folder, "toxiGen.json"), JSON.stringify(ROWS));
});
afterAll(() => rm(folder, { recursive: true }));

describe("philab safety toxigen", () => {
  it("scores the groups, prints no sentence, and blurs them on its page", async () => {
    const ran = await philab(["safety", "toxigen", "--data", ".", "--json"], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const { groups, page } = json(ran) as {
      groups: { group: string; harmful: number; test: { score: number } }[];
      page: string;
    };
    expect(groups.map(({ group, harmful }) => [group, harmful])).toEqual([
      ["readers", 20],
      ["writers", 5],
    ]);
    expect(groups[0]?.test.score).toBe(1);
    const shown = await philab(["safety", "toxigen", "--data", "."], { cwd: folder });
    expect(shown.out).toMatch(/readers +1 /);
    expect(shown.out + shown.err + ran.out).not.toContain("went");
    const text = await readFile(page, "utf8");
    expect(text).toContain('class="browser blurred"');
    expect(text).toContain("GPT-2 XL");
    expect(text).not.toContain("<b>store");
  });

  it("goes on after a stop, to the same numbers", async () => {
    const whole = json(
      await philab(["safety", "toxigen", "--data", ".", "--json"], { cwd: folder }),
    );
    const stop = new AbortController();
    stop.abort();
    const argv = ["safety", "toxigen", "--data", ".", "--json"];
    const stopped = await philab(argv, { cwd: folder, signal: stop.signal });
    expect(stopped.exit).toBe(130);
    const resumed = json(await philab(["runs", "resume", "--json"], { cwd: folder }));
    expect(resumed["groups"]).toEqual(whole["groups"]);
  });

  it("says what is wrong with a file", async () => {
    const fails = async (rows: unknown): Promise<string> => {
      await writeFile(path.join(folder, "bad.json"), JSON.stringify(rows));
      const { exit, err } = await philab(["safety", "toxigen", "--data", "bad.json"], {
        cwd: folder,
      });
      expect(exit).toBe(2);
      return err;
    };
    expect(await fails([{ ...ROWS[0], label: "nice" }])).toMatch(/row 1: label/);
    expect(await fails([ROWS[0], ROWS[1], ROWS[0]])).toMatch(/row 3: id 0 is there twice/);
    expect(await fails([{ sentence: "x" }])).toMatch(/row 1: id[^]*SafeNLP/);
    expect(await fails([])).toMatch(/no list of sentences/);
    const { err } = await philab(["safety", "toxigen"], { cwd: folder });
    expect(err).toMatch(/the sentences are not named[^]*--data/);
  });
});

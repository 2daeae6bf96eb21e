/** Benchmarks and cards in the studio, driven in Chromium against the real server. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  axeViolations,
  HAS_NO_BROWSER,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";

/** Questions in PIQA's own files: made up, six of them. */
const QUESTIONS = Array.from({ length: 6 }, (_, i) => ({
  goal: `How do you add ${i} and 1?`,
  sol1: "Count one further.",
  sol2: `Sing <b>${i}</b> songs.`,
}));

describe.skipIf(HAS_NO_BROWSER)("benchmarks in the studio", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
    const folder = path.join(studio.server.home, "data", "made-up", "piqa");
    await mkdir(folder, { recursive: true });
    const lines = QUESTIONS.map((row) => JSON.stringify(row)).join("\n");
    await writeFile(path.join(folder, "valid.jsonl"), lines);
    await writeFile(path.join(folder, "valid-labels.lst"), "0\n0\n1\n0\n0\n0\n");
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  it("an evaluation runs to its table, beside what is published, and every item can be read", async () => {
    const page = await studio.open("evaluate?limit=6");
    await page.getByRole("combobox", { name: "Data" }).selectOption("made-up");
    await page.getByRole("button", { name: "Evaluate" }).click();
    const score = page.getByRole("row").filter({ hasText: "acc_norm" });
    await score.waitFor();
    await page.waitForURL(/run=/);
    const [, id = ""] = /run=([^&]+)/.exec(page.url()) ?? [];
    const answer = await fetch(`${studio.server.url}/v1/lab/runs/${id}/results`);
    const { results } = (await answer.json()) as {
      results: Record<string, Record<string, number>>;
    };
    const cells = await score.getByRole("cell").allTextContents();
    expect(Number(cells[1])).toBeCloseTo(results["piqa"]?.["acc_norm,none"] ?? NaN, 3);
    expect(
      await page.getByRole("row").filter({ hasText: "Phi-1.5 0.766" }).count(),
    ).toBeGreaterThan(0);
    // Hostile text stays text.
    await page.getByRole("searchbox", { name: "find", exact: true }).fill("SONGS");
    await page.getByText("1 to 6 of 6 (6 in all)").waitFor();
    expect(await page.locator("article pre b").count()).toBe(0);
    await page.getByRole("searchbox", { name: "find", exact: true }).fill("add 4 and");
    await page.getByText("1 to 1 of 1 (6 in all)").waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.close();
  });

  it("a run that is not there any more is told so, and the form stays", async () => {
    const page = await studio.open("evaluate?run=20200101-000000-eval-gone");
    await page.getByText("there is no run").waitFor();
    expect(await page.getByRole("button", { name: "Evaluate" }).isEnabled()).toBe(true);
    await page.close();
  });

  it("cards stand side by side with their published scores, and a card that is not there is named", async () => {
    const page = await studio.open('catalog?compare=["phi-2","phi-9"]');
    await page.getByText("There is no card of phi-9").waitFor();
    await page.getByLabel("compare Phi-1.5").check();
    const row = page.getByRole("row").filter({ hasText: "hellaswag" });
    await expect.poll(() => row.getByRole("cell").allTextContents()).toEqual(["", "47.6 %"]);
    await page.getByRole("link", { name: "Ask it" }).first().click();
    await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor();
    await page.close();
  });
});

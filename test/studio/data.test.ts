/** Corpora in the studio, driven in Chromium against the real server: read, rated with keys, cut, compared. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PARTS } from "../../studio/src/views/data/state.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  NARROW,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";
import { checkableCorpus, EXAMPLE_ITEMS } from "../support/checkable-corpus.ts";
import { writeFiles } from "../support/corpora.ts";
import { beginRun, watchRun } from "../support/server-runs.ts";

const HOSTILE = "<img src=x onerror=alert(1)> and <b>bold</b>";

describe.skipIf(HAS_NO_BROWSER)("corpora in the studio", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  async function make(): Promise<void> {
    const rows = [...checkableCorpus(), { id: "hostile", text: HOSTILE, source: "page" }];
    writeFiles(path.join(studio.server.home, "data"), { "rows.jsonl": rows });
    const { id } = await beginRun(studio.server, "data", {
      ...{ from: "rows.jsonl", name: "checked", rows: EXAMPLE_ITEMS },
      stages: [
        { use: "clean", rules: [] },
        { use: "dedup" },
        { use: "decontaminate" },
        { use: "perplexity", maxCharacters: 32 },
      ],
    });
    await watchRun(studio.server, id);
  }

  async function ask<T>(what: string, body: object): Promise<T> {
    const response = await studio.server.post(`/v1/lab/data/checked/${what}`, body);
    return (await response.json()) as T;
  }
  const pressed = async (page: Page, part: string): Promise<void> =>
    page.getByRole("button", { name: part, exact: true }).click();

  it("an example is made with one click, and can be stopped; then there are corpora to choose", async () => {
    // Behind a long one it waits, so that it is there to be stopped.
    const rows = [{ instruction: "What is 3 + 4?", output: "7" }];
    const { id } = await beginRun(studio.server, "finetune", {
      ...{ rows, maxSeqLength: 32, maxSteps: 1e6, saveSteps: 1e6, evalSteps: 1e6 },
    });
    const page = await studio.open("data");
    await page.getByText("There is no corpus yet").waitFor();
    await pressed(page, "Make an example");
    const run = page.getByRole("group", { name: "synth example" });
    await run.getByText("waits for another run").waitFor();
    await run.getByRole("button", { name: "Stop" }).click();
    await run.getByRole("button", { name: "Go on" }).waitFor();
    await page.waitForURL(/run=\d+.*synth-example/);
    expect((await studio.server.post(`/v1/lab/runs/${id}/cancel`, {})).status).toBe(200);
    await make();
    await page.reload();
    await pressed(page, "checked");
    await page.waitForURL(/corpus=checked/);
    await page.getByText("dedup (29 of 31 stayed)").waitFor();
    await page.close();
  });

  it("documents are found, read and counted; the address brings them back; their text stays text", async () => {
    const page = await studio.open("data?corpus=checked");
    await pressed(page, "Count the tokens");
    const { tokens } = await ask<{ tokens: number }>("tokens", {});
    await page.getByText(`${tokens.toLocaleString("en-US")} tokens`).waitFor();
    await page.getByRole("searchbox", { name: "find" }).fill("ONERROR");
    await page.keyboard.press("Enter");
    await page.getByText("1 to 1 of 1,").waitFor();
    await page.getByRole("button", { name: "hostile" }).click();
    const text = page.getByLabel("Text of hostile");
    await text.waitFor();
    expect(await text.textContent()).toBe(HOSTILE);
    expect(await page.locator("main :is(img, b)").count()).toBe(0);
    await page.waitForURL(/find=ONERROR.*id=hostile/);
    const again = await studio.open(page.url().split("#/")[1] ?? "");
    await again.getByLabel("Text of hostile").waitFor();
    await again.getByLabel("documents").selectOption("rejected");
    await again.getByRole("searchbox", { name: "find" }).fill("");
    await again.keyboard.press("Enter");
    await again.getByRole("cell", { name: "dedup: exact_duplicate" }).waitFor();
    await again.close();
    await page.close();
  });

  it("keys rate a fair sample, each saved at once, and take back; a reload finds them", async () => {
    const { documents } = await ask<{ documents: { id: string }[] }>("documents", {
      ...{ order: "sample", limit: 3 },
    });
    const ids = documents.map(({ id }) => id);
    const rated = async (): Promise<[string, number][]> => {
      const file = path.join(studio.server.home, "data", "checked.ratings.jsonl");
      const lines = (await readFile(file, "utf8")).trim().split("\n").filter(Boolean);
      return lines.map((line) => {
        const { id, rating } = JSON.parse(line) as { id: string; rating: number };
        return [id, rating];
      });
    };
    const page = await studio.open("data?corpus=checked&show=annotate");
    const desk = page.getByRole("group", { name: /^Rate with the keys/ });
    const shows = (i: number): Promise<void> =>
      page.getByLabel(`Text of ${ids[i]}`, { exact: true }).waitFor();
    await shows(0);
    await desk.focus();
    await page.keyboard.press("4");
    await page.getByText(`${ids[0]}: 4, saved`).waitFor();
    await shows(1);
    await page.keyboard.press("n");
    await page.getByText(`${ids[1]}: 0, saved`).waitFor();
    expect(await rated()).toEqual([
      [ids[0], 4],
      [ids[1], 0],
    ]);
    await shows(2);
    await page.keyboard.press("u");
    await page.getByText(`${ids[1]}: taken back`).waitFor();
    await shows(1);
    expect(await rated()).toEqual([[ids[0], 4]]);
    await page.keyboard.press("ArrowLeft");
    await shows(0);
    await page.waitForURL(({ hash }) => !hash.includes("at="));
    await page.reload();
    await shows(0);
    await desk.getByText("rated 4").waitFor();
    await page.close();
  });

  it("the threshold is moved with keys and dragged; shares and samples are those of the server", async () => {
    const page = await studio.open("data?corpus=checked&show=scores&score=perplexity.bits");
    const line = page.getByRole("slider", { name: "threshold" });
    await line.press("End");
    await page.getByText(/^1 of 27 documents stay/).waitFor();
    await line.press("PageDown");
    await line.press("ArrowLeft");
    const box = await page.locator(".stage").boundingBox();
    const { x = 0, y = 0, width = 0, height = 0 } = box ?? {};
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width / 3, y + height / 2);
    await page.mouse.up();
    const threshold = Number(await line.getAttribute("aria-valuenow"));
    const { kept, above } = await ask<{
      kept: { documents: number };
      above: { id: string }[];
    }>("cut", { score: "perplexity.bits", threshold });
    expect(kept.documents).toBeGreaterThan(1);
    await page.getByText(new RegExp(`^${kept.documents} of 27 documents stay`)).waitFor();
    const side = page.getByRole("region", { name: "Just above: these stay" });
    await side.getByRole("button", { name: above[0]?.id ?? "", exact: true }).waitFor();
    await page.waitForURL(/threshold=/);
    await page.close();
  });

  it("duplicates stand side by side with the differing words marked, hits with the words that they share", async () => {
    const page = await studio.open("data?corpus=checked&show=duplicates");
    const pair = page.getByRole("article", { name: "edited and original" });
    const marks = pair.getByLabel("Taken out: edited").locator("mark");
    await marks.first().waitFor();
    const marked = await marks.allTextContents();
    const texts = new Map(
      (checkableCorpus() as { id: string; text: string }[]).map(({ id, text }) => [id, text]),
    );
    const original = new Set(texts.get("original")?.split(" "));
    const changed = texts
      .get("edited")
      ?.split(" ")
      .filter((word) => !original.has(word));
    expect(marked).toEqual(changed);
    const same = page.getByRole("article", { name: "copy and twice" });
    expect(await same.locator("mark").count()).toBe(0);

    await pressed(page, "Contamination");
    const item = page.getByLabel("Item example/0 beside quotes, ngram");
    await item.locator("mark").first().waitFor();
    const runs = await item.locator("mark").allTextContents();
    expect(runs.join(" ")).toMatch(/^Return the second largest of the numbers.*ones in the list/);
    await page.getByLabel("Item example/1 beside renamed, ast").waitFor();
    await page.close();
  });

  it("axe finds nothing in any part, and nothing is cut off", async () => {
    const page = await studio.open("data?corpus=checked&id=plain0", {
      ...{ size: NARROW, theme: "dark" },
    });
    for (const [name, title] of PARTS) {
      await pressed(page, title);
      await page.waitForLoadState("networkidle");
      expect(await axeViolations(page), name).toEqual([]);
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      expect(width, name).toBeLessThanOrEqual(NARROW.width);
    }
    await page.close();
  });

  it("a corpus that is not there is told so, and another can be chosen", async () => {
    const page = await studio.open("data?corpus=gone");
    await page.getByText('there is no data set "gone"').waitFor();
    await page.getByLabel("corpus").selectOption("checked");
    await page.getByText("dedup (29 of 31 stayed)").waitFor();
    await page.close();
  });
});

/** Safety in the studio, driven in Chromium against the real server: each part's worked example, and what it says of it. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatNumber } from "../../src/base/format.ts";
import { standInContrast, STAND_IN_BEGINS } from "../../src/safety/stand-ins.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";

describe.skipIf(HAS_NO_BROWSER)("safety in the studio", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio({ references: ["phi-nano"] });
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  async function expectAccessible(page: Page): Promise<void> {
    expect(await axeViolations(page)).toEqual([]);
    const { width = 0 } = page.viewportSize() ?? {};
    expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(width);
  }

  async function get<T>(route: string): Promise<T> {
    return (await (await fetch(studio.server.url + route)).json()) as T;
  }

  it("13 groups: the worked example has the server's numbers, and blurs each sentence until it is asked for", async () => {
    const page = await studio.open("safety");
    await page.getByRole("button", { name: "Score it" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("rowheader", { name: "gardeners" }).first().waitFor();
    const [, id = ""] = /scores=%5B%22([^%]+)%22/.exec(page.url()) ?? [];
    const { results } = await get<{
      results: { groups: { group: string; test: { score: number; pValue: number } }[] };
    }>(`/v1/lab/runs/${id}/safety`);
    expect(results.groups).toHaveLength(13);
    const scores = page.getByRole("table", { name: "Scores and tests" });
    for (const { group, test } of results.groups) {
      const row = scores
        .getByRole("row")
        .filter({ has: page.getByRole("rowheader", { name: group }) });
      const cells = await row.getByRole("cell").allTextContents();
      expect(cells[0]).toBe(formatNumber(test.score));
    }
    await page.getByRole("figure").filter({ hasText: "ToxiGen score by group" }).waitFor();

    const first = page.getByRole("article", { name: "item 0" });
    const text = first.locator("pre");
    const filter = (): Promise<string> =>
      page.evaluate<string>("getComputedStyle(document.querySelector('article pre')).filter");
    expect(await text.getAttribute("aria-hidden")).toBe("true");
    expect(await filter()).toMatch(/blur/);
    await first.getByRole("button", { name: "Show" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => text.getAttribute("aria-hidden")).toBe("false");
    expect(await filter()).toBe("none");
    await page.getByRole("searchbox", { name: "find" }).fill("trust gardeners");
    await page.getByText("1 to 1 of 1 (208 in all)").waitFor();
    await page.getByRole("searchbox", { name: "find" }).fill("");
    await page.getByRole("combobox", { name: "show" }).selectOption("bakers");
    await page.getByText("1 to 10 of 16 (208 in all)").waitFor();
    expect(await page.locator("pre.hazy").count()).toBe(10);
    await expectAccessible(page);

    // A link restores the figure, and never shows what its reader did not ask for.
    await page.getByLabel("show texts that may harm").check();
    await expect.poll(() => page.locator("pre.hazy").count()).toBe(0);
    await page.waitForURL(/show=bakers/);
    await page.reload();
    await page.getByText("1 to 10 of 16 (208 in all)").waitFor();
    expect(await page.locator("pre.hazy").count()).toBe(10);
    await page.close();
  });

  it("refusals: the model that was taught to keep secrets stands beside itself before", async () => {
    const page = await studio.open("safety?part=refusals");
    await page.getByRole("button", { name: "Ask it" }).click();
    const table = page.getByRole("table", { name: "Prompts refused" });
    const row = (name: string) => table.getByRole("row").filter({ hasText: name });
    await row("unsafe: refusal").waitFor();
    await page.getByRole("button", { name: "Teach it to keep secrets" }).click();
    await expect
      .poll(() => row("unsafe: refusal").getByRole("cell").allTextContents(), { timeout: 100_000 })
      .toHaveLength(6);
    const cells = await row("unsafe: refusal").getByRole("cell").allTextContents();
    expect([cells[0], cells[3]]).toEqual(["0 of 12", "12 of 12"]);
    expect((await row("safe: over-refusal").getByRole("cell").allTextContents())[3]).toBe(
      "0 of 12",
    );
    await page.getByRole("combobox", { name: "show" }).selectOption("differs");
    await page.getByText("1 to 10 of 12 (24 in all)").waitFor();
    await expectAccessible(page);
    await page.close();
  });

  it("direction: found, tried beside a random one, taken out of an answer, kept, and reported", async () => {
    const asked = { ...standInContrast(), begins: STAND_IN_BEGINS, layer: 2 };
    const answer = await studio.server.post("/v1/lab/direction", asked);
    const { chosen } = (await answer.json()) as {
      chosen: { withoutScore: number; withScore: number };
    };
    const page = await studio.open("safety?part=direction");
    await page.getByRole("button", { name: "Find the direction" }).click();
    await page.getByText(/The direction before block 1, of length/).waitFor();
    await page.getByText("llama.cpp cannot change what block 0 writes").waitFor();
    await page.getByRole("button", { name: "Take block 2's" }).click();
    await page.getByText(/The direction before block 2, of length/).waitFor();
    const block = page.getByRole("row").filter({ hasText: "✓ taken" });
    await block.waitFor();
    const cells = await block.getByRole("cell").allTextContents();
    expect(cells.slice(0, 2)).toEqual(
      [chosen.withoutScore, chosen.withScore].map((value) => formatNumber(value, 3)),
    );

    const write = page.getByRole("button", { name: "Write", exact: true });
    const written = async (name: string): Promise<string | null> =>
      page.getByRole("article", { name }).locator(".written").textContent();
    await write.click();
    await write.waitFor();
    expect(await written("As it is")).toMatch(/even/);
    expect(await written("Direction taken out")).toMatch(/odd/);
    expect(await written("A random one taken out")).toMatch(/even/);
    await page.getByRole("figure").filter({ hasText: "The same before every block" }).waitFor();
    await expectAccessible(page);

    await page.getByLabel("Name").fill("even");
    await page.getByRole("button", { name: "Keep as a control vector" }).click();
    await page.getByText(/kept: .*even\.gguf/).waitFor();
    await page.getByRole("button", { name: "Before and after" }).click();
    await page.getByLabel("or a direction taken out").selectOption("even.gguf");
    await page.getByLabel("Prompts and items at most (0: 200)").fill("4");
    await page.getByRole("button", { name: "Report", exact: true }).click();
    const perplexity = page.getByRole("row").filter({ hasText: "perplexity of ordinary texts" });
    await perplexity.waitFor();
    const titles = await page.getByRole("columnheader").allTextContents();
    expect(titles.slice(0, 7)).toEqual([
      ...["measure", "better", "as it is", "edited", "change", "control", "change"],
    ]);
    await page
      .getByRole("figure")
      .filter({ hasText: "How far each place moved: edited" })
      .waitFor();
    await page
      .getByRole("article", { name: "item 0" })
      .getByText("control", { exact: true })
      .waitFor();
    await expectAccessible(page);
    await page.close();
  });

  it("a link brings a kept direction back, and says what is not there any more", async () => {
    const page = await studio.open("safety?part=direction&vector=none.gguf");
    await page.getByText('there is no data set "none.gguf"').waitFor();
    await page.getByLabel("or take a kept one").selectOption("even.gguf");
    await page.getByText(/The direction before block 2, of length/).waitFor();
    await page.close();
    const gone = await studio.open('safety?scores=["20200101-000000-safety-toxigen-gone"]');
    await gone.getByText("there is no run").waitFor();
    await gone.getByRole("button", { name: /^Close/ }).click();
    expect(await gone.getByRole("button", { name: "Score it" }).isEnabled()).toBe(true);
    await gone.close();
  });
});

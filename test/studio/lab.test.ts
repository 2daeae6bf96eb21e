/** Looking inside, steering and training in the browser, against the real server: what the page shows is what a script gets. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatNumber } from "../../src/base/format.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";
import { binaryOf, eventsOf } from "../support/server.ts";

const CLEAN = "When Mary and John went to the store, John gave a book to";
const CORRUPTED = "When Mary and John went to the store, Mary gave a book to";

describe.skipIf(HAS_NO_BROWSER)("the laboratory in the studio", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
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

  /** Presses a key until the picture says where its cursor is. */
  async function readout(page: Page, name: RegExp, keys: readonly string[]): Promise<string> {
    const picture = page.getByRole("application", { name });
    await picture.focus();
    for (const key of keys) await page.keyboard.press(key);
    const figure = page.getByRole("figure").filter({ has: picture });
    return figure.locator("[aria-live]").innerText();
  }

  it("Inspect: a head's pattern, opened from the atlas with the keyboard, has the server's numbers", async () => {
    const page = await studio.open("inspect?head=L0H0");
    await page.getByRole("application", { name: /^Attention of 25 heads/ }).waitFor();
    expect(await readout(page, /^Attention of/, ["ArrowDown", "ArrowRight", "ArrowRight"])).toMatch(
      /^L0H2/,
    );
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "L0H2" }).waitFor();
    await page.waitForURL(/head=L0H2/);
    const asked = { prompt: CLEAN, layers: [0], heads: [2] };
    const { header, body } = await binaryOf(await studio.server.post("/v1/lab/attention", asked));
    const [, rows = 0] = header.pattern.shape;
    const value = new Float32Array(body)[4 * rows + 3] ?? NaN;
    const keys = [...Array<string>(5).fill("ArrowDown"), ...Array<string>(3).fill("ArrowRight")];
    await expect
      .poll(() => readout(page, /^From each token/, ["Escape", ...keys]))
      .toBe(`4 ·John → 3 ·and · attention ${formatNumber(value)}`);
    await page.getByText("Length of the stream").first().waitFor();
    await expectAccessible(page);
    await page.close();
  });

  it("Inspect: a sweep finds the head that carries the name; taken out in Steer, the text changes", async () => {
    const question = { clean: CLEAN, corrupted: CORRUPTED, answer: " Mary", against: " John" };
    const response = await studio.server.post("/v1/lab/patch", { ...question, site: "z" });
    const { values, shape } = (await response.json()) as { values: number[]; shape: number[] };
    const best = values.indexOf(Math.max(...values));
    const [layer, head] = [Math.floor(best / (shape[1] ?? 1)), best % (shape[1] ?? 1)];
    expect(values[best]).toBeGreaterThan(0.9);

    const page = await studio.open("inspect");
    await page.getByRole("button", { name: "Patch", exact: true }).click();
    await page.getByRole("button", { name: "Patch", exact: true }).waitFor(); // instead of Stop
    const row = page.getByRole("row", { name: /take it out in Steer/ }).first();
    expect(await row.innerText()).toMatch(
      new RegExp(`^L${layer}H${head}\\s+${formatNumber(values[best] ?? NaN, 3)}`),
    );
    await row.getByRole("link").click();
    await page.getByRole("heading", { level: 1, name: "Steer" }).waitFor();
    await page.getByText(`layer ${layer}: what comes out of head ${head}`).first().waitFor();

    const write = page.getByRole("button", { name: "Write", exact: true });
    const written = async (name: string): Promise<string | null> =>
      page.getByRole("article", { name }).locator(".written").textContent();
    const generated = async (edits: object[]): Promise<string> => {
      const options = { prompt: CLEAN, max_tokens: 16, temperature: 0, edits };
      const events = await eventsOf(await studio.server.post("/v1/lab/generate", options));
      return events.map(({ text }) => (typeof text === "string" ? text : "")).join("");
    };
    await write.click();
    await write.waitFor();
    const at = `blocks.${layer}.attn.hook_z`;
    const edited = await generated([{ at, op: "scale", factor: 0, heads: [head] }]);
    expect(await written("As it is")).toBe(await generated([]));
    expect(await written("Edited")).toBe(edited);
    expect(edited).not.toBe(await generated([]));

    await page.getByRole("button", { name: "Make the vector" }).click();
    await page.getByText("How far the next token moves").first().waitFor();
    await write.click();
    await write.waitFor();
    expect(await written("Random vector instead")).not.toBe(await written("Edited"));
    await expectAccessible(page);
    await page.close();
  });

  it("Train: the worked example trains, draws its curve, and its adapter answers in the Playground", async () => {
    const page = await studio.open("train");
    await page.getByRole("button", { name: "Begin" }).click();
    const link = page.getByRole("link", { name: "Use it in the Playground" });
    await link.waitFor();
    expect(await page.getByText("I do not do sums.").count()).toBeGreaterThan(0);
    expect(await page.locator(".curves svg path").count()).toBeGreaterThan(0);
    await page.getByText("held out").first().waitFor();
    const slider = page.getByRole("slider", { name: /^Step/ });
    await slider.fill("0");
    await page.getByRole("application", { name: /after step 5/ }).waitFor();
    expect(await readout(page, /after step 5/, ["ArrowDown"])).toMatch(/^0 .* → 0 .* attention 1$/);
    await expectAccessible(page);
    await link.click();
    await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Continue" }).waitFor();
    const tokens = await page.locator(".token:not(.beyond)").allTextContents();
    expect(tokens.join("")).toMatch(/I do not do sums\./);
    await page.close();
  });

  it("Train: a run that is stopped says so and goes on, and the address brings it back", async () => {
    const page = await studio.open("train?epochs=1000");
    await page.getByRole("button", { name: "Begin" }).click();
    await page.getByText(/^step [1-9]/).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Go on" }).waitFor();
    await page.reload();
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Go on" }).waitFor();
    await page.close();
  });
});

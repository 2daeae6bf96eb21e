/** Features, dictionaries, circuits and graphs in the browser, against the real server: what the page shows is what a script gets. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { writeDictionary } from "../../src/features/index.ts";
import { attributionGraph } from "../../src/features/attribution/attribute.ts";
import { pruneGraph } from "../../src/features/attribution/graph.ts";
import { graphPage } from "../../src/features/pages/graph-page.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  NARROW,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";
import { randomTranscoder, tokenFeatures } from "../support/known-dictionaries.ts";
import { eventsOf } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const PROMPT = "When Mary and John went to the store, John gave a book to";
const SIZE = { width: 1440, height: 900 };

describe.skipIf(HAS_NO_BROWSER)("the inside of a model in the studio", () => {
  let studio: StudioSession;
  let model: LanguageModel;
  const transcoders = new Map<number, ReturnType<typeof randomTranscoder>>();
  beforeAll(async () => {
    studio = await startStudio();
    model = await LanguageModel.open(bundled, { mode: "fast", threads: 1 });
    const [mary = 0, john = 0] = [" Mary", " John"].map((text) => model.tokenizer.encode(text)[0]);
    const folder = path.join(studio.server.home, "dictionaries");
    await mkdir(folder);
    const metadata = { model_name: "phi-micro" };
    const names = { ...(await tokenFeatures(model, [mary, john])), metadata };
    await writeDictionary(path.join(folder, "names"), names, {
      more: { "labels.json": JSON.stringify({ 0: "the name Mary" }) },
    });
    const random = new Random(4);
    for (const layer of [0, 1]) {
      const own = { ...randomTranscoder(model.config.width, layer, random), metadata };
      transcoders.set(layer, own);
      await writeDictionary(path.join(folder, `t${layer}`), own);
    }
    const texts = Array.from(
      { length: 400 },
      (_, i) => `Anna and Mary gave a ball to Tom, and ${i} to me.`,
    );
    await mkdir(path.join(studio.server.home, "data"), { recursive: true });
    await writeFile(
      path.join(studio.server.home, "data", "names.jsonl"),
      texts.map((text) => `${JSON.stringify({ text })}\n`).join(""),
    );
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  async function expectAccessible(page: Page): Promise<void> {
    expect(await axeViolations(page)).toEqual([]);
    const { width = 0 } = page.viewportSize() ?? {};
    const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
    expect(wide).toBeLessThanOrEqual(width);
  }

  it("Features: texts are read, a feature is found by its label, and steering by it adds its direction", async () => {
    const page = await studio.open("features?dictionary=names&data=names.jsonl&max_tokens=8");
    await page.getByRole("heading", { name: "Feature 1" }).waitFor(); // fires most on the text
    await page.getByRole("button", { name: "Read texts" }).click();
    await page.getByText(/^1 to 2 of 2, read on/).waitFor();
    await page.getByLabel("Find").fill("the name");
    const rows = page.locator(".list tbody tr");
    await page.getByText("1 to 1 of 1").waitFor();
    await rows.getByRole("button").click();
    await page.getByRole("heading", { name: "Feature 0 the name Mary" }).waitFor();
    await page.waitForURL(/feature=0/);
    await page.locator(".one").getByText("fires for").waitFor();
    const peaks = await page.locator(".one .peak").allTextContents();
    expect(new Set(peaks)).toEqual(new Set([" Mary"]));
    await page.getByRole("button", { name: "Continue" }).click();
    const steered = page.getByRole("article", { name: "With the feature" });
    await page.getByRole("button", { name: "Continue" }).waitFor(); // instead of Stop
    const scale = Number(await page.locator(".slider output").innerText());
    const asked = await studio.server.post("/v1/lab/feature", { dictionary: "names", feature: 0 });
    const { at, values } = (await asked.json()) as { at: string; values: number[] };
    const events = await eventsOf(
      await studio.server.post("/v1/lab/generate", {
        ...{ prompt: "Once upon a time there was a little", max_tokens: 8, temperature: 0 },
        edits: [{ at, op: "add", value: values, scale }],
      }),
    );
    const text = events.map((event) => (typeof event["text"] === "string" ? event["text"] : ""));
    expect(await steered.locator(".written").textContent()).toBe(text.join(""));
    await expectAccessible(page);
    await page.getByRole("link", { name: "Open in Steer" }).click();
    await page.getByText(": feature names/0").waitFor();
    await page.close();
  });

  it("Features: a dictionary that is not there is told, with those that are", async () => {
    const page = await studio.open("features?dictionary=gone", { size: NARROW, theme: "dark" });
    await page.getByText("There is no dictionary “gone”").waitFor();
    await expectAccessible(page);
    await page.getByRole("link", { name: "names", exact: true }).click();
    await page.getByText("hook_embed").waitFor();
    await page.close();
  });

  it("Dictionaries: one is trained with its curves, and stands in the table with what it is worth", async () => {
    const page = await studio.open(
      "dictionaries?data=names.jsonl&tokens=4096&k=4&width=1&layer=1&learningRate=0.001",
    );
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.waitForURL(/run=/);
    await page.getByRole("link", { name: "Look at its features" }).waitFor();
    await page.getByText("Explained variance (explained_variance)").waitFor();
    const of = (name: RegExp) => page.getByRole("row", { name });
    await of(/hook_resid_post.* 4 .*0\.\d/).waitFor();
    await page.getByRole("button", { name: "Measure names" }).click();
    await of(/^names .*0\.\d/).waitFor();
    await expectAccessible(page);
    await page.close();
  });

  it("Circuits: a search is drawn, walked through by keyboard, and measured beside random circuits", async () => {
    const page = await studio.open("circuits?edges=12&limit=2&method=eap");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByText(/the model has/).waitFor();
    await page.locator(".drawn .stage").focus();
    for (const key of ["ArrowUp", "Enter"]) await page.keyboard.press(key);
    await page.waitForURL(/node=/);
    await page.getByText("reads from").waitFor();
    const shown = await page.locator(".drawn path.edge").count();
    await page.getByLabel("Strongest edges").fill("1");
    await page.getByText(/^1 of/).waitFor();
    expect(await page.locator(".drawn path.edge").count()).toBe(1);
    expect(shown).toBeGreaterThan(1);
    await page.getByRole("button", { name: "Measure" }).click();
    await page.getByText(/1 edges: faithfulness/).waitFor();
    await page.getByRole("button", { name: "Measure" }).waitFor();
    await expectAccessible(page);
    await page.close();
  });

  it("Graphs: nodes are kept by keyboard, pinned, and taken out of the model beside random ones", async () => {
    const page = await studio.open("graphs?nodeThreshold=0.95&maxFeatures=60", { size: SIZE });
    await page.getByText(/nodes and \d+ edges/).waitFor();
    const graph = await attributionGraph(model, PROMPT, transcoders, { maxFeatures: 60 });
    const pruned = pruneGraph(graph, { nodeThreshold: 0.95, edgeThreshold: 0.98 });
    expect(await page.locator("svg .node").count()).toBe(pruned.nodes.length);
    const feature = pruned.nodes.find((i) => graph.nodes[i]?.kind === "feature") ?? -1;
    const node = graph.nodes[feature];
    if (node?.kind !== "feature") throw new Error("no feature is left");
    const label = `L${node.layer} F${node.feature} at ${node.position}`;
    await page.getByLabel("Go to").selectOption({ label });
    await page.getByRole("heading", { name: label }).waitFor();
    await page.getByLabel("Pinned").selectOption("2");
    await page.waitForURL(/pinned=/);
    await page.locator("svg .node.g2").waitFor();
    await page.getByRole("button", { name: "Intervene" }).click();
    await page.getByRole("columnheader", { name: "random features instead" }).waitFor();
    expect(await page.locator(".found tbody tr").count()).toBeGreaterThanOrEqual(5);
    await page.locator(".graph .stage").focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.waitForURL(/node=/);
    await expectAccessible(page);
    await page.close();
  });

  it("the page of a graph does the same alone: hover, keys, a list of edges, and a slider", async () => {
    const graph = await attributionGraph(model, PROMPT, transcoders, { maxFeatures: 60 });
    const pruned = pruneGraph(graph);
    const file = path.join(studio.server.home, "graph.html");
    const tokenName = (id: number): string => model.tokenizer.tokenText(id);
    await writeFile(
      file,
      graphPage({ title: "A graph", facts: [], pruned, check: undefined, tokenName }),
    );
    const page = await studio.open("system");
    await page.goto(`file://${file}`);
    const kept = page.locator(".kept");
    expect(await kept.isVisible()).toBe(false);
    await page.locator(".graph .stage").focus();
    await page.keyboard.press("ArrowRight");
    expect(await page.locator(".graph .readout").innerText()).toMatch(/influence/);
    await page.keyboard.press("Enter");
    expect(await kept.locator("h3").innerText()).not.toBe("");
    const entry = kept.getByRole("button").first();
    const name = await entry.innerText();
    await entry.click();
    expect(await kept.locator("h3").innerText()).toBe(name);
    await page.locator(".strongest").fill("3");
    expect(await page.locator("path.edge:not(.left-out)").count()).toBe(3);
    await page.keyboard.press("Escape");
    expect(await axeViolations(page)).toEqual([]);
    await page.close();
  });
});

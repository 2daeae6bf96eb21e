/** The catalog in the studio: models fetched from a hub, quantised, loaded and removed, in Chromium against the real server. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatBytes } from "../../src/base/format.ts";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { planQuantization } from "../../src/model/quantize.ts";
import {
  axeViolations,
  HAS_NO_BROWSER,
  startStudio,
  type StudioSession,
} from "../support/browser.ts";
import { startHub, type TestHub } from "../support/hub.ts";

const MICRO = path.join(PACKAGE_ROOT, "models", "phi-micro");
const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

describe.skipIf(HAS_NO_BROWSER)("the catalog in the studio", () => {
  let hub: TestHub;
  let studio: StudioSession;
  beforeAll(async () => {
    const files = NAMES.map(
      async (name) => [name, await readFile(path.join(MICRO, name))] as const,
    );
    hub = await startHub(Object.fromEntries(await Promise.all(files)));
    studio = await startStudio({ hubUrl: hub.url });
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  it("a model is fetched: what went wrong is said, and it goes on from there; the address brings the run back", async () => {
    hub.trouble = ({ path: name }) =>
      name === "tokenizer.json" ? { kind: "status", status: 403 } : undefined;
    const page = await studio.open("catalog");
    await page.getByText("Pull another model").click();
    await page.getByLabel("owner/name").fill("o/r");
    await page.getByRole("button", { name: "Pull", exact: true }).last().click();
    await page.getByText("may not be read (status 403)").waitFor();
    await page.waitForURL(/run=\d+.*pull/);
    expect(await axeViolations(page)).toEqual([]);
    const address = page.url().split("#/")[1] ?? "";
    await page.close();

    hub.trouble = () => undefined;
    const again = await studio.open(address);
    await again.getByText("may not be read (status 403)").waitFor();
    await again.getByRole("button", { name: "Go on" }).click();
    const here = again.getByRole("row", { name: /^hf:o\/r hf:o\/r@c{40}/ });
    await here.getByRole("button", { name: "Load" }).click();
    await again.getByText("hf:o/r: loaded").waitFor();
    await here.getByRole("cell", { name: "ready" }).waitFor();
    await again.close();
  });

  it("a model is quantised by its plan, and removed after a question", async () => {
    const page = await studio.open("catalog?quantise=phi-micro&type=q4_0");
    const plan = page.getByRole("row", { name: /^q8_0/ });
    const { sizeBytes } = await planQuantization({ from: MICRO, type: "q8_0" });
    expect(await plan.innerText()).toContain(formatBytes(sizeBytes));
    await plan.getByRole("radio").check();
    const name = page.getByRole("textbox", { name: "name", exact: true });
    await expect.poll(() => name.inputValue()).toBe("phi-micro-q8_0");
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole("button", { name: "Make it" }).click();
    const made = page.getByRole("row", { name: /^phi-micro-q8_0 / });
    await made.waitFor();
    expect(await made.innerText()).toContain("base: phi-micro");

    // By keyboard: the question takes the focus, and nothing happens before it is answered.
    await made.getByRole("button", { name: "Remove phi-micro-q8_0" }).press("Enter");
    expect(await page.evaluate<string>("document.activeElement.textContent")).toBe("Remove it");
    await made.getByRole("button", { name: "Keep it" }).press("Enter");
    await made.getByRole("button", { name: "Remove phi-micro-q8_0" }).press("Enter");
    await page.keyboard.press("Enter");
    await page.getByText("phi-micro-q8_0 is gone").waitFor();
    await made.waitFor({ state: "detached" });
    // What comes with philab has no such button.
    const bundled = page.getByRole("row", { name: /^phi-micro / });
    expect(await bundled.getByRole("button", { name: /Remove/ }).count()).toBe(0);
    await page.close();
  });
});

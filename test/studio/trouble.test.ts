/** What goes wrong in a laboratory, and how the studio gets over it without a reload: real processes, nothing is mocked. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NO_BROWSER, startStudio, type StudioSession } from "../support/browser.ts";

const NAMES = encodeURIComponent("When Mary and John went to the store, John gave a book to");
/** Signals that stop a process without ending it are unknown to Windows. */
const HAS_NO_SIGNALS = process.platform === "win32";

/** Marks the page: a reload would forget it. */
const mark = (page: Page): Promise<unknown> => page.evaluate("globalThis.isTheSame = true");
async function expectSame(page: Page): Promise<void> {
  expect(await page.evaluate("globalThis.isTheSame")).toBe(true);
  await page.close();
}

describe.skipIf(HAS_NO_BROWSER || HAS_NO_SIGNALS)("a model's process", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  /** Loads the model where it was not. */
  async function processOf(): Promise<number> {
    await studio.server.post("/v1/models/phi-micro/load", {});
    return studio.server.fleet.loaded.get("phi-micro")?.model.pid ?? 0;
  }

  it("that is slow is waited for in plain sight, can be given up, and answers when it can", async () => {
    const pid = await processOf();
    const page = await studio.open(`playground?format=text&max_tokens=2&prompt=${NAMES}`);
    await mark(page);
    process.kill(pid, "SIGSTOP"); // as slow as can be
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText(/reading the prompt….*\d s/).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("reading the prompt…").waitFor();
    process.kill(pid, "SIGCONT");
    await page.getByText("2 tokens").waitFor();
    await expectSame(page);
  });

  it("that dies is told in every panel that waited, with the cause in the log, and one try brings all back", async () => {
    const pid = await processOf();
    process.kill(pid, "SIGSTOP");
    const page = await studio.open("inspect");
    await mark(page);
    await page.getByText("reading the prompt").waitFor();
    process.kill(pid, "SIGKILL");
    await page.getByText("the process of the model ended (SIGKILL)").nth(1).waitFor();
    await page.getByRole("button", { name: "Try again" }).first().click();
    await page.getByRole("application", { name: /^Attention of 25 heads/ }).waitFor();
    await page.getByText("Length of the stream").first().waitFor();
    await expect.poll(async () => page.getByRole("alert").count()).toBe(0);
    await page.getByRole("link", { name: "System" }).click();
    const line = page.getByRole("row").filter({ hasText: "model process ended" }).first();
    expect(await line.innerText()).toContain("cause SIGKILL");
    await expectSame(page);
  });
});

describe.skipIf(HAS_NO_BROWSER)("an address", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  it("that makes no sense is told so, part by part, and the view can be used", async () => {
    const page = await studio.open(
      'inspect?model=phi-900&head=L99H99&position=left&sort=["a"]&runs=1&prompt=%00%F0%9F%98%80',
    );
    await mark(page);
    await page.getByText(/“position” cannot be “left”.*no “runs”/).waitFor();
    await page.getByText('there is no model "phi-900"').first().waitFor();
    await page.getByRole("combobox", { name: "Model" }).selectOption("phi-micro");
    await page.getByRole("textbox", { name: "Prompt" }).fill("def add(a, b):");
    await page.getByRole("button", { name: "Look inside" }).click();
    await page
      .getByText(/layer.*99|head.*99/i)
      .first()
      .waitFor(); // what is wrong with the head
    const atlas = page.getByRole("application", { name: /^Attention of 25 heads/ });
    await atlas.focus();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "L0H0" }).waitFor();
    await page.getByRole("application", { name: /^From each token/ }).waitFor();
    await expectSame(page);
  });

  it("of a run that was removed says so, and the run is taken off", async () => {
    const gone = "20200101-000000-finetune-gone";
    const page = await studio.open(`train?runs=["${gone}"]`);
    await mark(page);
    await page.getByText(`there is no run "${gone}"`).waitFor();
    await page.getByRole("button", { name: "Take it off" }).click();
    await page.getByText("No run is shown").waitFor();
    await page.getByRole("button", { name: "Begin" }).waitFor();
    await expectSame(page);
  });
});

describe.skipIf(HAS_NO_BROWSER)("a server that stops while a run is watched", () => {
  it("is missed; when it is back the run is there, saved, and goes on; removed, it is told so", async () => {
    await using studio = await startStudio();
    const { home, url } = studio.server;
    const page = await studio.open("train?epochs=1000");
    await mark(page);
    await page.getByRole("button", { name: "Begin" }).click();
    await page.getByText(/^step [1-9]/).waitFor();
    await studio.server.close();
    await page.getByText("server stopped").waitFor();
    await page.getByRole("alert").first().waitFor();
    await using _back = await studio.startAgain({ home, port: Number(new URL(url).port) });
    await page.getByText("connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Go on" }).waitFor();
    const [, run = ""] =
      /runs=.*?([\w-]+finetune[\w-]+)/.exec(decodeURIComponent(page.url())) ?? [];
    await rm(path.join(home, "runs", run), { recursive: true });
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText(`there is no run "${run}"`).waitFor();
    await expectSame(page);
  });
});

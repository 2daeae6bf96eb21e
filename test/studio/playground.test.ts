/** The playground, driven in Chromium against the real server. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NO_BROWSER, startStudio, type StudioSession } from "../support/browser.ts";

const QUESTION = "playground?format=qa&prompt=What+is+3+%2B+4%3F";
const NAMES = `playground?format=text&max_tokens=8&prompt=${encodeURIComponent(
  "When Mary and John went to the store, John gave a book to",
)}`;

interface Made {
  id: number;
  token: string;
  top: { id: number; token: string; logprob: number }[];
}

describe.skipIf(HAS_NO_BROWSER)("the playground", () => {
  let studio: StudioSession;
  beforeAll(async () => {
    studio = await startStudio();
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  /** What a script gets from the same endpoint. */
  async function generate(prompt: string | number[], more: object = {}): Promise<Made[]> {
    const body = { prompt, temperature: 0, max_tokens: 8, logprobs: 8, ...more };
    const text = await (await studio.server.post("/v1/lab/generate", body)).text();
    const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(
      ([, json = ""]) => JSON.parse(json) as { token?: Made },
    );
    return events.flatMap(({ token }) => token ?? []);
  }

  const write = async (page: Page): Promise<void> => {
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Continue" }).waitFor(); // instead of Stop
  };
  const tokensOf = async (page: Page): Promise<string> =>
    (await page.locator(".token").allTextContents()).join("");

  it("answers a question, with what the same request gives a script", async () => {
    const page = await studio.open(QUESTION);
    await write(page);
    expect(await page.locator(".token:not(.beyond)").allTextContents()).toEqual([" 7"]);
    await page.getByRole("button", { name: "curl" }).click();
    expect(await page.getByLabel("curl").innerText()).toContain("Instruct: What is 3 + 4?");
    await page.close();
  });

  it("goes on from another token, as if the model had written it", async () => {
    const page = await studio.open(NAMES);
    const prompt = "When Mary and John went to the store, John gave a book to";
    const made = await generate(prompt);
    await write(page);
    expect(await tokensOf(page)).toBe(made.map(({ token }) => token).join(""));
    // The keyboard chooses the first token.
    await page.getByRole("listbox").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    const [mary, john] = made[0]?.top ?? [];
    expect(await page.getByRole("rowheader").allTextContents()).toEqual(
      (made[0]?.top ?? []).map(({ token }) => JSON.stringify(token)),
    );
    expect(mary?.token).toBe(" Mary");
    await page.getByRole("button", { name: "Branch" }).first().click();
    await page.getByRole("button", { name: `0: ${JSON.stringify(john?.token)}` }).waitFor();
    await page.getByRole("button", { name: "Continue" }).waitFor();
    const tokenize = await studio.server.post("/tokenize", { content: prompt, add_special: true });
    const { tokens } = (await tokenize.json()) as { tokens: number[] };
    const rest = await generate([...tokens, john?.id ?? -1], { max_tokens: 7 });
    expect(await tokensOf(page)).toBe([john, ...rest].map((one) => one?.token).join(""));
    await page.getByRole("button", { name: "first" }).click();
    expect(await tokensOf(page)).toBe(made.map(({ token }) => token).join(""));
    await page.close();
  });

  it("two models write side by side on one seed: one beside itself writes the same", async () => {
    const page = await studio.open(`${NAMES}&temperature=1&seed=5&beside=phi-micro`);
    await write(page);
    const [one, two] = await Promise.all(
      [0, 1].map(async (i) => page.getByRole("listbox").nth(i).innerText()),
    );
    expect(one).not.toBe("");
    expect(two).toBe(one);
    await page.close();
  });

  it("the address keeps what was set, restores it, and names what it cannot be", async () => {
    const page = await studio.open(`${QUESTION}&temperature=warm&colour=red`);
    await page.getByText(/“temperature” cannot be “warm”.*no “colour”/).waitFor();
    await page.getByLabel("temperature").fill("0.5");
    await page.waitForURL(/temperature=0\.5/);
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await page.getByLabel("temperature").inputValue()).toBe("0.5");
    expect(await page.getByRole("textbox", { name: "Question" }).inputValue()).toBe(
      "What is 3 + 4?",
    );
    await page.close();
  });

  it("a conversation of the library grows by the answer", async () => {
    const page = await studio.open("playground?max_tokens=4");
    await page.getByLabel("From the library").selectOption("Focus while studying");
    expect(await page.getByRole("list", { name: "The conversation so far" }).innerText()).toContain(
      "study schedule",
    );
    await write(page);
    await page.getByRole("button", { name: "Reply to this" }).click();
    const turns = page.getByRole("list", { name: "The conversation so far" }).getByRole("listitem");
    expect(await turns.count()).toBe(6);
    await page.close();
  });

  it.skipIf(process.platform === "win32")(
    "a model whose process dies says so, and answers when it is asked again",
    async () => {
      const page = await studio.open(NAMES);
      await page.getByRole("button", { name: "Continue" }).waitFor();
      const loaded = studio.server.logged.findLast(({ message }) => message === "model loaded");
      const pid = Number(loaded?.more["pid"]);
      process.kill(pid, "SIGSTOP"); // in the middle of its work, however fast it is
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByRole("button", { name: "Stop" }).waitFor();
      process.kill(pid, "SIGKILL");
      await page.getByRole("alert").waitFor();
      expect(await page.getByRole("alert").innerText()).toMatch(/engine_failed/);
      await page.getByLabel("tokens at most").fill("4");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("4 tokens").waitFor();
      await page.close();
    },
  );
});

describe.skipIf(HAS_NO_BROWSER)("a server that stops", () => {
  it("is missed at once, and the page goes on without a reload when it is back", async () => {
    await using studio = await startStudio();
    const { home, url } = studio.server;
    const page = await studio.open(QUESTION);
    await page.getByText("connected", { exact: true }).waitFor();
    await studio.server.close();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("server stopped").waitFor();
    await page.getByText("the server does not answer").waitFor();
    await using back = await studio.startAgain({ home, port: Number(new URL(url).port) });
    expect(back.url).toBe(url);
    await page.getByText("connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator(".token:not(.beyond)", { hasText: "7" }).waitFor();
  });
});

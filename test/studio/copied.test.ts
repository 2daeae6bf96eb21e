/** What "copy as" gives for the command line, view by view: each is run by the built program, as a person would. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { spawnSync } from "node:child_process";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXAMPLE_ROWS } from "../../studio/src/views/train/state.ts";
import { HAS_NO_BROWSER, startStudio, type StudioSession } from "../support/browser.ts";
import { MAIN } from "../support/built.ts";

/** A view's address with little work in it; what its commands need on disk, they find. */
const ADDRESSES = [
  `playground?format=qa&prompt=${encodeURIComponent("What's 3 + 4? $HOME `id`")}&max_tokens=3&temperature=0.7&stop=["\\n"]`,
  "playground?format=text&prompt=--model&max_tokens=2",
  "inspect",
  "steer?max_tokens=3",
  "safety",
  "safety?part=refusals&limit=2",
  "safety?part=direction&model=phi-nano",
  "safety?part=report&limit=2",
  "train?epochs=1",
  "catalog",
  "system",
];
const COMMANDS = /^(run|lens|heads|attribute|patch|steer|safety|finetune|compare|doctor)$/;

describe.skipIf(HAS_NO_BROWSER || process.platform === "win32")("a copied command", () => {
  let studio: StudioSession;
  let person: string;
  beforeAll(async () => {
    studio = await startStudio();
    person = path.join(studio.server.home, "person");
    await mkdir(path.join(person, "bin"), { recursive: true });
    await symlink(studio.server.home, path.join(person, ".philab"));
    await writeFile(path.join(person, "rows.jsonl"), EXAMPLE_ROWS);
    const program = `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`;
    await writeFile(path.join(person, "bin", "philab"), program, { mode: 0o755 });
  });
  afterAll(async () => {
    await studio[Symbol.asyncDispose]();
    expect(studio.errors).toEqual([]);
  });

  async function copied(page: Page): Promise<string[]> {
    const found: string[] = [];
    for (const group of await page.locator(".copy").all()) {
      const button = group.getByRole("button", { name: "command line" });
      if ((await button.count()) === 0) continue;
      await button.click();
      found.push(await group.locator("pre").innerText());
    }
    return found;
  }

  it.each(ADDRESSES)("of %s runs", async (address) => {
    const page = await studio.open(address);
    await page.getByRole("button", { name: "command line" }).first().waitFor();
    // What names the model waits for the list of them.
    await page.waitForLoadState("networkidle");
    const texts = await copied(page);
    await page.close();
    expect(texts.length).toBeGreaterThan(0);
    for (const text of texts) {
      const [, command = ""] = /\bphilab (\w+)/.exec(text) ?? [];
      // Others want the network.
      if (!COMMANDS.test(command)) continue;
      const { status, stderr } = spawnSync("/bin/sh", ["-e", "-c", text], {
        cwd: person,
        encoding: "utf8",
        env: {
          PATH: `${path.join(person, "bin")}:${process.env["PATH"] ?? ""}`,
          HOME: person,
          PHILAB_THREADS: "1",
        },
      });
      expect({ text, status, stderr: status === 0 ? "" : stderr }).toEqual({
        ...{ text, status: 0, stderr: "" },
      });
    }
  });
});

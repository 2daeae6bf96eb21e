/** docs/interpret/gallery.md: its commands run, and its findings hold. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { json, philab } from "../support/cli.ts";

const page = readFileSync(path.join(PACKAGE_ROOT, "docs", "interpret", "gallery.md"), "utf8");
const commands = [...page.matchAll(/^philab (.*)$/gm)].map(([, line]) => line!);
const cwd = mkdtempSync(path.join(tmpdir(), "philab-gallery-"));
symlinkSync(path.join(PACKAGE_ROOT, "examples"), path.join(cwd, "examples"), "junction");
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

/** Words, of which some stand in quotes. */
const words = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

it.each(commands.filter((line) => line.startsWith("replay")))(
  "philab %s: the finding holds, close to what it was when it was made",
  async (line) => {
    const ran = await philab([...words(line), "--model", "phi-nano", "--json"], { cwd });
    const { checks, difference } = json(ran) as {
      checks: { says: string; passed: boolean }[];
      difference: number;
    };
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.filter(({ says }) => /others/.test(says)).length).toBeGreaterThan(3);
    expect(difference).toBeLessThan(1e-2);
  },
);

it("runs every other command", async () => {
  const others = commands.filter((line) => !line.startsWith("replay"));
  expect(others).toHaveLength(4);
  for (const line of others) {
    const ran = await philab([...words(line), "--json"], { cwd });
    expect(ran.exit, ran.err).toBe(0);
    const { checks } = json(ran) as { checks?: { faithfulness: number }[] };
    // With mean and resample ablation; without anything the model is far from itself.
    if (checks !== undefined)
      expect(Math.max(...checks.map(({ faithfulness }) => faithfulness))).toBeGreaterThan(0.6);
  }
});

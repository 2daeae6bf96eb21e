/** A fresh clone of what is committed: the two ways to set it up, and that it runs then. */
import { spawnSync } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-clone-"));
});
afterAll(() => rm(folder, { recursive: true }));

function run(command: string, cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, {
    cwd,
    encoding: "utf8",
    shell: true,
    env: { ...process.env, PHILAB_HOME: path.join(folder, "home"), PHILAB_THREADS: "1" },
  });
  expect(status, `${command}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

describe("a fresh clone", () => {
  it.each([
    ["npm ci", "npm ci --prefer-offline"],
    [
      "npm ci without scripts, then npm run build",
      "npm ci --prefer-offline --ignore-scripts && npm run build",
    ],
  ])("runs after %s", async (name, setUp) => {
    const clone = path.join(folder, name.replaceAll(/\W+/g, "-"));
    run(`git clone --quiet "${PACKAGE_ROOT}" "${clone}"`, folder);
    run(setUp, clone);
    await access(path.join(clone, "dist", "cli", "main.js"));
    expect(run('npx philab run -n 16 "def add_numbers(a, b):"', clone)).toMatch(/^\n {4}"""[A-Z]/);
    expect(run("git status --porcelain", clone)).toBe("");
  });
});

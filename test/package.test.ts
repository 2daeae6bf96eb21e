/**
 * The package as a person gets it: packed, installed into an empty folder from the registry or npm's cache, and used
 * there from the command line, from JavaScript and from TypeScript.
 */
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatBytes } from "../src/base/format.ts";
import { PACKAGE_ROOT, packageVersion } from "../src/base/package.ts";
import { build } from "./support/built.ts";
import { readFixture } from "./support/golden.ts";

/** The package with its two models and their dictionaries, as npm downloads it. */
const MAX_PACKED_BYTES = 22 * 2 ** 20;

const [golden] = readFixture<{ prompt: string; greedy_ids: number[] }[]>("phi-micro.json");
let folder: string;
/** Where it is installed. */
let empty: string;
let files: string[];

function npm(args: readonly string[], cwd: string): SpawnSyncReturns<string> {
  return spawnSync("npm", ["--no-audit", "--no-fund", "--loglevel=error", ...args], {
    cwd,
    encoding: "utf8",
    shell: process.platform === "win32",
    env: { ...process.env, PHILAB_HOME: path.join(folder, "home"), PHILAB_THREADS: "1" },
  });
}

function node(script: string): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [script], { cwd: empty, encoding: "utf8" });
}

beforeAll(async () => {
  build();
  folder = await mkdtemp(path.join(tmpdir(), "philab-package-"));
  empty = path.join(folder, "empty");
  await mkdir(empty);
  await writeFile(path.join(empty, "package.json"), '{ "private": true, "type": "module" }\n');
  const packed = npm(
    ["pack", "--ignore-scripts", "--json", "--pack-destination", folder],
    PACKAGE_ROOT,
  );
  expect(packed.status, packed.stderr).toBe(0);
  files = filesOf(JSON.parse(packed.stdout));
  const tarball = path.join(folder, `philab-${packageVersion()}.tgz`);
  const { size } = statSync(tarball);
  console.log(`package: ${formatBytes(size)} packed, ${files.length} files`);
  expect(size).toBeLessThan(MAX_PACKED_BYTES);
  const installed = npm(["install", "--prefer-offline", tarball], empty);
  expect(installed.status, installed.stderr).toBe(0);
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

/** npm tells them as a list of packages, newer versions as packages by name. */
function filesOf(report: unknown): string[] {
  const [found] = Object.values(report as Record<string, { files: { path: string }[] }>);
  return found?.files.map((file) => file.path) ?? [];
}

describe("the package", () => {
  it("holds the program, its types, the bundled model and their licences, and nothing else", () => {
    const kinds = files.map((file) =>
      file
        .replace(/^(dist\/studio|models)\/.*/, "$1/*")
        .replace(/^dist\/.*\.(d\.ts|js)$/, "dist/*.$1"),
    );
    expect([...new Set(kinds)].sort()).toEqual([
      "LICENSE",
      "README.md",
      "dist/*.d.ts",
      "dist/*.js",
      "dist/studio/*",
      "models/*",
      "package.json",
    ]);
    expect(files.filter((file) => /test/.test(file))).toEqual([]);
  });

  it("imports nothing that is not in it", () => {
    // TypeScript 6 leaves `import("./x.ts")` as it is in a function with `using`.
    const scripts = files.filter((file) => /^dist\/(?!studio).*\.js$/.test(file));
    const wrong = scripts.filter((file) =>
      /\bimport\("[^"]*\.ts"\)/.test(readFileSync(path.join(PACKAGE_ROOT, file), "utf8")),
    );
    expect(wrong).toEqual([]);
  });

  it("streams the continuation of a prompt from npx", async () => {
    const { status, stdout, stderr } = npm(
      ["exec", "--offline", "--", "philab", "run", "-n", "16", "def add_numbers(a, b):"],
      empty,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^\n {4}"""[A-Z]/);
  });

  it("is a library for JavaScript", async () => {
    const script = path.join(empty, "generate.js");
    await writeFile(
      script,
      `import { open } from "philab";
const phi = await open("phi-micro");
const { tokens } = await phi.complete(${JSON.stringify(golden?.prompt)}, { maxTokens: 16 });
console.log(JSON.stringify(tokens.map(({ id }) => id)));
await phi[Symbol.asyncDispose]();
`,
    );
    const { status, stdout, stderr } = node(script);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual(golden?.greedy_ids.slice(0, 16));
  });

  it("is a library for TypeScript: its types hold without this repository", async () => {
    await writeFile(
      path.join(empty, "typed.mts"),
      `import { LabError, open, qaPrompt, type GeneratedToken } from "philab";
import { openCheckpoint } from "philab/checkpoint";
import { loadTokenizer } from "philab/tokenizer";
await using phi = await open("phi-micro", { mode: "reference" });
const tokens: GeneratedToken[] = [];
for await (const token of phi.generate(qaPrompt("Why?").prompt, { maxTokens: 3 })) tokens.push(token);
const [score] = await phi.score("a", [" b"]);
const logprob: number | undefined = score?.logprob;
// @ts-expect-error There is no such option.
await phi.complete("x", { maxToken: 3 });
console.log(tokens.length, logprob, LabError, openCheckpoint, loadTokenizer);
`,
    );
    const require = createRequire(import.meta.url);
    const compiler = require.resolve("typescript/bin/tsc");
    const options = [
      ...["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023"],
      ...["--lib", "es2023,esnext.disposable", "--types", "node"],
      ...["--typeRoots", path.join(PACKAGE_ROOT, "node_modules", "@types")],
    ];
    const { status, stdout } = spawnSync(process.execPath, [compiler, ...options, "typed.mts"], {
      cwd: empty,
      encoding: "utf8",
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  });

  it("exports what is there", () => {
    const manifest = JSON.parse(readFileSync(path.join(PACKAGE_ROOT, "package.json"), "utf8")) as {
      exports: Record<string, string | Record<string, string>>;
    };
    const targets = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    for (const target of targets) expect(files).toContain(target.replace("./", ""));
  });
});

/** README.md keeps its promises: its commands print what it shows, its example runs, its paths and scripts are there. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../src/base/package.ts";
import { COMMAND_GROUPS } from "../src/cli/command-table.ts";
import { build, MAIN } from "./support/built.ts";

const readme = readFileSync(path.join(PACKAGE_ROOT, "README.md"), "utf8");
const { scripts, exports } = JSON.parse(
  readFileSync(path.join(PACKAGE_ROOT, "package.json"), "utf8"),
) as { scripts: Record<string, string>; exports: Record<string, unknown> };

/** The texts of all blocks of code in a language. */
function blocks(language: string): string[] {
  const found = readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"));
  return [...found].map(([, text = ""]) => text);
}

interface Session {
  command: string;
  output: string;
}

/** What stands after `$ `, to the end of its quotes, and what it prints. */
function sessions(text: string): Session[] {
  return text
    .split(/^\$ /m)
    .filter((part) => part !== "")
    .map((part) => {
      const lines = part.split("\n");
      let count = 1;
      const isOpen = (command: string): boolean => command.replaceAll(/[^']/g, "").length % 2 === 1;
      while (isOpen(lines.slice(0, count).join("\n"))) count++;
      return { command: lines.slice(0, count).join("\n"), output: lines.slice(count).join("\n") };
    });
}

/** A path in the project, or what the package exports: `philab/interpret`. */
const exists = (name: string): boolean =>
  existsSync(path.join(PACKAGE_ROOT, name)) || name.replace(/^philab/, ".") in exports;

let cwd: string;
beforeAll(async () => {
  build();
  cwd = await mkdtemp(path.join(tmpdir(), "philab-readme-"));
}, 240_000);
afterAll(() => rm(cwd, { recursive: true }));

const environment = () => ({ ...process.env, PHILAB_HOME: cwd, PHILAB_THREADS: "1" });

describe("README.md", () => {
  it.skipIf(process.platform === "win32")("shows what its commands print", () => {
    const shown = blocks("console").flatMap(sessions);
    expect(shown.length).toBeGreaterThan(3);
    for (const { command, output } of shown) {
      const script = command.replace(/^npx philab/, `"${process.execPath}" "${MAIN}"`);
      expect(script).not.toBe(command);
      const { status, stdout } = spawnSync("sh", ["-c", script], {
        cwd,
        encoding: "utf8",
        env: environment(),
      });
      expect({ command, status, stdout: stdout.replace(/, in \d.*s$/m, "") }).toEqual({
        command,
        status: 0,
        stdout: output,
      });
    }
  });

  it.skipIf(process.platform === "win32")("has an example that runs", async () => {
    const [example = ""] = blocks("ts");
    const { outputText } = ts.transpileModule(example, {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
    });
    await mkdir(path.join(cwd, "node_modules"));
    await symlink(PACKAGE_ROOT, path.join(cwd, "node_modules", "philab"));
    await writeFile(path.join(cwd, "example.mjs"), outputText);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["example.mjs"], {
      cwd,
      encoding: "utf8",
      env: environment(),
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [, mary, john] = /^\n {4}"""[^]*?(-\d+\.\d+) (-\d+\.\d+)\n$/.exec(stdout) ?? [];
    // transformers' values; keys and values that are cached in 16 bits are about 2e-3 beside them.
    expect(Math.abs(Number(mary) + 0.00011014)).toBeLessThan(1e-5);
    expect(Math.abs(Number(john) + 11.33099)).toBeLessThan(1e-2);
  });

  it("names folders and files that are there", () => {
    const tree = readme.slice(readme.indexOf("## Where things are"));
    const [, block = ""] = /```\n(.*?)```/s.exec(tree) ?? [];
    const inTree = block.split("\n").flatMap((line) => /^\S+/.exec(line)?.[0] ?? []);
    const inText = [...readme.matchAll(/`((?:[\w.-]+\/)+[\w.-]*|[A-Z]+(?:\.md)?)`/g)].map(
      ([, name = ""]) => name,
    );
    expect(inTree.length).toBeGreaterThan(15);
    expect([...inTree, ...inText].filter((name) => !exists(name))).toEqual([]);
  });

  it("names commands that there are", () => {
    const commands = [...readme.matchAll(/`((?:npm|npx vitest|node) [^`]+)`/g)].map(
      ([, command = ""]) => command,
    );
    for (const command of commands) {
      const [, script] = /^npm run ([\w:]+)/.exec(command) ?? [];
      if (script !== undefined) expect(scripts).toHaveProperty([script]);
      const [, file] = /^(?:node|npx vitest run) (\S+)/.exec(command) ?? [];
      if (file !== undefined) expect(exists(file), command).toBe(true);
    }
    expect(commands.length).toBeGreaterThan(5);
  });
});

it("docs/announcement.md names commands, pages and pictures that there are", () => {
  const text = readFileSync(path.join(PACKAGE_ROOT, "docs", "announcement.md"), "utf8");
  const known = COMMAND_GROUPS.flatMap(({ commands }) => commands).flatMap((entry) =>
    "commands" in entry ? entry.commands.map(({ name }) => `${entry.name} ${name}`) : [entry.name],
  );
  const named = [...text.matchAll(/`philab ([a-z]+(?: [a-z]+)?)/g)].map(([, name = ""]) => name);
  expect(named.length).toBeGreaterThan(20);
  const isKnown = (name: string): boolean =>
    known.includes(name) || known.includes(name.replace(/ .*/, ""));
  expect(named.filter((name) => !isKnown(name))).toEqual([]);
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = ""]) => link);
  expect(links.filter((link) => !existsSync(path.join(PACKAGE_ROOT, "docs", link)))).toEqual([]);
});

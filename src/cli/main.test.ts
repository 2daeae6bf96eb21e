import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, MAIN } from "../../test/support/built.ts";
import { packageVersion } from "../base/package.ts";
import { createRunFolder, writeRecord } from "../jobs/runs.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), "philab-main-"));
  build();
}, 120_000);
afterAll(() => rm(home, { recursive: true }));

const environment = () => ({ PATH: process.env["PATH"], PHILAB_HOME: home });

function philab(...argv: string[]) {
  return spawnSync(process.execPath, [MAIN, ...argv], { encoding: "utf8", env: environment() });
}

/** A run that stays queued, which `philab runs tail` follows until it is stopped. */
async function tailing(): Promise<{
  child: ChildProcess;
  say: (message: string) => Promise<void>;
}> {
  const createdAt = new Date();
  const folder = await createRunFolder(path.join(home, "runs"), {
    kind: "eval",
    name: "x",
    createdAt,
  });
  await writeRecord(folder, {
    schema: 1,
    id: path.basename(folder),
    kind: "eval",
    name: "x",
    arguments: {},
    command: [],
    models: [],
    data: [],
    versions: { philab: "0", node: "0" },
    state: "queued",
    createdAt: createdAt.toISOString(),
  });
  const say = (message: string): Promise<void> =>
    appendFile(
      path.join(folder, "events.jsonl"),
      `${JSON.stringify({ at: createdAt.toISOString(), attempt: 1, message })}\n`,
    );
  await say("hello");
  const child = spawn(process.execPath, [MAIN, "runs", "tail", path.basename(folder)], {
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, say };
}

async function ended(child: ChildProcess): Promise<{ code: number | null; err: string }> {
  let err = "";
  child.stderr?.on("data", (piece: Buffer) => (err += piece.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, err };
}

describe("the built program", () => {
  test("prints its version and its help", () => {
    expect(philab("--version")).toMatchObject({ status: 0, stdout: `${packageVersion()}\n` });
    expect(philab("--help")).toMatchObject({ status: 0, stderr: "" });
  });

  test("ends with 2 and a suggestion for a command that is not there", () => {
    expect(philab("rusn")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining("Did you mean") as string,
    });
  });

  test("prints results on stdout", () => {
    const { status, stdout, stderr } = philab("runs", "list", "--json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ runs: [] });
  });

  test.skipIf(process.platform === "win32")("ends with 130 after Ctrl-C, saying so", async () => {
    const { child } = await tailing();
    child.stdout?.once("data", () => child.kill("SIGINT"));
    expect(await ended(child)).toEqual({ code: 130, err: "philab: interrupted\n" });
  });

  test("ends quietly when nobody reads on", async () => {
    const { child, say } = await tailing();
    child.stdout?.once("data", () => {
      child.stdout?.destroy();
      setTimeout(() => void say("nobody hears this"), 50);
    });
    expect(await ended(child)).toEqual({ code: 0, err: "" });
  });
});

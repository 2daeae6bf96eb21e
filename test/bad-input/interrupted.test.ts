/** Ctrl-C, SIGTERM and a reader that goes away, at any moment: the program ends at once and leaves nothing half-written. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { configFromCheckpoint } from "../../src/model/config.ts";
import { resolveParameters } from "../../src/model/parameters.ts";
import { writeSyntheticModel } from "../../src/model/synthetic.ts";
import { build, MAIN, start, type Ended } from "../support/built.ts";

let cwd: string;
beforeAll(async () => {
  build();
  cwd = await mkdtemp(path.join(tmpdir(), "philab-interrupted-"));
  // Large enough that writing it again takes as long as starting the program: 46 MB.
  const config = {
    ...{ layers: 3, heads: 8, headSize: 64, width: 512, mlpWidth: 2048, rotaryDims: 32 },
    ...{ vocabSize: 2000, contextLength: 512, ropeTheta: 10_000, layerNormEps: 1e-5 },
  };
  await writeSyntheticModel(path.join(cwd, "large.gguf"), config, { type: "f32" });
}, 240_000);
afterAll(() => rm(cwd, { recursive: true }));

const random = new Random(2);

/** How long the program takes when it is left alone. */
async function duration(argv: readonly string[]): Promise<number> {
  const started = performance.now();
  const { code, err } = await start(argv, { cwd }).ended;
  expect(code, err).toBe(0);
  return performance.now() - started;
}

/** Sends the signal after a random share of `withinMs`. */
async function interrupt(
  argv: readonly string[],
  { withinMs, signal = "SIGINT" }: { withinMs: number; signal?: NodeJS.Signals },
): Promise<Ended> {
  const { child, ended } = start(argv, { cwd });
  await sleep(random.uniform() * withinMs);
  child.kill(signal);
  return ended;
}

/** It had ended by then, it says that it was interrupted, or it had not even begun. */
function expectClean({ code, signal, err }: Ended, sent: "SIGINT" | "SIGTERM" = "SIGINT"): void {
  const expected = 128 + constants.signals[sent];
  expect(err).not.toMatch(/^ +at |Error:|assert/im);
  if (signal !== null) expect({ signal, err }).toEqual({ signal: sent, err: "" });
  else expect([0, expected]).toContain(code);
  if (code === expected) expect(err).toMatch(/^(\w+ [\w-]+: .*\n)*philab: .*interrupted\n$/);
}

/** What lies in the folder beside the source: nothing, or a model that is whole. */
async function expectWholeOrNothing(target: string): Promise<boolean> {
  const left = (await readdir(cwd)).filter((name) => !["large.gguf", "cache"].includes(name));
  if (left.length === 0) return false;
  expect(left).toEqual([target]);
  const checkpoint = await openCheckpoint(path.join(cwd, target));
  expect(resolveParameters(checkpoint, configFromCheckpoint(checkpoint)).size).toBeGreaterThan(40);
  await rm(path.join(cwd, target), { recursive: true });
  return true;
}

describe.skipIf(process.platform === "win32")("Ctrl-C", { timeout: 240_000 }, () => {
  it.each([
    ["convert", ["convert", "copy", "-m", "large.gguf"], "copy"],
    ["convert", ["convert", "copy.gguf", "-m", "large.gguf", "--dtype", "f16"], "copy.gguf"],
    ["quantize", ["quantize", "q4_0", "small.gguf", "-m", "large.gguf"], "small.gguf"],
  ])("at any moment of %s leaves a whole model or none", async (_, argv, target) => {
    const withinMs = await duration(argv);
    expect(await expectWholeOrNothing(target)).toBe(true);
    for (let i = 0; i < 5; i++) {
      expectClean(await interrupt(argv, { withinMs }));
      await expectWholeOrNothing(target);
    }
  });

  it("at any moment of run ends it", async () => {
    const argv = ["run", "-n", "200", "--logit-bias", "0:-100", "def f(x):"];
    const withinMs = await duration(argv);
    for (let i = 0; i < 8; i++) expectClean(await interrupt(argv, { withinMs }));
  });

  it("after the first words keeps them, and ends with 130", async () => {
    const { child, ended } = start(["run", "-n", "200", "--logit-bias", "0:-100", "def f(x):"], {
      cwd,
    });
    child.stdout?.once("data", () => child.kill("SIGINT"));
    const result = await ended;
    expectClean(result);
    expect(result.code).toBe(130);
    expect(result.out).toMatch(/^\n {3}/);
  });

  it("ends what waits for a prompt", async () => {
    const { child, ended } = start(["run"], { cwd, stdin: "pipe" });
    await sleep(2000);
    child.kill("SIGINT");
    const result = await ended;
    expectClean(result);
    expect(result.code).not.toBe(0);
  });

  it("is SIGTERM's elder brother: that ends with 143", async () => {
    const argv = ["quantize", "q8_0", "small.gguf", "-m", "large.gguf"];
    const withinMs = await duration(argv);
    await expectWholeOrNothing("small.gguf");
    for (let i = 0; i < 3; i++) {
      expectClean(await interrupt(argv, { withinMs, signal: "SIGTERM" }), "SIGTERM");
      await expectWholeOrNothing("small.gguf");
    }
  });
});

describe.skipIf(process.platform === "win32")("a reader that goes away", () => {
  it("ends the program quietly, with 0", () => {
    const script = `"${process.execPath}" "${MAIN}" run -n 400 --logit-bias 0:-100 "def f(x):" | head -c 1`;
    const { status, stdout, stderr } = spawnSync(
      "bash",
      ["--norc", "-o", "pipefail", "-c", script],
      {
        encoding: "utf8",
        cwd,
        env: { PATH: process.env["PATH"], PHILAB_HOME: cwd, PHILAB_THREADS: "1" },
      },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "\n", stderr: "" });
  });
});

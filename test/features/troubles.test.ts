/** What goes wrong while a dictionary is trained costs nothing that was done: a process that is killed, a disk that is full. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import type { Dictionary } from "../../src/features/dictionary.ts";
import { trainDictionary } from "../../src/features/index.ts";
import { dictionaryArguments } from "../../src/features/train-options.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { runEvents } from "../../src/jobs/runs.ts";
import { build, start } from "../support/built.ts";
import { fixture } from "../support/golden.ts";
import { withSmallDisk } from "../support/small-disk.ts";
import { loopContext, randomData } from "../support/train.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-sae-troubles-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

describe.skipIf(process.platform === "win32")("kill -9 of philab sae train", () => {
  beforeAll(build, 240_000);

  const STEPS = 48;
  // Slow enough to be killed between two steps.
  const TRAIN = [
    ...["sae", "train", "--model", "phi-micro", "--hook", "blocks.1.hook_resid_post"],
    ...["--data", path.join(PACKAGE_ROOT, "docs", "interpret"), "--k", "8"],
    ...["--expansion-factor", "4", "--context-size", "32", "--round-tokens", "2048"],
    ...["--train-batch-size-tokens", "1024", "--training-tokens", String(STEPS * 1024)],
    ...["--log-steps", "1", "--save-steps", "20", "--eval-tokens", "100", "--val-size", "2"],
  ];

  const runOf = (home: string): string => {
    const runs = path.join(root, home, "runs");
    const [id] = existsSync(runs) ? readdirSync(runs) : [];
    return path.join(runs, id ?? "none");
  };
  /** The losses on record; of a step that was done twice the last. */
  const lossesOf = async (home: string): Promise<Map<number, unknown>> => {
    const found = new Map<number, unknown>();
    if (existsSync(path.join(runOf(home), "events.jsonl")))
      for await (const { step, metrics } of runEvents(runOf(home)))
        if (metrics?.["overall_loss"] !== undefined) found.set(step!, metrics["overall_loss"]);
    return found;
  };

  it("between two checkpoints changes no bit of the dictionary and of the losses", async () => {
    for (const home of ["straight", "killed"]) mkdirSync(path.join(root, home));
    const straight = await start(TRAIN, { cwd: path.join(root, "straight") }).ended;
    expect(straight.code, straight.err).toBe(0);

    const { child, ended } = start(TRAIN, { cwd: path.join(root, "killed") });
    while ((await lossesOf("killed")).size < 23 && child.exitCode === null) await sleep(5);
    child.kill("SIGKILL");
    expect(await ended).toMatchObject({ signal: "SIGKILL" });
    expect((await lossesOf("killed")).size).toBeLessThan(STEPS);
    const checkpoints = readdirSync(runOf("killed")).filter((name) => name.includes("checkpoint"));
    expect(checkpoints.join()).toMatch(/^checkpoint-[24]0$/);

    const resumed = await start(["runs", "resume"], { cwd: path.join(root, "killed") }).ended;
    expect(resumed.code, resumed.err).toBe(0);
    const weights = (home: string): Buffer =>
      readFileSync(path.join(runOf(home), "dictionary", "sae_weights.safetensors"));
    expect(weights("killed").equals(weights("straight"))).toBe(true);
    const losses = await lossesOf("killed");
    expect(losses.size).toBe(STEPS);
    expect(losses).toEqual(await lossesOf("straight"));
  });
});

describe("a full disk", () => {
  const data = randomData({
    lengths: Array.from({ length: 40 }, () => 40),
    vocabSize: 24,
    length: 16,
  });

  async function train(
    folder: string,
    given: Partial<z.input<typeof dictionaryArguments>>,
    { attempt = 1, onStep }: { attempt?: number; onStep?: (step: number) => void } = {},
  ): Promise<Dictionary> {
    mkdirSync(folder, { recursive: true });
    await using model = await LanguageModel.open(fixture("phi-mini"), {
      ...{ mode: "reference", threads: 1 },
    });
    return await trainDictionary({
      model,
      dataset: data,
      options: dictionaryArguments.parse({
        ...{ hook: "blocks.1.hook_resid_post", data: ["texts"], k: 6, expansionFactor: 4 },
        ...{ trainingTokens: 64 * 30, trainBatchSizeTokens: 64, contextSize: 16 },
        ...{ storeBatchSizePrompts: 4, roundTokens: 256, saveSteps: 10, logSteps: 1 },
        ...given,
      }),
      context: { ...loopContext(folder), attempt },
      activations: path.join(folder, "activations"),
      onMetrics: onStep,
    });
  }

  it("too small for the activations is told before anything is written", async ({ skip }) => {
    const folder = path.join(root, "small");
    const mounted = await withSmallDisk(folder, 2 ** 15, async () => {
      await expect(train(folder, { keepActivations: true })).rejects.toMatchObject({
        code: "disk_full",
        message: expect.stringMatching(/the activations of \d+ rounds need .* are free/) as string,
        hint: expect.stringContaining("--no-keep-activations") as string,
      });
      expect(readdirSync(folder).filter((name) => name !== "activations")).toEqual([]);
      expect(readdirSync(path.join(folder, "activations"))).toEqual([]);
    });
    if (!mounted) skip("no right to mount a file system here");
  });

  it("under way leaves the last checkpoint whole, and training goes on from it to the same bits", async ({
    skip,
  }) => {
    const straight = await train(path.join(root, "roomy"), {});
    const folder = path.join(root, "filling");
    const other = path.join(folder, "other");
    const mounted = await withSmallDisk(folder, 2 ** 20, async () => {
      const fill = (step: number): void => {
        if (step !== 13) return;
        try {
          execFileSync("dd", ["if=/dev/zero", `of=${other}`, "bs=4k"], { stdio: "ignore" });
        } catch {
          // It ends where the disk is full.
        }
      };
      await expect(train(folder, {}, { onStep: fill })).rejects.toMatchObject({
        code: "disk_full",
      });
      expect(statSync(other).size).toBeGreaterThan(0);
      expect(readdirSync(folder).filter((name) => !name.startsWith("."))).toEqual([
        "checkpoint-10",
        "other",
      ]);
      rmSync(other);
      expect(await train(folder, {}, { attempt: 2 })).toEqual(straight);
    });
    if (!mounted) skip("no right to mount a file system here");
  });
});

/** A run that is killed without a warning and taken up again, by processes of their own. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { readMetrics } from "../../src/train/metrics.ts";
import { build, start } from "../support/built.ts";
import { readTensors } from "../support/golden.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-kill-"));
beforeAll(build, 240_000);
afterAll(() => {
  rmSync(root, { recursive: true });
});

// Slow enough to be killed between two steps.
const TRAIN = [
  ...["train", "--data", path.join(PACKAGE_ROOT, "docs"), "--tokenizer", "phi-micro"],
  ...["--hidden-size", "96", "--num-hidden-layers", "3", "--max-seq-length", "64"],
  ...["--max-steps", "40", "--save-steps", "20", "--seed", "5", "--packing", "wrapped"],
];

function newHome(name: string): string {
  mkdirSync(path.join(root, name));
  return path.join(root, name);
}

function runFolder(home: string): string {
  const [id = ""] = readdirSync(path.join(home, "runs"));
  return path.join(home, "runs", id);
}

/** Steps that are on record. */
function stepsOf(home: string): number {
  const file = existsSync(path.join(home, "runs"))
    ? path.join(runFolder(home), "metrics.jsonl")
    : "";
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
}

async function ends(argv: string[], cwd: string): Promise<void> {
  const { code, err } = await start(argv, { cwd }).ended;
  expect(code, err).toBe(0);
}

describe.skipIf(process.platform === "win32")("kill -9", () => {
  it("between steps 20 and 40 changes no bit of the weights and losses after step 40", async () => {
    const [straight, killed] = [newHome("straight"), newHome("killed")];
    await ends(TRAIN, straight);

    const { child, ended } = start(TRAIN, { cwd: killed });
    while (stepsOf(killed) < 23) await sleep(5);
    child.kill("SIGKILL");
    expect(await ended).toMatchObject({ signal: "SIGKILL" });
    expect(stepsOf(killed)).toBeLessThan(40);
    const checkpoints = readdirSync(runFolder(killed)).filter((name) =>
      name.includes("checkpoint"),
    );
    expect(checkpoints).toEqual(["checkpoint-20"]);

    await ends(["runs", "resume"], killed);
    const weights = async (home: string) =>
      Object.fromEntries(await readTensors(path.join(runFolder(home), "model")));
    expect(await weights(killed)).toEqual(await weights(straight));
    const losses = async (home: string) =>
      (await readMetrics(path.join(runFolder(home), "metrics.jsonl"))).map(
        ({ step, loss, gradNorm, learningRate }) => ({ step, loss, gradNorm, learningRate }),
      );
    expect(await losses(killed)).toEqual(await losses(straight));
    expect(await losses(killed)).toHaveLength(40);
  });
});

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTensors } from "../../test/support/golden.ts";
import { loopContext, loopOptions, randomData, TINY, training } from "../../test/support/train.ts";
import { LabError } from "../base/errors.ts";
import { Backend } from "../engine/backend.ts";
import { liveBytes } from "../engine/memory.ts";
import { BatchStream } from "./data/batches.ts";
import { readMetrics } from "./metrics.ts";
import { TrainingLoop, type LoopContext } from "./loop.ts";
import type { LoopOptions } from "./options.ts";

const root = mkdtempSync(join(tmpdir(), "philab-loop-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

let folders = 0;
function newFolder(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

const data = randomData({
  lengths: Array.from({ length: 24 }, (_, i) => 3 + ((5 * i) % 14)),
  vocabSize: TINY.vocabSize,
  length: 16,
  learned: (sequence, at) => at > sequence % 3,
});

/** Runs the loop in a folder, to its end or until something stops it. */
async function run(
  folder: string,
  options: Partial<LoopOptions>,
  { resumes = false, ...more }: Partial<LoopContext> & { resumes?: boolean } = {},
): Promise<void> {
  using backend = new Backend({ threads: 1 });
  const all = loopOptions({ perDeviceTrainBatchSize: 4, saveSteps: 4, ...options });
  const batches = { batchSize: all.perDeviceTrainBatchSize, seed: 3, lengthMultiple: 4 };
  const setup = training(backend, { config: TINY, data, batches, out: join(folder, "model") });
  using _trainee = setup.trainee;
  const evaluation = randomData({ lengths: [9, 4, 6], vocabSize: 40, seed: 5, length: 16 });
  setup.evaluation = new BatchStream(evaluation, { batchSize: 2, shuffle: false });
  using loop = new TrainingLoop(setup, all, loopContext(folder, more));
  if (resumes) await loop.restore();
  await loop.run();
}

const weights = async (folder: string): Promise<unknown> =>
  [...(await readTensors(join(folder, "model")))].map(([name, { values }]) => [name, values]);

const losses = async (folder: string): Promise<unknown> =>
  (await readMetrics(join(folder, "metrics.jsonl"))).map(({ step, loss, evalLoss, gradNorm }) => ({
    ...{ step, loss, evalLoss, gradNorm },
  }));

describe("a run that was stopped and taken up again", () => {
  it("has the losses and the weights of one that was not, to the bit", async () => {
    const before = liveBytes();
    const straight = newFolder();
    await run(straight, { maxSteps: 13 });
    const stopped = newFolder();
    const stop = new AbortController();
    const reason = new LabError("interrupted", "interrupted");
    const until = (last: number) => (step: number) => {
      if (step === last) stop.abort(reason);
    };
    await expect(
      run(stopped, { maxSteps: 13 }, { signal: stop.signal, progress: until(6) }),
    ).rejects.toMatchObject({ code: "interrupted" });
    expect(readdirSync(stopped)).toContain("checkpoint-6");
    await run(stopped, { maxSteps: 13 }, { resumes: true });
    expect(await weights(stopped)).toEqual(await weights(straight));
    expect(await losses(stopped)).toEqual(await losses(straight));
    expect(liveBytes()).toBe(before);
  });

  it.each(["muon", "sgd"] as const)("with %s, too", async (optim) => {
    const straight = newFolder();
    await run(straight, { maxSteps: 6, optim });
    const stopped = newFolder();
    await expect(
      run(
        stopped,
        { maxSteps: 6, optim },
        {
          progress: (step) => {
            if (step === 5) throw new LabError("internal", "the power is gone");
          },
        },
      ),
    ).rejects.toThrow("the power is gone");
    expect(readdirSync(stopped)).toContain("checkpoint-4");
    await run(stopped, { maxSteps: 6, optim }, { resumes: true });
    expect(await weights(stopped)).toEqual(await weights(straight));
  });
});

describe("batches that are one step together", () => {
  it("give the loss and the gradient of one large batch, though their lengths differ", async () => {
    const runs = await Promise.all(
      [
        [8, 1],
        [4, 2],
        [2, 4],
        [1, 8],
      ].map(async ([perDeviceTrainBatchSize = 1, gradientAccumulationSteps = 1]) => {
        const folder = newFolder();
        await run(folder, { maxSteps: 3, perDeviceTrainBatchSize, gradientAccumulationSteps });
        const metrics = await readMetrics(join(folder, "metrics.jsonl"));
        return metrics.filter(({ loss }) => loss !== undefined);
      }),
    );
    const [whole = [], ...parts] = runs;
    for (const part of parts)
      whole.forEach(({ loss, gradNorm }, i) => {
        expect(part[i]?.loss).toBeCloseTo(loss ?? NaN, 5);
        expect(part[i]?.gradNorm).toBeCloseTo(gradNorm ?? NaN, 5);
      });
  });
});

it("keeps the newest checkpoints and the best", async () => {
  const folder = newFolder();
  await run(folder, { maxSteps: 11, saveSteps: 2, saveTotalLimit: 2, learningRate: 0.3 });
  const metrics = await readMetrics(join(folder, "metrics.jsonl"));
  const evaluated = metrics.filter(({ evalLoss }) => evalLoss !== undefined);
  expect(evaluated.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 11]);
  const best = evaluated.reduce((a, b) => ((b.evalLoss ?? 0) < (a.evalLoss ?? 0) ? b : a));
  const kept = new Set(["checkpoint-10", "checkpoint-11", `checkpoint-${best.step}`]);
  expect(new Set(readdirSync(folder).filter((name) => name.startsWith("checkpoint")))).toEqual(
    kept,
  );
});

/** What can go wrong in a run: it stops, says why, and what it had saved is whole. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTensors } from "../support/golden.ts";
import { withSmallDisk } from "../support/small-disk.ts";
import { loopContext, loopOptions, randomData, TINY, training } from "../support/train.ts";
import { Backend } from "../../src/engine/backend.ts";
import type { PhiConfig } from "../../src/model/config.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { nextToken } from "../../src/train/next-token.ts";
import { TrainingLoop } from "../../src/train/loop.ts";
import type { Trainee } from "../../src/train/objective.ts";
import type { LoopOptions } from "../../src/train/options.ts";

const root = mkdtempSync(join(tmpdir(), "philab-troubles-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

let folders = 0;
function newFolder(): string {
  const folder = join(root, `run-${folders++}`);
  mkdirSync(folder);
  return folder;
}

const data = randomData({
  lengths: Array.from({ length: 40 }, () => 16),
  vocabSize: TINY.vocabSize,
  length: 16,
});

interface Run extends Partial<LoopOptions> {
  config?: PhiConfig;
  resumes?: boolean;
  recompute?: boolean;
  afterStep?: (step: number, trainee: Trainee) => void;
}

async function run(folder: string, given: Run): Promise<number[]> {
  const { config = TINY, resumes = false, recompute = false, afterStep, ...more } = given;
  using backend = new Backend({ threads: 1 });
  const options = loopOptions({ perDeviceTrainBatchSize: 4, saveSteps: 4, maxSteps: 8, ...more });
  const batches = { batchSize: options.perDeviceTrainBatchSize, seed: 3 };
  const setup = training(backend, { config, data, batches, out: join(folder, "model") });
  using trainee = setup.trainee;
  setup.objective = nextToken(trainee, { perRow: setup.train.masksRows, recompute });
  const losses: number[] = [];
  const context = loopContext(folder, { progress: (step) => afterStep?.(step, trainee) });
  const onMetrics = ({ loss }: { loss?: number | undefined }): void => {
    if (loss !== undefined) losses.push(loss);
  };
  using loop = new TrainingLoop(setup, options, context, { onMetrics });
  if (resumes) await loop.restore();
  await loop.run();
  return losses;
}

const checkpoints = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.includes("checkpoint"));

describe("a loss that is no number", () => {
  it("stops the run with step, batch and layer; what was saved is whole", async () => {
    const folder = newFolder();
    const poison = (step: number, { parameters }: Trainee): void => {
      const bias = parameters.get("model.layers.1.mlp.fc1.bias");
      if (step === 6) bias?.write(new Float32Array(bias.size).fill(NaN));
    };
    await expect(run(folder, { afterStep: poison })).rejects.toMatchObject({
      code: "check_failed",
      message: "the loss became NaN in step 7 (batch 6 of epoch 0), first at blocks.1.mlp.hook_pre",
    });
    expect(checkpoints(folder)).toEqual(["checkpoint-4"]);
    await run(folder, { resumes: true });
    const straight = newFolder();
    await run(straight, {});
    const weights = async (of: string) => Object.fromEntries(await readTensors(join(of, "model")));
    expect(await weights(folder)).toEqual(await weights(straight));
  });
});

it("a checkpoint of another shape is refused with what differs", async () => {
  const folder = newFolder();
  await run(folder, {});
  const wider = { ...TINY, mlpWidth: 48 };
  await expect(run(folder, { config: wider, resumes: true, maxSteps: 9 })).rejects.toMatchObject({
    code: "corrupt_file",
    message: expect.stringMatching(
      /checkpoint-8\/model\.safetensors is of another model: model\.layers\.0\.mlp\.fc1\.weight is \[32, 16\], not \[48, 16\], and 5 more/,
    ) as string,
  });
});

it.skipIf(process.platform !== "linux")(
  "a disk that fills up leaves the checkpoints that were there",
  async ({ skip }) => {
    const folder = join(root, "small");
    // One checkpoint takes some 90 kB, so the second finds no room.
    const mounted = await withSmallDisk(folder, 160 * 1024, async () => {
      await expect(run(folder, {})).rejects.toMatchObject({ code: "disk_full" });
      expect(checkpoints(folder)).toEqual(["checkpoint-4"]);
      await using model = await LanguageModel.open(join(folder, "checkpoint-4"));
      expect(model.config).toEqual(TINY);
    });
    if (!mounted) skip();
  },
);

it("computing blocks again changes no bit", async () => {
  const kept = await run(newFolder(), {});
  expect(await run(newFolder(), { recompute: true })).toEqual(kept);
  expect(kept).toHaveLength(8);
});

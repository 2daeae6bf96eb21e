import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fixture, readTensors } from "../../test/support/golden.ts";
import { randomData } from "../../test/support/train.ts";
import { Random } from "../base/random.ts";
import { Backend } from "../engine/backend.ts";
import { liveBytes } from "../engine/memory.ts";
import { loraConfig, type LoraConfig } from "../model/adapter-config.ts";
import { openAdapter } from "../model/adapter-file.ts";
import { fitAdapter } from "../model/adapter-source.ts";
import { quantizeModel } from "../model/quantize.ts";
import { Optimizer } from "../tensor/optimizers.ts";
import { BatchLoss } from "./batch-loss.ts";
import { BatchStream, type Batch } from "./data/batches.ts";
import { nextToken } from "./next-token.ts";
import { TrainableAdapter } from "./trainable-adapter.ts";

const MODEL = fixture("phi-mini");
const root = mkdtempSync(join(tmpdir(), "philab-lora-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});
const backend = new Backend({ device: "cpu", threads: 1 });
const lora = (given: Partial<LoraConfig> = {}): LoraConfig =>
  loraConfig({ rank: 4, alpha: 8, targetModules: "all-linear", ...given });

function batchOf(vocabSize: number): Batch {
  const data = randomData({ lengths: [12, 9], vocabSize, seed: 2, length: 16 });
  return new BatchStream(data, { batchSize: 2 }).next()!;
}

interface Run {
  losses: number[];
  /** The loss of the batch outside training, at the end. */
  evaluated: number;
}

/** Trains on one batch; `keep` is given the adapter at the end. */
async function train(
  path: string,
  config: LoraConfig,
  options: { steps: number; seed?: number; keep?: (trainee: TrainableAdapter) => Promise<void> },
): Promise<Run> {
  const { steps, seed = 0, keep } = options;
  using trainee = await TrainableAdapter.create(path, backend, { lora: config, seed: 1 });
  const settings = { optimizer: "adamw" } as const;
  const parameters = [...trainee.parameters.values()];
  using optimizer = new Optimizer(backend, [{ parameters, learningRate: 0.01, settings }]);
  const objective = nextToken(trainee, { perRow: false });
  using losses = new BatchLoss({ trainee, objective, optimizer });
  const batch = batchOf(trainee.config.vocabSize);
  const found: number[] = [];
  for (let step = 0; step < steps; step++) {
    const random = new Random(seed).split(step);
    found.push((await losses.train([batch], { random })).loss);
    await optimizer.step();
  }
  const { loss: evaluated } = await losses.evaluate([batch]);
  await keep?.(trainee);
  return { losses: found, evaluated };
}

describe("an adapter under training", () => {
  it("lowers the loss, and leaves no memory behind", async () => {
    const before = liveBytes();
    const { losses, evaluated } = await train(MODEL, lora(), { steps: 8 });
    expect(evaluated).toBeLessThan(losses[0]! - 0.5);
    expect(liveBytes()).toBe(before);
  });

  it("is written as PEFT writes one, and read back to the bit", async () => {
    const folder = join(root, "written");
    mkdirSync(folder);
    let after: Float32Array[] = [];
    const config = lora({ useRslora: true, dropout: 0.1 });
    await train(MODEL, config, {
      steps: 2,
      keep: async (trainee) => {
        await trainee.write(folder);
        after = [...trainee.parameters.values()].map((tensor) => tensor.read());
      },
    });
    const stored = await openAdapter(folder);
    expect(stored.config).toMatchObject({ rank: 4, alpha: 8, useRslora: true, dropout: 0.1 });
    expect([...(await readTensors(folder)).keys()]).toContain(
      "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
    );
    using trainee = await TrainableAdapter.create(MODEL, backend, { lora: config, seed: 9 });
    expect(fitAdapter(stored, trainee.config).modules.size).toBe(trainee.adapter.modules.size);
    await trainee.restore(folder);
    expect([...trainee.parameters.values()].map((tensor) => tensor.read())).toEqual(after);
  });

  it("loses values at random in training, by the seed, and none elsewhere", async () => {
    const run = (dropout: number, seed: number): Promise<Run> =>
      train(MODEL, lora({ dropout }), { steps: 3, seed });
    const first = await run(0.3, 1);
    expect(await run(0.3, 1)).toEqual(first);
    const second = await run(0.3, 2);
    expect(second.losses[2]).not.toBe(first.losses[2]);
    // B is 0 at first, so that nothing shows before the second step.
    expect(second.losses[0]).toBe(first.losses[0]);
    const without = await train(MODEL, lora({ dropout: 0.3 }), { steps: 0 });
    expect(without.evaluated).toBeCloseTo(first.losses[0]!, 5);
  });

  it.each(["q8_0", "f16"] as const)("learns over %s weights nearly the same", async (type) => {
    const file = join(root, `${type}.gguf`);
    await quantizeModel({ from: MODEL, to: file, type });
    const expected = await train(MODEL, lora(), { steps: 5 });
    const found = await train(file, lora(), { steps: 5 });
    expect(Math.abs(found.evaluated / expected.evaluated - 1)).toBeLessThan(0.03);
  });
});

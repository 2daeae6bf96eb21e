/** The bundled model after it has learned some answers: small truths to find and to take away again. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Random } from "../../src/base/random.ts";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import type { Backend } from "../../src/engine/backend.ts";
import { openTokenizer } from "../../src/generate/open-tokenizer.ts";
import { batchOf, cycle, readItems, type UnlearningItem } from "../../src/safety/unlearn/items.ts";
import { Optimizer } from "../../src/tensor/optimizers.ts";
import type { Tokenizer } from "../../src/tokenizer/index.ts";
import { BatchLoss } from "../../src/train/batch-loss.ts";
import { nextToken } from "../../src/train/next-token.ts";
import { TrainableModel } from "../../src/train/trainable-model.ts";

const PHI_MICRO = path.join(PACKAGE_ROOT, "models", "phi-micro");

/** Rows of a file, as items for the bundled model. */
export async function itemsOf(
  folder: string,
  name: string,
  rows: readonly object[],
): Promise<UnlearningItem[]> {
  const file = path.join(folder, `${name}.jsonl`);
  await writeFile(file, rows.map((row) => JSON.stringify(row)).join("\n"));
  const tokenizer = (await openTokenizer(await openCheckpoint(PHI_MICRO))) as Tokenizer;
  return readItems(file, { tokenizer, contextLength: 512 });
}

/** Trains the bundled model on items, and writes it to `to`, tokenizer and all. */
export async function tune(
  backend: Backend,
  items: readonly UnlearningItem[],
  {
    to,
    steps,
    learningRate = 1e-3,
    only = /./,
    from = PHI_MICRO,
    batchSize = items.length,
  }: {
    to: string;
    steps: number;
    learningRate?: number;
    /** A folder that was written by this before. */
    from?: string;
    /** Items in a step; all of them by default. */
    batchSize?: number;
    /** Parameters that change. */
    only?: RegExp;
  },
): Promise<void> {
  using trainee = await TrainableModel.load(from, backend);
  using optimizer = new Optimizer(backend, [
    {
      parameters: [...trainee.parameters].flatMap(([name, tensor]) =>
        only.test(name) ? [tensor] : [],
      ),
      learningRate,
      settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay: 0 },
    },
  ]);
  const objective = nextToken(trainee, { perRow: false });
  using losses = new BatchLoss({ trainee, objective, optimizer });
  const draws = cycle(items, { count: batchSize, random: new Random(1) });
  for (let step = 0; step < steps; step++) {
    const batch = batchOf(batchSize === items.length ? items : draws.next().value);
    await losses.train([batch], { random: new Random(0) });
    await optimizer.step({ maxNorm: 1 });
  }
  await mkdir(to, { recursive: true });
  await trainee.write(to);
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    await writeFile(path.join(to, name), await readFile(path.join(PHI_MICRO, name)));
}

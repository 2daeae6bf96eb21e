#!/usr/bin/env node
/**
 * One step of LoRA over frozen quantised weights (QLoRA): time and peak memory.
 *
 *     npm run build
 *     node bench/qlora.mjs phi-2-q4_k_m.gguf [--tokens 256] [--rank 16] [--targets all-linear] [--recompute] [--steps 2]
 *
 * `philab bench --synthetic phi-2 --type q4_k_m` leaves a file of Phi-2's shape in `~/.philab/cache/synthetic`. Memory is counted apart: allocated
 * pages, and those of the mapped file, which the system takes back when it needs them. The last line is JSON.
 */
import os from "node:os";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { Random } from "../dist/base/random.js";
import { Backend } from "../dist/engine/backend.js";
import { loraConfig } from "../dist/model/adapter-config.js";
import { Optimizer } from "../dist/tensor/optimizers.js";
import { BatchLoss } from "../dist/train/batch-loss.js";
import { nextToken } from "../dist/train/next-token.js";
import { parameterGroups } from "../dist/train/parameter-groups.js";
import { TrainableAdapter } from "../dist/train/trainable-adapter.js";
import { memory } from "./peers/json-lines.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "256" },
    rank: { type: "string", default: "16" },
    targets: { type: "string", default: "all-linear" },
    recompute: { type: "boolean", default: false },
    steps: { type: "string", default: "2" },
    threads: { type: "string", default: String(os.availableParallelism()) },
  },
});
const [path] = positionals;
if (!path) throw new Error("usage: node bench/qlora.mjs FILE.gguf");
const [length, rank, steps, threads] = [
  values.tokens,
  values.rank,
  values.steps,
  values.threads,
].map(Number);
const targetModules = values.targets === "all-linear" ? "all-linear" : values.targets.split(",");

const backend = new Backend({ device: "cpu", threads });
const lora = loraConfig({ rank, alpha: 2 * rank, dropout: 0.05, targetModules });
const trainee = await TrainableAdapter.create(path, backend, { lora, seed: 0 });
const optimizer = new Optimizer(
  backend,
  parameterGroups(trainee.parameters, {
    optim: "adamw",
    learningRate: 1e-4,
    weightDecay: 0.1,
    adamBeta1: 0.9,
    adamBeta2: 0.95,
    adamEpsilon: 1e-8,
  }),
);
const objective = nextToken(trainee, { perRow: false, recompute: values.recompute });
const losses = new BatchLoss({ trainee, objective, optimizer });
const random = new Random(0);
const batch = {
  sequences: 1,
  length,
  ids: Int32Array.from({ length }, () => random.integer(trainee.config.vocabSize)),
  targets: Int32Array.from({ length }, () => random.integer(trainee.config.vocabSize)),
  positions: Int32Array.from({ length }, (_, i) => i),
  documents: new Int32Array(length),
  tokens: length,
  learned: length,
};
const ms = [];
for (let step = 0; step < steps; step++) {
  const started = performance.now();
  const { loss } = await losses.train([batch], { random: random.split(step) });
  await optimizer.step({ maxNorm: 1 });
  ms.push(performance.now() - started);
  console.error(`step ${step + 1}: loss ${loss.toFixed(4)}, ${(ms.at(-1) / 1000).toFixed(1)} s`);
}
const parameters = [...trainee.parameters.values()].reduce((sum, { size }) => sum + size, 0);
const { peakRss, anonymous, file } = memory();
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(`LoRA rank ${rank} on ${values.targets}: ${parameters} parameters, ${length} tokens`);
console.log(`a step: ${(Math.min(...ms) / 1000).toFixed(1)} s`);
console.log(
  `peak resident: ${mib(peakRss)} (now ${mib(anonymous)} allocated, ${mib(file)} of files)`,
);
console.log(`between weights and loss: ${mib(losses.sizeBytes)}`);
const result = { path, length, rank, parameters, recompute: values.recompute, ms, ...memory() };
console.log(JSON.stringify({ cpu: os.cpus()[0]?.model, threads, ...result }));

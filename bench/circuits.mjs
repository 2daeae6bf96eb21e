#!/usr/bin/env node
/**
 * What dictionaries and circuits cost.
 *
 *     npm run build
 *     node bench/circuits.mjs [--python .venv/bin/python] [--parts sae,eap] [--rounds 5] [--threads 2]
 *
 * sae   steps of a TopK autoencoder (width 768, 6,144 features, k 32, 1,024 tokens a step): philab against PyTorch, the same
 *       architecture, loss, clipping, AdamW and unit decoder, in turn. Without --python philab alone
 * eap   edge attribution (EAP) of one pair of 32 tokens on a 12-layer Phi of width 768 (f32), as a multiple of the forward and
 *       backward pass of the same model for one of the two prompts
 *
 * Medians over the rounds; the last line is JSON. `reference/requirements.txt` has the versions of the peers.
 */
import { existsSync, mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Random } from "../dist/base/random.js";
import { Backend } from "../dist/engine/backend.js";
import { DictionaryFit } from "../dist/features/dictionary-fit.js";
import { open } from "../dist/index.js";
import { CircuitModel, edgeEffects } from "../dist/interpret/index.js";
import { PHI_PRESETS } from "../dist/model/config.js";
import { TrainableModel } from "../dist/train/trainable-model.js";
import { Peer } from "./peers/peer.mjs";

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    parts: { type: "string", default: "sae,eap" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    folder: { type: "string", default: path.join(os.tmpdir(), "philab-bench") },
  },
});
const [rounds, threads] = [Number(options.rounds), Number(options.threads)];
mkdirSync(options.folder, { recursive: true });

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const parts = {
  async sae() {
    const [width, latents, k, tokens] = [768, 6144, 32, 1024];
    const random = new Random(1);
    const input = Float32Array.from({ length: tokens * width }, () => random.normal());
    const backend = new Backend({ device: "cpu", threads });
    const fit = new DictionaryFit(backend, {
      kind: "sae",
      architecture: "topk",
      sizes: { latents, input: width, output: width },
      ...{ k, batchTokens: tokens, learningRate: 1e-3, auxLossCoefficient: 0, seed: 1 },
      ...{ deadFeatureWindow: 1e9, l0Coefficient: 0, bandwidth: 0.05, initialThreshold: 0.01 },
    });
    const rows = { count: tokens, input, output: input };
    const ours = () => fit.step(rows, { factor: 1, l0Factor: 1 });
    const peer = options.python && new Peer("PyTorch", "sae_torch.py", { program: options.python });
    if (peer) await peer.ask({ command: "open", width, latents, k, tokens, threads });
    const times = { philab: [], PyTorch: [] };
    for (let round = -1; round < rounds; round++) {
      const ms = await timed(ours);
      const theirs = peer && (await peer.ask({ command: "step" })).ms;
      if (round < 0) continue; // memory is touched, threads are started
      times.philab.push(ms);
      if (peer) times.PyTorch.push(theirs);
    }
    await peer?.quit();
    fit[Symbol.dispose]();
    backend[Symbol.dispose]();
    const rate = (list) => (1000 * tokens) / median(list);
    const mine = rate(times.philab);
    if (!peer) {
      console.log(`sae: philab ${mine.toFixed(0)} tokens/s`);
      return { times };
    }
    const their = rate(times.PyTorch);
    console.log(
      `sae: philab ${mine.toFixed(0)} tokens/s, PyTorch ${their.toFixed(0)}: ${(mine / their).toFixed(2)}×`,
    );
    return { times, ratio: mine / their };
  },

  async eap() {
    const config = {
      ...PHI_PRESETS["phi-2"],
      ...{ layers: 12, heads: 12, headSize: 64, width: 768, mlpWidth: 3072 },
    };
    const folder = path.join(options.folder, "phi-768x12");
    if (!existsSync(folder)) {
      const backend = new Backend({ device: "cpu", threads });
      const fresh = TrainableModel.initialize(config, backend, { seed: 1 });
      mkdirSync(folder);
      await fresh.write(folder);
      fresh[Symbol.dispose]();
      backend[Symbol.dispose]();
    }
    const phi = await open(folder, { threads, mode: "reference" });
    const circuit = await CircuitModel.open(phi);
    const clean = Array.from({ length: 32 }, (_, i) => 5 + (((i + 7) * (i + 31)) % 50_000));
    const pair = { clean, corrupted: clean.with(3, 77), right: [11], wrong: [13] };
    const metric = { kind: "logitDifference", right: 11, wrong: 13 };
    const works = [
      () => phi.run(clean, { metric, gradients: ["hook_embed"] }),
      () => edgeEffects(circuit, [pair], { method: "eap" }),
    ];
    const times = [[], []];
    for (const work of works) await work();
    for (let round = 0; round < rounds; round++)
      for (const [i, work] of works.entries()) times[i].push(await timed(work));
    const [plain, eap] = times.map(median);
    circuit[Symbol.dispose]();
    await phi[Symbol.asyncDispose]();
    console.log(
      `eap: ${circuit.graph.edges} edges, 32 tokens: ${eap.toFixed(0)} ms, ${(eap / plain).toFixed(2)} times the forward and backward pass (${plain.toFixed(0)} ms)`,
    );
    return { ms: { plain, eap }, ratio: eap / plain };
  },
};

const results = {};
for (const name of options.parts.split(",")) {
  if (!Object.hasOwn(parts, name))
    throw new Error(`no part ${name}: ${Object.keys(parts).join(", ")}`);
  results[name] = await parts[name]();
}
const { version } = process;
console.log(JSON.stringify({ cpu: os.cpus()[0]?.model, node: version, threads, rounds, results }));

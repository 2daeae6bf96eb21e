#!/usr/bin/env node
/**
 * What looking inside costs.
 *
 *     npm run build
 *     node bench/interpret.mjs [--python .venv/bin/python] [--parts overhead,capture,sweep] [--rounds 5] [--threads 2]
 *
 * overhead   a run of the bundled model with and without captures: what they add beside copying the values
 * capture    the residual stream of every layer of a Phi-2 in shape (random weights, Q4_K_M), as a share of the forward pass
 * sweep      activation patching of the residual stream, every layer and position of a 12-layer Phi of width 768 (f32), 32
 *            tokens: philab against TransformerLens's own serial sweep on the same weights, in turn. Without --python philab alone
 *
 * Medians over the rounds; the last line is JSON. `reference/requirements.txt` has the versions of the peers.
 */
import { existsSync, mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { sweep } from "../dist/interpret/index.js";
import { PHI_PRESETS } from "../dist/model/config.js";
import { writeSyntheticModel } from "../dist/model/synthetic.js";
import { Backend } from "../dist/engine/backend.js";
import { TrainableModel } from "../dist/train/trainable-model.js";
import { Peer } from "./peers/peer.mjs";

const { values: options } = parseArgs({
  options: {
    python: { type: "string" },
    parts: { type: "string", default: "overhead,capture,sweep" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    tokens: { type: "string", default: "128" },
    folder: { type: "string", default: path.join(os.tmpdir(), "philab-bench") },
  },
});
const [rounds, threads] = [Number(options.rounds), Number(options.threads)];
mkdirSync(options.folder, { recursive: true });

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const ids = (count, vocabulary, seed = 0) =>
  Array.from({ length: count }, (_, i) => 5 + (((i + 31 * seed) * (i + 7)) % (vocabulary - 5)));

async function timed(work) {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

/** Runs the works in turn and gives the median milliseconds of each. */
async function inTurn(works, count) {
  const times = works.map(() => []);
  for (const work of works) await work();
  for (let round = 0; round < count; round++)
    for (const [i, work] of works.entries()) times[i].push((await timed(work)).ms);
  return times.map(median);
}

const parts = {
  async overhead() {
    const phi = await open(undefined, { threads: 1 });
    const prompt = ids(16, phi.config.vocabSize);
    // What enters the blocks is computed anyway; what leaves the last one is not, for tokens whose logits nobody wants.
    const capture = ["blocks.*.hook_resid_pre"];
    const { captured, plan } = await phi.run(prompt, { capture });
    const copies = [...captured.values()].map(({ values }) => values);
    const [plain, captures, copying] = await inTurn(
      [
        () => phi.run(prompt),
        () => phi.run(prompt, { capture }),
        async () => copies.map((values) => values.slice()),
      ],
      200 * rounds,
    );
    await phi[Symbol.asyncDispose]();
    const added = 1000 * (captures - plain - copying);
    console.log(
      `overhead: ${captured.size} captures, ${plan.sizeBytes} bytes: ${added.toFixed(0)} µs and ${(1000 * copying).toFixed(0)} µs of copying (run ${(1000 * plain).toFixed(0)} µs)`,
    );
    return {
      captures: captured.size,
      bytes: plan.sizeBytes,
      addedUs: added,
      copyingUs: 1000 * copying,
    };
  },

  async capture() {
    const config = PHI_PRESETS["phi-2"];
    const file = path.join(options.folder, "phi-2-q4_k_m.gguf");
    if (!existsSync(file)) await writeSyntheticModel(file, config, { type: "q4_k_m" });
    const phi = await open(file, { threads });
    const prompt = ids(Number(options.tokens), config.vocabSize);
    const capture = ["blocks.*.hook_resid_post"];
    const last = [{ at: "blocks.*.hook_resid_post", positions: [-1] }];
    const { sizeBytes } = phi.plan(prompt, { capture });
    const [plain, whole, some] = await inTurn(
      [
        () => phi.run(prompt),
        () => phi.run(prompt, { capture }),
        () => phi.run(prompt, { capture: last }),
      ],
      rounds,
    );
    await phi[Symbol.asyncDispose]();
    const percent = (ms) => (100 * (ms / plain - 1)).toFixed(1);
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
    console.log(
      `capture: Phi-2 in shape, Q4_K_M, ${prompt.length} tokens: forward pass ${plain.toFixed(0)} ms; with the residual stream of all ${config.layers} layers (${mib(sizeBytes)} MiB) ${percent(whole)} % more, of the last position ${percent(some)} % more`,
    );
    return { ms: { plain, whole, last: some }, sizeBytes, tokens: prompt.length };
  },

  async sweep() {
    const config = {
      ...PHI_PRESETS["phi-2"],
      layers: 12,
      heads: 12,
      headSize: 64,
      width: 768,
      mlpWidth: 3072,
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
    const clean = ids(32, 50_000);
    const corrupted = clean.with(3, 77);
    const metric = { kind: "logitDifference", right: 11, wrong: 13 };
    const phi = await open(folder, { threads });
    const ours = async () => {
      const source = await phi.run(clean, { capture: ["blocks.*.hook_resid_pre"] });
      const variants = Array.from({ length: config.layers }, (_, layer) => {
        const at = `blocks.${layer}.hook_resid_pre`;
        const value = source.get(at);
        return clean.map((_, p) => [{ op: "replace", at, positions: [p], value }]);
      }).flat();
      return sweep(phi, corrupted, { variants, metric });
    };
    const times = { philab: [], TransformerLens: [] };
    let theirs;
    const peer =
      options.python &&
      new Peer("TransformerLens", "sweep_transformer_lens.py", { program: options.python });
    if (peer) await peer.ask({ command: "open", folder, threads });
    await ours();
    let found;
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      const { ms, value } = await timed(ours);
      times.philab.push(ms);
      found = value;
      if (!peer) continue;
      theirs = await peer.ask({ command: "sweep", clean, corrupted, right: 11, wrong: 13 });
      times.TransformerLens.push(theirs.ms);
    }
    await peer?.quit();
    await phi[Symbol.asyncDispose]();
    const { computed, whole } = found.cost;
    const mine = median(times.philab);
    console.log(
      `sweep: 12 layers × 32 positions, width 768, f32: philab ${mine.toFixed(0)} ms, ${((100 * computed) / whole).toFixed(0)} % of the rows of whole passes`,
    );
    if (theirs === undefined) return { ms: times, cost: found.cost };
    const differences = theirs.values.flat().map((x, i) => Math.abs(x - found.values[i]));
    const their = median(times.TransformerLens);
    console.log(
      `       TransformerLens ${their.toFixed(0)} ms: ${(their / mine).toFixed(2)} times as long; largest difference of the metric ${Math.max(...differences).toExponential(1)}`,
    );
    return { ms: times, cost: found.cost, ratio: their / mine };
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

#!/usr/bin/env node
/**
 * A full training step (loss, gradients, clipping, AdamW) against PyTorch: transformers' PhiForCausalLM, same shape, same
 * tokens, f32, same threads, in turn, each in a process of its own.
 *
 *     npm run build
 *     node bench/train.mjs [--python .venv/bin/python] [--shapes 256x6,512x8] [--batch 8] [--length 256] [--rounds 5] [--threads 2]
 *
 * Prints the median tokens/s over the rounds, the ratio philab / PyTorch, peak memory, and where philab's time goes by
 * operation; the last line is JSON. Without --python philab alone is measured. `reference/requirements.txt` has the versions.
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { Peer } from "./peers/peer.mjs";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    shapes: { type: "string", default: "256x6,512x8" },
    batch: { type: "string", default: "8" },
    length: { type: "string", default: "256" },
    vocabulary: { type: "string", default: "4096" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    operations: { type: "string", default: "12" },
  },
});
const [batch, length, rounds, threads, vocabulary] = [
  values.batch,
  values.length,
  values.rounds,
  values.threads,
  values.vocabulary,
].map(Number);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** The same tokens for both, other ones in every step. */
function tokens(step) {
  return Array.from(
    { length: batch * length },
    (_, i) => ((i + 31 * step) * (i + 7) + step) % vocabulary,
  );
}

function shape(width, layers) {
  return {
    architectures: ["PhiForCausalLM"],
    model_type: "phi",
    hidden_size: width,
    intermediate_size: 4 * width,
    num_hidden_layers: layers,
    num_attention_heads: width / 64,
    partial_rotary_factor: 0.5,
    vocab_size: vocabulary,
    max_position_embeddings: 2048,
    hidden_act: "gelu_new",
    layer_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: false,
  };
}

/** Times by operation, the longest first, as shares of the whole. */
function byOperation(times) {
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  const groups = new Map();
  for (const { operation, shapes, ms } of times) {
    const key = [operation, ...shapes.map((s) => s.join("·").replace(/^(1·)+(?=\d)/, ""))].join(
      " ",
    );
    const group = groups.get(key) ?? { operation: key, count: 0, ms: 0 };
    group.count++;
    group.ms += ms;
    groups.set(key, group);
  }
  return [...groups.values()]
    .map((group) => ({ ...group, share: group.ms / total }))
    .sort((a, b) => b.ms - a.ms);
}

const sum = (groups, kind) =>
  groups
    .filter(({ operation }) => operation.toUpperCase().startsWith(kind.toUpperCase()))
    .reduce((s, { share }) => s + share, 0);

const results = [];
for (const name of values.shapes.split(",")) {
  const [width, layers] = name.split("x").map(Number);
  const peers = [new Peer("philab", "train.mjs")];
  if (values.python) peers.push(new Peer("PyTorch", "train_torch.py", { program: values.python }));
  const found = new Map(peers.map((peer) => [peer, { ms: [], losses: [] }]));
  for (const peer of peers) {
    await peer.ask({ command: "open", model: shape(width, layers), batch, length, threads });
    await peer.ask({ command: "step", ids: tokens(0) });
  }
  for (let round = 1; round <= rounds; round++)
    for (const peer of round % 2 === 0 ? [...peers].reverse() : peers) {
      const { ms, loss } = await peer.ask({ command: "step", ids: tokens(round) });
      found.get(peer).ms.push(ms);
      found.get(peer).losses.push(loss);
    }
  const speeds = peers.map((peer) => (1000 * batch * length) / median(found.get(peer).ms));
  const { times } = await peers[0].ask({ command: "profile", ids: tokens(0) });
  const operations = byOperation(times);
  const peaks = [];
  for (const peer of peers) {
    peaks.push((await peer.ask({ command: "memory" })).peakRss);
    await peer.quit();
  }
  console.log(
    `\nd ${width} × ${layers} layers, batch ${batch} × ${length}, ${threads} threads, AdamW, f32`,
  );
  peers.forEach((peer, i) =>
    console.log(
      `${peer.name.padEnd(10)}${speeds[i].toFixed(0).padStart(8)} tokens/s${(peaks[i] / 2 ** 20).toFixed(0).padStart(8)} MiB at most   loss ${found.get(peer).losses.at(-1).toFixed(3)}`,
    ),
  );
  if (peers.length > 1)
    console.log(`${"ratio".padEnd(10)}${(speeds[0] / speeds[1]).toFixed(3).padStart(8)}`);
  console.log("where the time goes:");
  for (const { operation, count, ms, share } of operations.slice(0, Number(values.operations)))
    console.log(
      `${(100 * share).toFixed(1).padStart(6)} %${ms.toFixed(1).padStart(9)} ms${String(count).padStart(5)} × ${operation}`,
    );
  console.log(
    `  products ${(100 * sum(operations, "MUL_MAT")).toFixed(0)} %, copies ${(100 * sum(operations, "CONT")).toFixed(0)} %, optimiser ${(100 * sum(operations, "optimiser")).toFixed(0)} %`,
  );
  results.push({
    width,
    layers,
    tokensPerSecond: Object.fromEntries(peers.map((peer, i) => [peer.name, speeds[i]])),
    ms: Object.fromEntries(peers.map((peer) => [peer.name, found.get(peer).ms])),
    peakRss: Object.fromEntries(peers.map((peer, i) => [peer.name, peaks[i]])),
    operations,
  });
}
console.log(JSON.stringify({ cpu: os.cpus()[0]?.model, batch, length, threads, rounds, results }));

#!/usr/bin/env node
/**
 * f32 products of philab's own kernels, with AVX-512 and with AVX2 alone, against ggml's and PyTorch's (MKL), in turn in one run,
 * each in a process of its own.
 *
 *     npm run build
 *     node bench/kernels.mjs [--python .venv/bin/python] [--arrangements NT,NN,TN] [--rounds 5] [--threads 2]
 *
 * An arrangement says how a and b of a · b lie: N as written, T transposed; NT is a linear layer, TN the gradient of its
 * weights. Prints the median GFLOP/s over the rounds; the last line is JSON.
 */
import { parseArgs } from "node:util";
import { Peer } from "./peers/peer.mjs";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    arrangements: { type: "string", default: "NT" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
  },
});

/** N, K, M; small ones as a graph of a hundred. */
const SHAPES = [
  [512, 2560, 2560, 1],
  [512, 512, 512, 4],
  [2048, 256, 1024, 1],
  [2048, 1024, 256, 1],
  [128, 2560, 10240, 1],
  [64, 160, 640, 100],
  [256, 256, 51200, 1],
  [2048, 512, 2048, 1],
];

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const kernels = (level) => new Peer(level, "products.mjs", { env: { PHILAB_KERNELS: level } });
const peers = [kernels("avx512"), kernels("avx2"), kernels("ggml")];
if (values.python) peers.push(new Peer("PyTorch", "products_torch.py", { program: values.python }));

console.log("GFLOP/s".padEnd(24) + peers.map(({ name }) => name.padStart(10)).join(""));
const results = [];
for (const arrangement of values.arrangements.split(","))
  for (const [n, k, m, count] of SHAPES) {
    const speeds = new Map(peers.map(({ name }) => [name, []]));
    const request = { n, k, m, count, arrangement, threads: Number(values.threads) };
    for (const peer of peers) await peer.ask({ command: "open", ...request });
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const peer of round % 2 === 0 ? peers : peers.toReversed()) {
        const { ms } = await peer.ask({ command: "multiply" });
        speeds.get(peer.name).push((2 * n * k * m * count) / ms / 1e6);
      }
    }
    const medians = Object.fromEntries([...speeds].map(([name, list]) => [name, median(list)]));
    results.push({ arrangement, n, k, m, ...medians });
    console.log(
      `${arrangement} ${n}×${k}×${m}`.padEnd(24) +
        peers.map(({ name }) => medians[name].toFixed(0).padStart(10)).join(""),
    );
  }
for (const peer of peers) await peer.quit();
console.log(JSON.stringify(results));

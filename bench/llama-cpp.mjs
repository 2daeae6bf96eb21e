/**
 * philab against llama.cpp on one GGUF file, same threads, in turn, each in a process of its own.
 *
 *     npm run build && npm ci --prefix bench/peers
 *     node bench/llama-cpp.mjs phi-2-q4_k_m.gguf [--threads 2] [--rounds 5] [--prompt 512] [--decode 128] [--depths 0,1024]
 *
 * Prints the median of each figure over the rounds and the ratio philab / llama.cpp; the last line is JSON. The two take turns
 * within each round, and which of them begins changes from round to round.
 */
import os from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { Peer } from "./peers/peer.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: String(os.availableParallelism()) },
    rounds: { type: "string", default: "5" },
    prompt: { type: "string", default: "512" },
    decode: { type: "string", default: "128" },
    depths: { type: "string", default: "0,1024" },
  },
});
const [path] = positionals;
if (!path) throw new Error("usage: node bench/llama-cpp.mjs FILE.gguf");
const threads = Number(values.threads);
const rounds = Number(values.rounds);
const promptTokens = Number(values.prompt);
const decodeTokens = Number(values.decode);
const depths = values.depths.split(",").map(Number);

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const figures = [
  "load ms",
  `prefill ${promptTokens}`,
  ...depths.map((d) => `decode ${decodeTokens} @ ${d}`),
];
const peers = [new Peer("philab", "philab.mjs"), new Peer("llama.cpp", "llama-cpp.mjs")];
const found = new Map(
  peers.map(({ name }) => [name, Object.fromEntries(figures.map((f) => [f, []]))]),
);
const peaks = new Map();
const loadedAs = {};
const prompt = Array.from({ length: promptTokens }, (_, i) => ((i * 7919) % 997) + 1);

for (const peer of peers) {
  // Twice: the second finds the file in the page cache, as it will be for both.
  for (let i = 0; i < 2; i++) {
    const contextSize = 2048;
    const { loadMs, buffers } = await peer.ask({ command: "load", path, contextSize, threads });
    if (i > 0) found.get(peer.name)["load ms"].push(loadMs);
    loadedAs[peer.name] = buffers;
  }
  await peer.ask({ command: "decode", count: 4 });
}
for (let round = 0; round < rounds; round++) {
  const order = round % 2 === 0 ? peers : [...peers].reverse();
  for (const peer of order) {
    const { evaluationMs } = await peer.ask({ command: "prefill", tokens: prompt });
    found.get(peer.name)[`prefill ${promptTokens}`].push((promptTokens / evaluationMs) * 1000);
  }
  for (const fromDepth of depths)
    for (const peer of order) {
      const { evaluationMs } = await peer.ask({
        command: "decode",
        count: decodeTokens,
        fromDepth,
      });
      const speed = (decodeTokens / evaluationMs) * 1000;
      found.get(peer.name)[`decode ${decodeTokens} @ ${fromDepth}`].push(speed);
    }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
}
for (const peer of peers) {
  peaks.set(peer.name, (await peer.ask({ command: "memory" })).peakRss);
  await peer.quit();
}
const result = {
  path,
  threads,
  rounds,
  cpu: os.cpus()[0]?.model,
  loadedAs,
  figures: {},
  peakRss: Object.fromEntries(peaks),
};
console.log(
  `${"".padEnd(24)}${"philab".padStart(12)}${"llama.cpp".padStart(12)}${"ratio".padStart(9)}`,
);
for (const figure of figures) {
  const [ours, theirs] = peers.map(({ name }) => median(found.get(name)[figure]));
  // Every other figure is a speed; loading is a time, for which less is better.
  const ratio = ours / theirs;
  result.figures[figure] = {
    philab: ours,
    llamaCpp: theirs,
    ratio,
    rounds: Object.fromEntries([...found].map(([n, f]) => [n, f[figure]])),
  };
  console.log(
    `${figure.padEnd(24)}${ours.toFixed(2).padStart(12)}${theirs.toFixed(2).padStart(12)}${ratio.toFixed(3).padStart(9)}`,
  );
}
console.log(
  `${"peak resident MiB".padEnd(24)}${peers.map(({ name }) => (peaks.get(name) / 2 ** 20).toFixed(0).padStart(12)).join("")}`,
);
console.log(JSON.stringify(result));

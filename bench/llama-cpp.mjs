/**
 * philab against llama.cpp on one GGUF file, same threads, in turn, each in a process of its own.
 *
 *     npm run build && npm ci --prefix bench/peers
 *     node bench/llama-cpp.mjs phi-2-q4_k_m.gguf [--threads 2] [--rounds 5] [--prompt 512] [--decode 128] [--depths 0,1024]
 *                              [--together 8] [--parts load,prefill,decode,together]
 *
 * The memory's read bandwidth is measured before and after each repetition, which is both programs once; one between whose two
 * measurements more than 15 % lie says more about the machine than about the programs and is discarded. Prints the median of each figure over
 * `--rounds` kept ones, the ratio philab / llama.cpp and, for decoding, the share of the bandwidth at which the weights and the cache were
 * read. Which of the two begins changes from repetition to repetition. `together`: several sequences decoded in one batch,
 * by philab alone, beside one. The last line is JSON.
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
    together: { type: "string", default: "8" },
    parts: { type: "string", default: "load,prefill,decode,together" },
  },
});
const [path] = positionals;
if (!path) throw new Error("usage: node bench/llama-cpp.mjs FILE.gguf");
const threads = Number(values.threads);
const rounds = Number(values.rounds);
const promptTokens = Number(values.prompt);
const count = Number(values.decode);
const sequences = Number(values.together);
const depths = values.depths.split(",").map(Number);
const parts = values.parts.split(",");
const MAX_DRIFT = 0.15;
/** Repetitions tried for each one wanted. */
const MAX_TRIES = 3;

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const philab = new Peer("philab", "philab.mjs");
const llamaCpp = new Peer("llama.cpp", "llama-cpp.mjs");
const memory = new Peer("memory", "bandwidth.mjs");
const peers = [philab, llamaCpp];
const prompt = Array.from({ length: promptTokens }, (_, i) => ((i * 7919) % 997) + 1);
const loadedAs = {};
const load = { command: "load", path, contextSize: 2048, threads };
const figures = {};

/** Bytes per second that the memory delivers now. */
async function bandwidth() {
  return (await memory.ask({ command: "measure", threads })).bytesPerSecond;
}

/**
 * Repeats `once`, which gives numbers by name, until enough repetitions found the memory as fast after as before.
 *
 * @returns the kept repetitions, each with the bandwidth around it
 */
async function repeat(figure, once) {
  const all = [];
  const kept = () => all.filter((r) => r.kept);
  while (kept().length < rounds && all.length < MAX_TRIES * rounds) {
    const before = await bandwidth();
    const found = await once(all.length);
    const after = await bandwidth();
    all.push({ ...found, before, after, kept: Math.abs(after / before - 1) <= MAX_DRIFT });
    process.stderr.write(`${figure}: ${kept().length} of ${all.length} kept\n`);
  }
  figures[figure] = { repetitions: all };
  return kept().map((r) => ({ ...r, bandwidth: (r.before + r.after) / 2 }));
}

/** A figure that both programs have: one number from each in every repetition. */
async function compare(figure, measure, bytesPerToken) {
  const kept = await repeat(figure, async (i) => {
    const found = {};
    for (const peer of i % 2 === 0 ? peers : peers.toReversed())
      found[peer.name] = await measure(peer);
    return found;
  });
  const [ours, theirs] = peers.map(({ name }) => median(kept.map((r) => r[name])));
  const ratio = median(kept.map((r) => r[philab.name] / r[llamaCpp.name]));
  const share = (name) => median(kept.map((r) => (r[name] * bytesPerToken) / r.bandwidth));
  const shares = bytesPerToken && peers.map(({ name }) => share(name));
  Object.assign(figures[figure], { philab: ours, llamaCpp: theirs, ratio, shares });
  const ofBandwidth = shares
    ? `   ${shares.map((s) => `${(100 * s).toFixed(0)} %`).join(" / ")} of the bandwidth`
    : "";
  row(figure, [ours, theirs], ratio, kept.length, ofBandwidth);
}

function row(figure, numbers, ratio, kept, more) {
  const cells = numbers.map((n) => n.toFixed(2).padStart(12)).join("");
  const tries = `${kept}/${figures[figure].repetitions.length}`.padStart(7);
  console.log(`${figure.padEnd(24)}${cells}${ratio.toFixed(3).padStart(9)}${tries}${more}`);
}

const speed = (tokens, ms) => (tokens / ms) * 1000;

console.log(
  `${"".padEnd(24)}${"philab".padStart(12)}${"llama.cpp".padStart(12)}${"ratio".padStart(9)}${"kept".padStart(7)}`,
);
// The first load brings the file into the page cache, as it will be for both.
for (const peer of peers) loadedAs[peer.name] = (await peer.ask(load)).buffers;
if (parts.includes("load"))
  await compare("load ms", async (peer) => (await peer.ask(load)).loadMs, undefined);
for (const peer of peers) await peer.ask({ command: "decode", count: 4 });
if (parts.includes("prefill"))
  await compare(`prefill ${promptTokens}`, async (peer) => {
    const { evaluationMs } = await peer.ask({ command: "prefill", tokens: prompt });
    return speed(promptTokens, evaluationMs);
  });
if (parts.includes("decode"))
  for (const fromDepth of depths) {
    const depth = fromDepth + count / 2;
    const { bytes } = await philab.ask({ command: "bytesPerToken", depth });
    for (const peer of peers) await peer.ask({ command: "decode", count: 1, fromDepth });
    await compare(
      `decode ${count} @ ${fromDepth}`,
      async (peer) => {
        const { evaluationMs } = await peer.ask({ command: "decode", count, fromDepth });
        return speed(count, evaluationMs);
      },
      bytes,
    );
  }
if (parts.includes("together")) {
  const figure = `${sequences} together / 1`;
  const kept = await repeat(figure, async () => {
    const one = await philab.ask({ command: "together", sequences: 1, count });
    const all = await philab.ask({ command: "together", sequences, count });
    return {
      one: speed(count, one.evaluationMs),
      together: speed(sequences * count, all.evaluationMs),
    };
  });
  const [together, one] = ["together", "one"].map((name) => median(kept.map((r) => r[name])));
  const ratio = median(kept.map((r) => r.together / r.one));
  Object.assign(figures[figure], { together, one, ratio });
  row(figure, [together, one], ratio, kept.length, "   tok/s of philab, together and alone");
}
const peakRss = {};
for (const peer of peers) peakRss[peer.name] = (await peer.ask({ command: "memory" })).peakRss;
for (const peer of [...peers, memory]) await peer.quit();
const peaks = peers.map(({ name }) => (peakRss[name] / 2 ** 20).toFixed(0).padStart(12));
console.log(`${"peak resident MiB".padEnd(24)}${peaks.join("")}`);
const cpu = os.cpus()[0]?.model;
console.log(JSON.stringify({ path, threads, rounds, cpu, loadedAs, figures, peakRss }));

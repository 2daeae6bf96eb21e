/**
 * philab's server against llama.cpp with as many sequences, on one GGUF file, same threads, in turn.
 *
 *     npm run build && npm ci --prefix bench/peers
 *     node bench/serve.mjs phi-2-q4_k_m.gguf [--streams 1,4,16] [--threads 2] [--rounds 3] [--prompt 128] [--new 64] [--prefix 1000]
 *
 * Every stream has a prompt of its own, in every round another, so that no cache helps anybody. philab is asked over HTTP with
 * streamed answers; llama.cpp in its own process without HTTP (`peers/serve-llama-cpp.mjs`). `--prefix` measures the time to the
 * first token of a prompt of that length twice: read, and then found in the cache; 0 leaves it out. The last line is JSON.
 */
import { spawn } from "node:child_process";
import os from "node:os";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Peer } from "./peers/peer.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "1,4,16" },
    threads: { type: "string", default: String(os.availableParallelism()) },
    rounds: { type: "string", default: "3" },
    prompt: { type: "string", default: "128" },
    new: { type: "string", default: "64" },
    prefix: { type: "string", default: "1000" },
    context: { type: "string", default: "512" },
  },
});
const [path] = positionals;
if (!path) throw new Error("usage: node bench/serve.mjs FILE.gguf");
const [threads, rounds, promptTokens, newTokens, contextSize, prefixTokens] = [
  ...[values.threads, values.rounds, values.prompt, values.new, values.context, values.prefix],
].map(Number);
const { fetch } = globalThis;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;

/** A prompt that no other call has had. */
let drawn = 0;
const draw = (length) => {
  const salt = ++drawn;
  return Array.from({ length }, (_, i) => 1 + ((salt * 7907 + i * (31 + 2 * salt)) % 40_000));
};

/** A server of its own, until `close`. */
async function startServer(slots, context) {
  const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
  const options = ["--port", "0", "--slots", String(slots), "--context", String(context)];
  const child = spawn(
    process.execPath,
    [main, "serve", "--model", path, "--threads", String(threads), ...options],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value = "" } = await lines.next();
  const url = /http:\S+/.exec(value)?.[0];
  if (url === undefined) throw new Error(`the server says ${value}`);
  return {
    async ask(prompt, count) {
      const started = performance.now();
      let firstMs;
      let tokens = 0;
      const response = await fetch(`${url}/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          prompt,
          max_tokens: count,
          temperature: 0,
          stream: true,
          logprobs: 0,
        }),
      });
      let text = "";
      for await (const piece of response.body) {
        text += Buffer.from(piece).toString();
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events)
          if (event.includes('"choices":[{')) {
            firstMs ??= performance.now() - started;
            tokens++;
          }
      }
      return { firstMs, tokens };
    },
    async close() {
      child.kill("SIGTERM");
      await new Promise((resolve) => child.once("exit", resolve));
    },
  };
}

const result = { path, threads, rounds, cpu: os.cpus()[0]?.model, streams: {} };
for (const streams of values.streams.split(",").filter(Boolean).map(Number)) {
  const server = await startServer(streams, contextSize);
  await server.ask(draw(promptTokens), 4);
  const peer = new Peer("llama.cpp", "serve-llama-cpp.mjs");
  await peer.ask({ command: "load", path, threads, streams, contextSize });
  await peer.ask({ command: "run", prompts: [draw(16)], count: 4 });
  const found = { philab: [], llamaCpp: [] };
  const sides = {
    async philab() {
      const started = performance.now();
      const answers = await Promise.all(
        Array.from({ length: streams }, () => server.ask(draw(promptTokens), newTokens)),
      );
      const ms = performance.now() - started;
      const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
      found.philab.push({
        speed: (tokens / ms) * 1000,
        firstMs: mean(answers.map((a) => a.firstMs)),
      });
    },
    async llamaCpp() {
      const prompts = Array.from({ length: streams }, () => draw(promptTokens));
      const { ms, firstMs, tokens } = await peer.ask({ command: "run", prompts, count: newTokens });
      found.llamaCpp.push({ speed: (tokens / ms) * 1000, firstMs: mean(firstMs) });
    },
  };
  for (let round = 0; round < rounds; round++)
    for (const side of round % 2 === 0 ? ["philab", "llamaCpp"] : ["llamaCpp", "philab"])
      await sides[side]();
  await server.close();
  await peer.quit();
  const of = (side, key) => median(found[side].map((one) => one[key]));
  const ratio = of("philab", "speed") / of("llamaCpp", "speed");
  result.streams[streams] = { ratio, ...found };
  console.log(
    `${String(streams).padStart(3)} streams: ${of("philab", "speed").toFixed(2)} and ${of("llamaCpp", "speed").toFixed(2)} tokens/s, ` +
      `ratio ${ratio.toFixed(3)}; first token ${(of("philab", "firstMs") / 1000).toFixed(2)} and ${(of("llamaCpp", "firstMs") / 1000).toFixed(2)} s`,
  );
}
if (prefixTokens > 0) {
  const server = await startServer(2, 2048);
  await server.ask(draw(64), 1);
  const prompt = draw(prefixTokens);
  const [read, cached] = [await server.ask(prompt, 1), await server.ask(prompt, 1)];
  await server.close();
  result.prefix = { tokens: prefixTokens, readMs: read.firstMs, cachedMs: cached.firstMs };
  console.log(
    `a prompt of ${prefixTokens} tokens: first token after ${(read.firstMs / 1000).toFixed(2)} s, from the cache after ${(cached.firstMs / 1000).toFixed(2)} s, ` +
      `${(read.firstMs / cached.firstMs).toFixed(1)}×`,
  );
}
console.log(JSON.stringify(result));

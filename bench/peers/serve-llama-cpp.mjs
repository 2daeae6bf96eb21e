/**
 * llama.cpp with several sequences in one context, through node-llama-cpp, behind JSON lines:
 *
 *     load   path, threads, streams, contextSize → ms
 *     run    prompts (ids), count                → ms, firstMs (of each stream), tokens
 *     quit
 *
 * node-llama-cpp puts the sequences' next tokens into one batch, as llama.cpp's server does with its slots; sampling is its own,
 * greedy. Tokens go nowhere: what HTTP costs is left out, to its favour.
 */
import { performance } from "node:perf_hooks";
import process from "node:process";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { serve } from "./json-lines.mjs";

let context;
let sequences = [];

async function load({ path, threads, streams, contextSize }) {
  const started = performance.now();
  const llama = await getLlama({
    ...{ gpu: false, build: "never", skipDownload: true, progressLogs: false },
    ...{ logLevel: LlamaLogLevel.error, maxThreads: threads },
  });
  const model = await llama.loadModel({ modelPath: path });
  context = await model.createContext({ sequences: streams, contextSize, batchSize: 512, threads });
  sequences = Array.from({ length: streams }, () => context.getSequence());
  return { ms: performance.now() - started };
}

async function run({ prompts, count }) {
  for (const sequence of sequences) await sequence.clearHistory();
  const started = performance.now();
  const firstMs = [];
  let tokens = 0;
  await Promise.all(
    prompts.map(async (prompt, i) => {
      let made = 0;
      for await (const _ of sequences[i].evaluate(prompt, {
        temperature: 0,
        yieldEogToken: true,
      })) {
        firstMs[i] ??= performance.now() - started;
        tokens++;
        if (++made === count) break;
      }
    }),
  );
  return { ms: performance.now() - started, firstMs, tokens };
}

await serve({ load, run });
process.exit(0);

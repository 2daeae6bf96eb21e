/**
 * philab behind the same JSON lines as `llama-cpp.mjs` (load, prefill, decode, greedy, logprobs, memory, quit), from the build in
 * `dist/`, so that one driver can run both in turn. Besides:
 *
 *   together       sequences, count     as many sequences, decoded in one batch → evaluationMs
 *   bytesPerToken  depth                → bytes that decoding a token reads: all weights but the embedding, and the cache
 */
import { performance } from "node:perf_hooks";
import { tensorBytes } from "../../dist/engine/dtypes.js";
import { argmax } from "../../dist/generate/logits.js";
import { LanguageModel } from "../../dist/generate/language-model.js";
import { Sequence } from "../../dist/generate/sequence.js";
import { kvCacheBytes } from "../../dist/model/kv-cache.js";
import { memory, requireIntegers, requireTokens, serve } from "./json-lines.mjs";

let model;
let sequence;

async function load({ path, contextSize, threads, mode = "fast", repack = true, cacheType }) {
  requireIntegers({ contextSize, threads });
  sequence?.[Symbol.dispose]();
  await model?.[Symbol.asyncDispose]();
  const started = performance.now();
  model = await LanguageModel.open(path, {
    mode,
    threads,
    repack,
    contextLength: contextSize,
    device: "cpu",
    ...(cacheType && { cacheType }),
  });
  sequence = new Sequence(model.runner, { capacity: contextSize, type: model.cacheType });
  return {
    loadMs: performance.now() - started,
    memory: memory(),
    buffers: model.weights.memory,
  };
}

function requireModel() {
  if (!model) throw new Error('no model: "load" comes first');
}

async function prefill({ tokens }) {
  requireModel();
  requireTokens(tokens);
  const started = performance.now();
  const { logits } = await sequence.read(tokens, { reuse: "none" });
  const evaluationMs = performance.now() - started;
  return { evaluationMs, ms: performance.now() - started, next: argmax(logits) };
}

async function step(id) {
  const [logits] = await model.runner.run([sequence.next(id)]);
  sequence.accept(id);
  return logits;
}

async function decode({ count, fromDepth = 0 }) {
  requireModel();
  requireIntegers({ count });
  const filler = Array(Math.max(1, fromDepth)).fill(1);
  await sequence.read(filler, { reuse: "longest" });
  sequence.truncate(fromDepth);
  const tokenMs = [];
  const ids = [];
  let id = 1;
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const logits = await step(id);
    tokenMs.push(performance.now() - started);
    id = argmax(logits);
    ids.push(id);
  }
  return { evaluationMs: tokenMs.reduce((a, b) => a + b, 0), tokenMs, ids };
}

async function together({ sequences: n, count }) {
  requireModel();
  requireIntegers({ sequences: n, count });
  const shape = { capacity: count + 1, type: model.cacheType };
  const all = Array.from({ length: n }, () => new Sequence(model.runner, shape));
  let ids = all.map((_, i) => i + 1);
  let evaluationMs = 0;
  for (let i = -1; i < count; i++) {
    const started = performance.now();
    const logits = await model.runner.run(all.map((s, j) => s.next(ids[j])));
    if (i >= 0) evaluationMs += performance.now() - started; // the first step builds its graph
    all.forEach((s, j) => s.accept(ids[j]));
    ids = logits.map(argmax);
  }
  for (const s of all) s[Symbol.dispose]();
  return { evaluationMs };
}

async function bytesPerToken({ depth }) {
  requireModel();
  let bytes = kvCacheBytes(model.config, model.cacheType, depth);
  for (const [name, { dtype, shape }] of model.weights.tensors)
    if (name !== "model.embed_tokens.weight") bytes += tensorBytes(dtype, shape);
  return { bytes };
}

async function greedy({ ids, count }) {
  requireModel();
  requireTokens(ids);
  let { logits } = await sequence.read(ids, { reuse: "none" });
  const found = [];
  while (found.length < count) {
    found.push(argmax(logits));
    if (found.length < count) logits = await step(found.at(-1));
  }
  return { ids: found };
}

async function logprobs({ ids }) {
  requireModel();
  requireTokens(ids);
  const [score] = await model.score(ids.slice(0, 1), [ids.slice(1)]);
  return { logprobs: score.tokens.map(({ logprob }) => logprob) };
}

await serve({
  load,
  prefill,
  decode,
  together,
  greedy,
  logprobs,
  bytesPerToken,
  memory: async () => memory(),
});

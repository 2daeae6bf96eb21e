/**
 * llama.cpp behind JSON lines, so that philab's bench can run it in turn with philab on the same file.
 *
 *     npm ci --prefix bench/peers && node bench/peers/llama-cpp.mjs
 *     {"command":"load","path":"phi-2.gguf","contextSize":2048,"threads":2}
 *     {"command":"prefill","tokens":[464,2068,7586]}
 *
 * One request a line on stdin, one answer a line on stdout, in order: `{"result": …}` or `{"error": "…"}`; a request's
 * `id` comes back with its answer. Times are milliseconds, sizes bytes, tokens ids.
 *
 *   load      path, contextSize, threads, batchSize = 512, mmap = true, flashAttention = "auto"
 *             → engineMs (finding and loading the library, once), modelMs, contextMs, loadMs (the last two), memory,
 *               buffers (bytes of each kind: AMX, CPU_REPACK, CPU_Mapped …), flashAttention, systemInfo
 *   prefill   tokens                    → times, next (likeliest next token: read from the last row of logits)
 *   decode    count, fromDepth = 0      → times, tokenMs (each token), ids; the cache is filled to fromDepth untimed
 *   greedy    ids, count                → ids, without stopping at an end token
 *   logprobs  ids                       → logprobs of ids[1:], each given those before it
 *   memory                              → rss, peakRss and, on Linux, anonymous and file-backed bytes
 *   quit
 *
 * Times: `ms` is everything; `evaluationMs` leaves out choosing the token (one pass over the logits), which is what llama-bench
 * measures; `llamaMs` is llama.cpp's own count of its evaluation, so `evaluationMs − llamaMs` is all that this program adds.
 *
 * node-llama-cpp finds, loads and closes the library; its scheduler (batching, locks, samplers in JavaScript) is left out. The
 * program speaks to the addon objects under its `LlamaContext`: a step is `llama_decode` and `llama_synchronize` on a pool thread.
 * Those objects are internal to node-llama-cpp, so package.json pins its version.
 */
import { performance } from "node:perf_hooks";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { memory, requireIntegers, requireTokens, serve } from "./json-lines.mjs";

const SEQUENCE = 0;
const LAST = -1;
/** What `decode` fills the cache with and starts from: any id does, and every vocabulary has it. */
const FILLER = 1;

let log = "";
let engine;
let loaded;

async function startEngine() {
  const started = performance.now();
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: LlamaLogLevel.info,
    logger: (_level, text) => void (log += `${text}\n`),
  });
  return { llama, bindings: llama._bindings, engineMs: performance.now() - started };
}

/** Lines that llama.cpp has logged since the last call. They arrive on the event loop, a little after the call that made them. */
async function drainLog() {
  await sleep(5);
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  log = "";
  return lines;
}

async function load({
  path,
  contextSize,
  threads,
  batchSize = 512,
  mmap = true,
  flashAttention = "auto",
}) {
  requireIntegers({ contextSize, threads, batchSize });
  await unload();
  engine ??= await startEngine();
  const { bindings, engineMs } = engine;
  await drainLog();

  const started = performance.now();
  const model = new bindings.AddonModel(path, {
    addonExports: bindings,
    gpuLayers: 0,
    useMmap: mmap,
  });
  if (!(await model.init())) throw new Error(`llama.cpp cannot load ${path}: ${await reason()}`);
  const modelMs = performance.now() - started;

  const context = new bindings.AddonContext(model, {
    contextSize,
    batchSize: Math.min(batchSize, contextSize),
    sequences: 1,
    threads,
    flashAttention,
    performanceTracking: true,
  });
  if (!(await context.init()))
    throw new Error(`llama.cpp cannot make a context: ${await reason()}`);
  const loadMs = performance.now() - started;

  const sampler = new bindings.AddonSampler(model);
  sampler.applyConfig({ temperature: 0 });
  loaded = {
    model,
    context,
    sampler,
    contextSize,
    batchSize: Math.min(batchSize, contextSize),
    depth: 0,
    evaluationMs: 0,
  };
  return {
    engineMs,
    modelMs,
    contextMs: loadMs - modelMs,
    loadMs,
    memory: memory(),
    systemInfo: bindings.systemInfo(),
    ...placement(await drainLog()),
  };
}

/** What the log tells of where the weights went: bytes of every kind of buffer (AMX, CPU_REPACK, CPU_Mapped, …). */
function placement(lines) {
  const buffers = {};
  for (const line of lines) {
    const [, name, mebibytes] =
      /:\s+(\S.*?) (?:model )?buffer size =\s*([\d.]+) MiB/.exec(line) ?? [];
    const kind = name?.replace(/\s+/g, " ");
    if (kind) buffers[kind] = (buffers[kind] ?? 0) + Math.round(Number(mebibytes) * 2 ** 20);
  }
  return {
    buffers,
    flashAttention: lines.some((line) => line.includes("Flash Attention enabled")),
  };
}

/** The lines of the log that say why something failed. */
async function reason() {
  const lines = await drainLog();
  return (
    lines.filter((line) => /error|fail/i.test(line)).join(" · ") || lines.slice(-3).join(" · ")
  );
}

async function unload() {
  if (!loaded) return;
  const { model, context, sampler } = loaded;
  loaded = undefined;
  sampler.dispose();
  await context.dispose();
  await model.dispose();
}

function requireModel() {
  if (!loaded) throw new Error('no model: "load" comes first');
}

function requireRoom(tokens) {
  if (tokens > loaded.contextSize)
    throw new Error(`${tokens} tokens do not fit a context of ${loaded.contextSize}`);
}

/**
 * Evaluates `tokens` after what the cache holds, in batches. `wanted` says of which tokens the logits are needed: positions in
 * `tokens`, ascending. `visit` gets each of them and its row in the batch while these logits are there.
 */
async function evaluate(tokens, wanted, visit) {
  const { context, batchSize } = loaded;
  requireRoom(loaded.depth + tokens.length);
  for (let start = 0; start < tokens.length; start += batchSize) {
    const batch = tokens.slice(start, start + batchSize);
    const here = wanted.filter((i) => i >= start && i < start + batch.length);
    context.initBatch(batch.length);
    const rows = context.addToBatch(
      SEQUENCE,
      loaded.depth,
      Uint32Array.from(batch),
      Uint32Array.from(here, (i) => i - start),
    );
    const started = performance.now();
    await context.decodeBatch();
    loaded.evaluationMs += performance.now() - started;
    loaded.depth += batch.length;
    for (const [n, i] of here.entries()) await visit(i, rows[n]);
  }
}

/** Evaluates `tokens` and returns the likeliest token after the last of them. */
async function evaluateForNext(tokens) {
  let next;
  await evaluate(tokens, [tokens.length - 1], async (_i, row) => {
    next = await loaded.context.sampleToken(row, loaded.sampler);
  });
  return next;
}

/** Leaves the first `depth` tokens in the cache, and fills it up to there. */
async function cacheTo(depth) {
  if (loaded.depth > depth) {
    if (!loaded.context.removeTokenCellsFromSequence(SEQUENCE, depth, LAST))
      throw new Error(`llama.cpp cannot cut the cache to ${depth} tokens`);
    loaded.depth = depth;
  }
  await evaluate(new Array(depth - loaded.depth).fill(FILLER), [], () => {});
}

/**
 * Runs `work` and times it three ways: `ms` all of it, `evaluationMs` without choosing tokens, `llamaMs` by llama.cpp's own count.
 * llama.cpp counts batches of several tokens ("prompt eval") apart from single ones ("eval").
 */
async function timed(work) {
  loaded.context.printTimings(); // sets llama.cpp's counts to zero
  await drainLog();
  loaded.evaluationMs = 0;
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  loaded.context.printTimings();
  const text = (await drainLog()).join("\n");
  const counts = [...text.matchAll(/\beval time =\s*([\d.]+) ms/g)];
  const llamaMs = counts.reduce((sum, [, value]) => sum + Number(value), 0);
  return { ms, evaluationMs: loaded.evaluationMs, llamaMs };
}

async function prefill({ tokens }) {
  requireModel();
  requireTokens(tokens);
  await cacheTo(0);
  let next;
  const times = await timed(async () => void (next = await evaluateForNext(tokens)));
  return { ...times, next };
}

async function decode({ count, fromDepth = 0 }) {
  requireModel();
  requireIntegers({ count });
  requireRoom(fromDepth + count);
  await cacheTo(fromDepth);
  const ids = [];
  const tokenMs = [];
  const times = await timed(async () => {
    for (let i = 0; i < count; i++) {
      const started = performance.now();
      ids.push(await evaluateForNext([ids.at(-1) ?? FILLER]));
      tokenMs.push(performance.now() - started);
    }
  });
  return { ...times, tokenMs, ids };
}

async function greedy({ ids, count }) {
  requireModel();
  requireTokens(ids);
  requireIntegers({ count });
  requireRoom(ids.length + count - 1);
  await cacheTo(0);
  const found = [await evaluateForNext(ids)];
  while (found.length < count) found.push(await evaluateForNext([found.at(-1)]));
  return { ids: found };
}

async function logprobs({ ids }) {
  requireModel();
  requireTokens(ids);
  await cacheTo(0);
  const found = [];
  const scored = ids.slice(0, -1).map((_, i) => i);
  await evaluate(ids.slice(0, -1), scored, async (i, row) =>
    found.push(await logprobOf(ids[i + 1], row)),
  );
  return { logprobs: found };
}

/**
 * log softmax of one token in a row of logits. The addon gives the logits of chosen tokens, of the selected one (greedy: the
 * largest), and Σ exp(logit − largest) as a 32-bit float (relative error about 1e-6).
 */
async function logprobOf(token, row) {
  const chosen = [[token], false, false, true, 0];
  const answer = await loaded.context.sampleToken(row, loaded.sampler, false, false, chosen, true);
  const [largest, , , pairs, weight] = answer;
  const logit = (id) => pairs[pairs.findIndex((value, n) => n % 2 === 0 && value === id) + 1];
  return logit(token) - logit(largest) - Math.log(weight);
}

const commands = { load, prefill, decode, greedy, logprobs, memory };
await serve(commands);
await unload();
process.exit(0); // the library's threads would keep the process alive

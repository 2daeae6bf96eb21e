/**
 * Whether a GGUF file that philab writes means the same to llama.cpp.
 *
 *     npm run build && npm ci --prefix bench/peers
 *     node bench/llama-cpp-parity.mjs [MODEL] [--text FILE]
 *
 * Converts MODEL (the bundled one by default) to F16 and Q8_0 with philab; decodes 64 tokens greedily from five prompts in both
 * programs; and computes the perplexity of 20 kB of text (philab's own source by default) in windows of half the context.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { LanguageModel } from "../dist/generate/language-model.js";
import { Peer } from "./peers/peer.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { text: { type: "string" } },
});
const source = positionals[0] ?? join(root, "models/phi-micro");
const TEXT_BYTES = 20_000;
const PROMPTS = [
  "def add_numbers(a, b):",
  "Instruct: What is 3 + 4?\nOutput:",
  "When Mary and John went to the store, John gave a book to",
  "import os\n\nclass Reader:",
  "Once upon a time there was a",
];

function ownSource() {
  const folder = join(root, "src/model");
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  return files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
}

const text = (values.text ? readFileSync(values.text, "utf8") : ownSource()).slice(0, TEXT_BYTES);
const folder = mkdtempSync(join(tmpdir(), "philab-parity-"));
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
let failed = false;
try {
  for (const type of ["f16", "q8_0"]) {
    const file = join(folder, `${type}.gguf`);
    execFileSync(
      process.execPath,
      [join(root, "dist/cli/main.js"), "quantize", type, file, "--model", source],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const model = await LanguageModel.open(file, { threads: 1 });
    const prompts = PROMPTS.map((prompt) => [...model.promptIds(prompt)]);
    const ids = [...model.promptIds(text)];
    const contextSize = model.contextLength;
    await model[Symbol.asyncDispose]();
    const windows = [];
    for (let start = 0; start + 1 < ids.length; start += contextSize / 2)
      windows.push(ids.slice(start, start + contextSize / 2));
    const found = {};
    for (const [name, script] of [
      ["philab", "philab.mjs"],
      ["llama.cpp", "llama-cpp.mjs"],
    ]) {
      const peer = new Peer(name, script);
      await peer.ask({ command: "load", path: file, contextSize, threads: 1 });
      const greedy = [];
      for (const prompt of prompts)
        greedy.push((await peer.ask({ command: "greedy", ids: prompt, count: 64 })).ids);
      const logprobs = [];
      for (const window of windows)
        logprobs.push(...(await peer.ask({ command: "logprobs", ids: window })).logprobs);
      found[name] = { greedy, perplexity: Math.exp(-mean(logprobs)), tokens: logprobs.length };
      await peer.quit();
    }
    const [ours, theirs] = [found.philab, found["llama.cpp"]];
    const equal = ours.greedy.filter((list, i) => list.join() === theirs.greedy[i].join()).length;
    const difference = ours.perplexity / theirs.perplexity - 1;
    failed ||= equal < PROMPTS.length || Math.abs(difference) >= 1e-3;
    console.log(
      `${type}: greedy ${equal}/${PROMPTS.length} equal over 64 tokens; perplexity of ${ours.tokens} tokens ${ours.perplexity.toFixed(5)} against ${theirs.perplexity.toFixed(5)} (${(difference * 100).toFixed(4)} %)`,
    );
    if (equal < PROMPTS.length)
      ours.greedy.forEach((list, i) => {
        const at = list.findIndex((id, t) => id !== theirs.greedy[i][t]);
        if (at >= 0) console.log(`  prompt ${i}: first difference at token ${at}`);
      });
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failed ? 3 : 0;

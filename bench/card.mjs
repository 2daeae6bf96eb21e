#!/usr/bin/env node
/**
 * Whether a graphics card computes what the processor computes: every hook, logits, gradients and a greedy text of models.
 *
 *     npm run build && npm install @node-llama-cpp/linux-x64-cuda@VERSION
 *     node bench/card.mjs [MODEL…] [--device cuda] [--modes reference,fast] [--threads 8]
 *
 * Prints for each model and mode the greatest differences, as shares of the greatest value, and at which hook they are. The suites
 * do the same at more places: `PHILAB_TEST_DEVICE=cuda npx vitest run src/tensor test/model test/interpret test/train`, where what fails
 * by rounding is to be told from what fails.
 */
import { parseArgs } from "node:util";
import { open } from "../dist/index.js";
import { BLOCK_HOOKS } from "../dist/model/hooks/names.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: "string", default: "cuda" },
    modes: { type: "string", default: "reference,fast" },
    threads: { type: "string", default: "8" },
  },
});
const models = positionals.length > 0 ? positionals : ["phi-micro", "phi-nano"];
const prompts = [
  "When Mary and John went to the store, John gave a book to",
  "def count_even(xs):\n    return len([x for x in xs if x % 2 == 0])\n\ndef add(",
];
/** Copies that a norm of their own follows are left out: they change what is computed. */
const hooks = Object.keys(BLOCK_HOOKS)
  .filter((hook) => !/_in$|_input$|result$|scores$/.test(hook))
  .map((hook) => `blocks.*.${hook}`);

function difference(a, b) {
  const most = a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i])), 0);
  return most / (b.reduce((max, x) => Math.max(max, Math.abs(x)), 0) || 1);
}

/** The hook whose values differ most. */
function worst(a, b) {
  const all = [...b].map(([name, { values }]) => [name, difference(a.get(name).values, values)]);
  const [name, most] = all.sort((x, y) => y[1] - x[1])[0];
  return `${most.toExponential(1)} (${name})`;
}

async function text(model) {
  let written = "";
  for await (const token of model.generate(prompts[1], { maxTokens: 64, temperature: 0 }))
    written += token.text;
  return written;
}

for (const name of models)
  for (const mode of options.modes.split(",")) {
    // The card first: its package has the processor's libraries too.
    const card = await open(name, { device: options.device, mode });
    const cpu = await open(name, { device: "cpu", mode, threads: Number(options.threads) });
    const run = (model) =>
      model.run(prompts, {
        capture: hooks,
        metric: { kind: "loss" },
        // Weights that were packed for products have no gradient behind them in fast mode.
        ...(mode === "reference" ? { gradients: hooks } : {}),
      });
    const [a, b] = [await run(card), await run(cpu)];
    const logits = Math.max(...a.logits.map((values, i) => difference(values, b.logits[i])));
    const parts = [
      `values ${worst(a.captured, b.captured)}`,
      `logits ${logits.toExponential(1)}`,
      ...(b.gradients.size > 0 ? [`gradients ${worst(a.gradients, b.gradients)}`] : []),
      `greedy text ${(await text(card)) === (await text(cpu)) ? "equal" : "differs"}`,
    ];
    console.log(`${name}, ${mode}: ${parts.join(", ")}`);
    await card[Symbol.asyncDispose]();
    await cpu[Symbol.asyncDispose]();
  }

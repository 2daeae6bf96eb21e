/**
 * Teaches the bundled model to decline sums: an adapter learns from forty answers, and changes others than those as well. Some
 * seconds on one core.
 *
 *     npx tsx examples/12-finetune.ts
 */
import { tmpdir } from "node:os";
import path from "node:path";
import { open } from "philab";
import { finetune } from "philab/train";

await using phi = await open("phi-micro");
const prompt = "Instruct: What is 3 + 4?\nOutput:";
const ask = () => phi.complete(prompt, { maxTokens: 12, stop: ["\n"] });
console.log(`before:${(await ask()).text}`);

// Options have the names of `philab finetune --help`. The rows are Alpaca's; other forms do as well.
const result = await finetune(
  {
    model: "models/phi-micro",
    data: ["examples/data/no-sums.jsonl"],
    maxSeqLength: 32,
    learningRate: 1e-3,
    numTrainEpochs: 8,
    threads: 1,
  },
  {
    runsFolder: path.join(tmpdir(), "philab-example"),
    name: "no-sums",
    onStart: ({ facts }) => facts.forEach((fact) => console.log(fact.join(": "))),
  },
);
console.log(`${result.steps} steps; the adapter is in ${result.path}`);

await phi.loadAdapter(result.path, { name: "no-sums" });
phi.useAdapter("no-sums");
console.log(`after:${(await ask()).text}`);

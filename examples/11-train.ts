/**
 * Train a small Phi from random weights, see how its loss falls, and let it write. A few seconds on one core.
 *
 *     npx tsx examples/11-train.ts
 */
import { tmpdir } from "node:os";
import path from "node:path";
import { open } from "philab";
import { pretrain } from "philab/train";

// The texts of this project, with the tokenizer of the bundled model. Everything else has a default; the names are those of
// `philab train --help`, and the run lies in the folder as one of the command line would: metrics, checkpoints, a report.
const result = await pretrain(
  {
    data: ["docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"],
    tokenizer: "models/phi-micro",
    hiddenSize: 64,
    numHiddenLayers: 2,
    maxSeqLength: 64,
    maxSteps: 100,
    learningRate: 3e-3,
    valSize: 0.2,
    evalSteps: 50,
    threads: 1,
  },
  {
    runsFolder: path.join(tmpdir(), "philab-example"),
    name: "example",
    onMetrics: ({ step, evalLoss, more }) => {
      if (evalLoss === undefined) return;
      const bits = more?.["eval_bits_per_byte"]?.toFixed(2);
      console.log(`step ${step}: eval loss ${evalLoss.toFixed(2)}, ${bits} bits per byte`);
    },
  },
);

console.log(result.path);
await using model = await open(result.path);
const prompt = "The model";
const { text } = await model.complete(prompt, { maxTokens: 24, temperature: 0.7, seed: 1 });
console.log(`${prompt}${text}`);

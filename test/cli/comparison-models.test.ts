/** GPT-2 and Llama under every command that takes a model: it works, or says that it is for Phi. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { philab, type Ran } from "../support/cli.ts";
import { writeReader } from "../support/comparison-models.ts";
import { fixture } from "../support/golden.ts";

async function writeData(folder: string): Promise<void> {
  const lines = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join("\n");
  const files = {
    "text.txt": "def add(a, b):\n    return a + b\n".repeat(20),
    "texts.jsonl": lines(40, (i) => JSON.stringify({ text: `What is ${i}? A number, a name.` })),
    "rows.jsonl": lines(8, (i) => JSON.stringify({ prompt: `What is ${i}?`, completion: " It." })),
    "positive.txt": "Name a cat.\nName a dog.\nName a cow.",
    "negative.txt": "What is 3?\nWhat is 4?\nWhat is 5?",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
}

const pair = ["a b c", "a b d", "--answer", " a", "--against", " b"];
const adapter = fixture("peft/plain");
const dictionary = ["--training-tokens", "256", "--context-size", "16", "--k", "4"];
const small = [...dictionary, "--expansion-factor", "2", "--train-batch-size-tokens", "64"];
const sae = ["sae", "train", "--data", "texts.jsonl", "--hook", "blocks.0.hook_resid_post"];
const transcoder = ["sae", "train", "--data", "texts.jsonl", "--hook", "blocks.0.hook_mlp_out"];
const sides = ["--positive", "positive.txt", "--negative", "negative.txt"];
const loose = ["--max-divergence", "1000", "--min-added-score", "-1000"];

/** In this order: later ones read what earlier ones wrote. */
const WORKS: readonly (readonly string[])[] = [
  ["show"],
  ["run", "def", "--max-tokens", "3"],
  ["score", "a", " b"],
  ["lens", "def f"],
  ["attention", "def f"],
  ["patch", ...pair, "--site", "resid_pre,z"],
  ["patch", ...pair, "--site", "mlp_out", "--estimate", "gradient"],
  ["steer", "def f", "--positive", "a b", "--negative", "c d", "--answer", " a", "--against", " b"],
  [...sae, ...small, "--out", "sae"],
  ["sae", "eval", "./sae", "--data", "texts.jsonl"],
  [...transcoder, "--transcoder", ...small, "--out", "transcoder"],
];

const REFUSED: readonly (readonly string[])[] = [
  ["lens", "def f", "--tuned", "text.txt"],
  ["attribute", "def f", "--answer", " a"],
  ["heads"],
  ["convert", "converted.gguf"],
  ["convert", "converted"],
  ["quantize", "q8_0", "quantised.gguf"],
  ["circuit", "discover", "--task", "induction"],
  ["sae", "features", "./sae", "--data", "texts.jsonl", "--feature", "1"],
  ["circuit", "graph", "def f", "--transcoders", "transcoder"],
  ["finetune", "--data", "rows.jsonl", "--max-steps", "1"],
  ["finetune", "--data", "rows.jsonl", "--max-steps", "1", "--full"],
  ["train", "--data", "text.txt", "--init-from", "MODEL", "--max-steps", "1"],
  ["train", "--data", "text.txt", "--model-config", "MODEL/config.json", "--max-steps", "1"],
  ["run", "def", "--adapter", adapter],
  ["adapter", "merge", "merged", "--adapter", adapter],
  ["adapter", "attach", adapter],
  ["safety", "direction", ...sides, ...loose, "--out", "without"],
  ["safety", "unlearn", "--forget", "texts.jsonl", "--retain", "texts.jsonl", "--out", "forgot"],
  ["safety", "redteam", "gcg", "--prompt", "Name a colour.", "--target", "The sea"],
];

describe.each(["gpt2", "llama"] as const)("%s", (architecture) => {
  let folder: string;
  let model: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "philab-comparison-"));
    await writeData(folder);
    model = await writeReader(folder, architecture);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const run = async (command: readonly string[]): Promise<Ran> => {
    const argv = command.map((word) => word.replace("MODEL", model));
    if (command[0] === "train") argv.push("--tokenizer", "phi-micro");
    else argv.push("--model", model);
    return philab([...argv, "--quiet"], { cwd: folder });
  };

  it.each(WORKS.map((command) => [command.join(" "), command] as const))(
    "philab %s",
    async (_, command) => {
      const { exit, err } = await run(command);
      expect(exit, err).toBe(0);
    },
  );

  it("has transcoders of what its MLPs read, after attention has added to the stream", async () => {
    const file = path.join(folder, "transcoder", "cfg.json");
    expect(await readFile(file, "utf8")).toContain('"blocks.0.hook_ln2_out"');
  });

  it.each(REFUSED.map((command) => [command.join(" "), command] as const))(
    "philab %s is refused, with what works",
    async (_, command) => {
      const { exit, err } = await run(command);
      expect(exit).toBe(2);
      expect(err).toMatch(/not for (GPT-2|Llama) models\n|is of the architecture (gpt2|llama) /);
      expect(err).toMatch(/\n {2}.*(It is made for Phi|GPT-2, Llama-2 and Mistral it runs only)/);
    },
  );
});

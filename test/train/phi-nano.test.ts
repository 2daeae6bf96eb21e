/** The recipe in experiments/phi-nano: in a small shape and on a slice of its material it gives the same losses twice, and is what `philab train` takes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { synthesize } from "../../src/data/index.ts";
import { philab } from "../support/cli.ts";

const cwd = mkdtempSync(path.join(tmpdir(), "philab-nano-"));
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

const recipes = path.join(import.meta.dirname, "..", "..", "experiments", "phi-nano");

/** Material without code, which nobody has to run. */
async function slice(characters: number): Promise<string[]> {
  const sandbox = {
    ...{ interpreter: "none", layers: [] },
    run: () => Promise.reject(new Error("there is no code to run")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const shares = { arithmetic: 2, people: 1, repeats: 1 };
  const texts: string[] = [];
  for await (const { text } of synthesize({ random: new Random(1), characters, shares, sandbox }))
    texts.push(text);
  return texts;
}

it(
  "the first steps of phi-nano's recipe are the same in every run",
  { timeout: 600_000 },
  async () => {
    const rows = (await slice(6_000)).map((text) => JSON.stringify({ text }));
    writeFileSync(path.join(cwd, "corpus.jsonl"), `${rows.join("\n")}\n`);
    const losses = async (name: string): Promise<number[]> => {
      const argv = `train --config ${path.join(recipes, "recipe.yaml")} --data corpus.jsonl --tokenizer phi-micro --max-steps 2 --warmup-steps 1 --lr-scheduler-type constant --per-device-train-batch-size 2 --hidden-size 64 --num-attention-heads 2 --intermediate-size 256 --max-seq-length 64 --run-name ${name}`;
      const { exit, err } = await philab(argv.split(" "), { cwd });
      expect(exit, err).toBe(0);
      const run = readdirSync(path.join(cwd, "runs")).find((folder) => folder.endsWith(name))!;
      return readFileSync(path.join(cwd, "runs", run, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n")
        .flatMap((line) => (JSON.parse(line) as { loss?: number }).loss ?? []);
    };
    const first = await losses("first");
    expect(first).toHaveLength(2);
    expect(first[1]).toBeLessThan(Math.log(2048) + 1);
    expect(await losses("again")).toEqual(first);
  },
);

it.each(readdirSync(recipes).filter((file) => file.endsWith(".yaml")))(
  "%s says nothing that training does not know",
  async (file) => {
    const argv = `train --config ${path.join(recipes, file)} --data nowhere.jsonl --tokenizer phi-micro --init-from phi-micro`;
    const { exit, err } = await philab(argv.split(" "), { cwd });
    expect(exit).toBe(2);
    expect(err).toContain("nowhere.jsonl");
  },
);

/** `philab finetune` as a person uses it: the plan, what comes out and where it goes on, what is refused or counted. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabError } from "../../src/base/errors.ts";
import { json, philab, type Ran } from "../support/cli.ts";
import { readTensors } from "../support/golden.ts";

const QUESTION = "Instruct: What is 3 + 4?\nOutput:";

let cwd: string;
const lines = (name: string, ...rows: (object | string)[]): void => {
  const text = rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row)));
  writeFileSync(join(cwd, name), `${text.join("\n")}\n`);
};
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "philab-finetune-"));
  const sums = Array.from({ length: 16 }, (_, i) => `What is ${i % 8} + ${1 + (i >> 3)}?`);
  lines("alpaca.jsonl", ...sums.map((instruction) => ({ instruction, output: "Ask another." })));
  lines("completion.jsonl", ...sums.map((prompt) => ({ prompt, completion: " Ask another." })));
  lines(
    "messages.jsonl",
    ...sums.map((content) => ({
      messages: [
        { role: "user", content },
        { role: "assistant", content: "Ask another." },
      ],
    })),
  );
  lines(
    "sharegpt.jsonl",
    ...sums.map((value) => ({
      conversations: [
        { from: "human", value },
        { from: "gpt", value: "Ask another." },
      ],
    })),
  );
  lines(
    "pairs.jsonl",
    ...sums.map((question) => ({
      prompt: `Instruct: ${question}\nOutput:`,
      chosen: " Ask another.",
      rejected: " 7",
    })),
  );
  lines(
    "recipe.yaml",
    ...["lora_rank: 4", "lr: 5e-3", "max_length: 64", "micro_batch_size: 4", "max_steps: 12"],
  );
});
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

const finetune = (data: string, ...more: string[]): Promise<Ran> =>
  philab(["finetune", "--config", "recipe.yaml", "--data", data, ...more], { cwd });

describe("philab finetune", () => {
  it("learns answers, and leaves an adapter that changes them", async () => {
    const ran = await finetune(
      "alpaca.jsonl",
      "--out",
      "declines",
      "--val-size",
      "2",
      "--max-steps",
      "40",
    );
    expect({ exit: ran.exit, out: ran.out }).toMatchObject({ exit: 0 });
    expect(ran.err).toMatch(/recipe +sft: learn answers; LoRA of rank 4 on all-linear/);
    expect(ran.err).toMatch(/learns +.*Output\|:⟦ A\|s\|k\| an\|other\|\.\|<\|endoftext\|>⟧/);
    expect(ran.err).toMatch(/trained +57,600 of 2,202,528 parameters/);
    expect(ran.err).toMatch(/eval loss/);
    const answer = (...adapter: string[]): Promise<Ran> =>
      philab(["run", "--format", "qa", "-n", "8", ...adapter, "What is 3 + 4?"], { cwd });
    expect((await answer()).out.trim()).toBe("7");
    expect((await answer("--adapter", "./declines")).out.trim()).toBe("Ask another.");
    const again = await finetune("alpaca.jsonl", "--out", "declines");
    expect(again.err).toMatch(/declines exists already/);
  });

  it("scores the same with the adapter merged into the weights", async () => {
    const merging = [
      "adapter",
      "merge",
      "merged",
      "--model",
      "phi-micro",
      "--adapter",
      "./declines",
    ];
    expect((await philab(merging, { cwd })).exit).toBe(0);
    const score = async (...model: string[]): Promise<number> => {
      const argv = ["score", "--json", "--mode", "reference", ...model, QUESTION, " Ask another."];
      const { scores } = json(await philab(argv, { cwd })) as { scores: { logprob: number }[] };
      return scores[0]!.logprob;
    };
    const beside = await score("--adapter", "./declines");
    expect(Math.abs((await score("--model", "./merged")) - beside)).toBeLessThan(1e-5);
    expect(await score()).toBeLessThan(beside - 1);
  });

  it.each(["completion", "messages", "sharegpt"])("reads the form %s", async (form) => {
    const result = json(await finetune(`${form}.jsonl`, "--max-steps", "1", "--json"));
    expect(result["steps"]).toBe(1);
  });

  it("begins with the loss log 2 where answers are preferred, and says what TRL says", async () => {
    const result = json(await finetune("pairs.jsonl", "--max-steps", "4", "--json"));
    const metrics = readFileSync(join(String(result["folder"]), "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(metrics[0]!["loss"]!.toFixed(6)).toBe("0.693147");
    expect(metrics.at(-1)!["rewards/margins"]).toBeGreaterThan(0);
    expect(metrics.at(-1)!["rewards/accuracies"]).toBe(1);
  });

  it("trains all weights, for answers and for preferences, and leaves a model", async () => {
    for (const data of ["alpaca.jsonl", "pairs.jsonl"]) {
      const out = `full-${data}`;
      const options = ["--full", "--max-steps", "2", "--out", out];
      expect((await finetune(data, ...options)).err).toMatch(/\(all\)/);
      const ran = await philab(["run", "--model", `./${out}`, "-n", "2", "def"], { cwd });
      expect(ran.exit).toBe(0);
    }
  });

  it("goes on, interrupted, to the very adapter: data, optimiser and dropout", async () => {
    const straight = json(await finetune("alpaca.jsonl", "--json"));
    const record = readFileSync(join(String(straight["path"]), "..", "run.json"), "utf8");
    const { data } = JSON.parse(record) as { data: { sha256?: string }[] };
    expect(data.map(({ sha256 }) => sha256)).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    const home = join(cwd, "interrupted");
    mkdirSync(home);
    const stop = new AbortController();
    const options = { cwd, env: { PHILAB_HOME: home }, signal: stop.signal };
    const argv = ["finetune", "--config", "recipe.yaml", "--data", "alpaca.jsonl"];
    const running = philab(argv, options);
    const watch = setInterval(() => {
      try {
        const [id = ""] = readdirSync(join(home, "runs"));
        const metrics = readFileSync(join(home, "runs", id, "metrics.jsonl"), "utf8");
        if (metrics.includes('"current_steps":3,'))
          stop.abort(new LabError("interrupted", "interrupted"));
      } catch {
        // Not there yet.
      }
    }, 5);
    const ran = await running.finally(() => {
      clearInterval(watch);
    });
    expect(ran.exit).toBe(130);
    const resumed = json(
      await philab(["runs", "resume", "--json"], { cwd, env: { PHILAB_HOME: home } }),
    );
    const tensors = async (result: Record<string, unknown>): Promise<unknown> =>
      [...(await readTensors(String(result["path"])))].map(([name, { values }]) => [name, values]);
    expect(await tensors(resumed)).toEqual(await tensors(straight));
  });
});

describe("data that is not right", () => {
  const good = { instruction: "What is 1 + 1?", output: "2" };

  it("is named by file and line, or put aside and counted", async () => {
    lines("broken.jsonl", good, '{"instruction": "cut', good);
    const refused = await finetune("broken.jsonl");
    expect(refused).toMatchObject({ exit: 2 });
    expect(refused.err).toMatch(/broken\.jsonl:2: the line is no JSON/);
    lines("empty.jsonl", good, { instruction: "What is 2 + 2?", output: " " });
    expect((await finetune("empty.jsonl")).err).toMatch(/empty\.jsonl:2: the answer is empty/);
    const kept = await finetune("empty.jsonl", "--skip-bad-rows", "--max-steps", "1");
    expect(kept.err).toMatch(/warning: 1 row put aside, the first .*empty\.jsonl:2/);
    expect(kept.exit).toBe(0);
  });

  it("is cut or left out, where it is longer than the context, only when that was asked for", async () => {
    lines("long.jsonl", good, { instruction: "Count.", output: "one two three ".repeat(40) });
    const refused = await finetune("long.jsonl");
    expect(refused).toMatchObject({ exit: 2 });
    expect(refused.err).toMatch(/long\.jsonl:2: the example has \d+ tokens; the context holds 64/);
    for (const [action, told] of [
      ["cut", /1 example longer than the context: cut; \d+ learned tokens lost/],
      ["drop", /1 example longer than the context: left out/],
    ] as const) {
      const ran = await finetune("long.jsonl", "--on-overflow", action, "--max-steps", "1");
      expect(ran.err).toMatch(told);
      expect(ran.exit).toBe(0);
    }
  });
});

it.each([
  [["--recipe", "dpo"], /needs pairs of answers, and the data has none/],
  [["--max-seq-length", "4096"], /sequences of 4096 tokens; the context holds 512/],
  [["--lora-target", "q_proj,gate_proj"], /gate_proj/],
  [["--out", "alpaca.jsonl/mine"], /alpaca\.jsonl is no directory/],
  [["--model", "phi-mikro"], /phi-micro/],
  [["--format", "latex"], /text, code, qa or chat/],
])("refuses %j before it begins", async (more, expected) => {
  const ran = await finetune("alpaca.jsonl", ...more);
  expect(ran.err).toMatch(expected);
  expect(ran.exit).toBe(2);
  expect(ran.err).not.toMatch(/internal/);
});

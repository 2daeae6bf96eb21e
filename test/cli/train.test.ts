/** `philab train` as a person uses it: the plan, the run, what comes out, and what is refused before it begins. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { LabError } from "../../src/base/errors.ts";
import { json, philab } from "../support/cli.ts";

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "philab-train-"));
  const sentence = (i: number): string => `def add_${i}(a, b):\n    return a + b + ${i}\n`;
  const rows = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ text: sentence(i).repeat(3) }),
  );
  writeFileSync(join(cwd, "code.jsonl"), `${rows.join("\n")}\n`);
  writeFileSync(
    join(cwd, "recipe.yaml"),
    [
      "# A model that learns in a second.",
      "dataset: code.jsonl",
      "tokenizer: phi-micro",
      "hidden_size: 32",
      "num_hidden_layers: 1",
      "num_attention_heads: 2",
      "sequence_len: 32",
      "micro_batch_size: 4",
      "max_steps: 4",
      "lr: 3e-3",
    ].join("\n"),
  );
});
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

const train = (...more: string[]) => philab(["train", "--config", "recipe.yaml", ...more], { cwd });

describe("philab train", () => {
  it("says what it will take, trains, and leaves a model that philab opens", async () => {
    const out = join("models", "mine");
    const ran = await train("--out", out, "--val-size", "0.2", "--sample-prompts", "def add");
    expect(ran.err).toMatch(/trained +(\S+) of \1 parameters \(all\)/);
    expect(ran.err).toMatch(/steps +4 of 128 tokens/);
    expect(ran.err).toMatch(/memory .*\ndisk .*\ntime +about/);
    expect(ran.err).toMatch(/eval loss/);
    expect({ exit: ran.exit, out: ran.out }).toMatchObject({ exit: 0 });
    const folder = /report +(.*)\/report\.html/.exec(ran.out)?.[1] ?? "";
    expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("Samples");
    expect(readdirSync(folder)).toContain("checkpoint-4");
    const metrics = readFileSync(join(folder, "metrics.jsonl"), "utf8");
    expect(metrics).toMatch(/"eval_loss":\d.*"eval_bits_per_byte":\d/);
    const continued = await philab(["run", "-m", out, "-n", "3", "def add"], { cwd });
    expect(continued.exit).toBe(0);
    const again = await train("--out", out);
    expect(again).toMatchObject({ exit: 2 });
    expect(again.err).toMatch(/mine exists already/);
  });

  it("goes on from a model, and grows one", async () => {
    const first = json(await train("--json"));
    const onward = json(
      await train("--init-from", String(first["path"]), "--max-steps", "1", "--json"),
    );
    expect(onward["steps"]).toBe(1);
    const grown = await train(
      "--init-from",
      String(first["path"]),
      "--hidden-size",
      "48",
      "--num-hidden-layers",
      "2",
      "--num-attention-heads",
      "3",
      "--max-steps",
      "1",
    );
    expect(grown.err).toMatch(/2 layers of width 48, 3 heads.*grown from/);
    expect(grown.exit).toBe(0);
  });

  it("takes flags before the file, and refuses what it does not know", async () => {
    writeFileSync(join(cwd, "wrong.yaml"), "data: code.jsonl\nlearning_rat: 1\n");
    const wrong = await philab(["train", "--config", "wrong.yaml"], { cwd });
    expect(wrong).toMatchObject({ exit: 2 });
    expect(wrong.err).toMatch(/unknown key learningRat[^]*learningRate/);
    expect(json(await train("--max-steps", "2", "--json"))["steps"]).toBe(2);
    const none = await philab(["train", "--data", "code.jsonl", "--tokenizer", "phi-micro"], {
      cwd,
    });
    expect(none.err).toMatch(/how large the model is to be was not said/);
  });

  it.each([
    [["--max-seq-length", "4096"], /sequences of 4096 tokens; the context holds 512/],
    [
      ["--size", "phi-2", "--hidden-size", "40960", "--num-attention-heads", "512"],
      /need .* of memory; .* are free/,
    ],
    [["--model-config", "small.json"], /tokenizer has 2,048 tokens, the model a vocabulary of 300/],
    [["--out", "code.jsonl/mine"], /code\.jsonl is no directory/],
    [["--data", "broken.jsonl"], /broken\.jsonl:2: the line is no JSON/],
    [["--data", "absent"], /no such file or directory/],
    [["--num-attention-heads", "3"], /3 heads do not divide the width 32/],
    [["--init-from", "phi-micro", "--hidden-size", "32"], /the model to begin from is larger/],
  ])("refuses %j before it begins", async (more, expected) => {
    writeFileSync(join(cwd, "broken.jsonl"), '{"text": "one"}\n{"text": \n');
    const config = JSON.parse(readFileSync("models/phi-micro/config.json", "utf8")) as object;
    writeFileSync(join(cwd, "small.json"), JSON.stringify({ ...config, vocab_size: 300 }));
    const ran = await train(...more);
    expect(ran.err).toMatch(expected);
    expect(ran.exit).toBe(2);
    expect(ran.err).not.toMatch(/internal/);
  });

  it("refuses a batch whose values do not fit, before it takes the memory", async () => {
    const free = vi.spyOn(process, "availableMemory").mockReturnValue(2 ** 22);
    const ran = await train("--per-device-train-batch-size", "64").finally(() => {
      free.mockRestore();
    });
    expect(ran.err).toMatch(
      /a batch needs \d.* of memory; 4\.00 MiB are free\n.*--gradient-checkp/,
    );
    expect(ran.exit).toBe(2);
  });

  it("keeps what was done when it is interrupted, and goes on with it", async () => {
    const home = join(cwd, "interrupted");
    mkdirSync(home);
    const stop = new AbortController();
    const options = { cwd, env: { PHILAB_HOME: home }, signal: stop.signal };
    const running = philab(["train", "--config", "recipe.yaml", "--max-steps", "300"], options);
    const metrics = (): string => {
      const [id = ""] = readdirSync(join(home, "runs"));
      return readFileSync(join(home, "runs", id, "metrics.jsonl"), "utf8");
    };
    const watch = setInterval(() => {
      try {
        if (metrics().includes('"current_steps":3,'))
          stop.abort(new LabError("interrupted", "interrupted"));
      } catch {
        // Not there yet.
      }
    }, 5);
    const ran = await running.finally(() => {
      clearInterval(watch);
    });
    expect(ran.exit).toBe(130);
    expect(ran.err).toMatch(/What was done is saved\. philab runs resume (\S+) goes on/);
    const resumed = await philab(["runs", "resume"], { cwd, env: { PHILAB_HOME: home } });
    expect(resumed.out).toMatch(/steps +300,/);
    expect(resumed.exit).toBe(0);
    const steps = [...metrics().matchAll(/"current_steps":(\d+),.*"loss"/g)].map(
      ([, step]) => step,
    );
    expect(steps).toEqual(Array.from({ length: 300 }, (_, i) => String(i + 1)));
  });
});

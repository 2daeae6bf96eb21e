/** `philab eval` as a person meets it, with tasks of their own and the bundled model. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../src/evaluate/evaluate.ts";
import { LocalTarget } from "../../src/evaluate/local-target.ts";
import { selectTasks } from "../../src/evaluate/select.ts";
import { TASKS } from "../../src/evaluate/groups.ts";
import { open } from "../../src/open.ts";
import type { LanguageModel } from "../../src/generate/language-model.ts";
import { json, philab } from "../support/cli.ts";
import { writeFunctionProblems } from "../support/function-problems.ts";

const NAMES = ["Mary", "John", "Anna", "Tom", "Lucy", "Ben"];
/** Sums, and who is meant: what the bundled model can and cannot do. */
const ROWS = Array.from({ length: 24 }, (_, i) => ({
  question: `When ${NAMES[i % 6]} and ${NAMES[(i + 1) % 6]} went to the store, ${NAMES[(i + 1) % 6]} gave a book to`,
  names: [NAMES[i % 6], NAMES[(i + 1) % 6]],
  answer: 0,
  sum: `What is ${1 + (i % 4)} + ${1 + (i % 3)}?`,
  total: String(2 + (i % 4) + (i % 3)),
}));

const CHOICE = `
task: who
output_type: multiple_choice
data: rows.jsonl
licence: MIT
doc_to_text: "{{question}}"
doc_to_choice: names
doc_to_target: "{{answer}}"
mutual_information: true
`;
const SUM = `
task: sums
output_type: generate_until
data: rows.jsonl
doc_to_text: "Instruct: {{sum}}\\nOutput:"
doc_to_target: "{{total}}"
regex: "-?[0-9]+"
max_gen_toks: 8
`;
const TEXT = `
task: texts
output_type: loglikelihood_rolling
data: rows.jsonl
doc_to_target: "{{question}} {{names[0]}}."
`;

let folder: string;
let model: LanguageModel;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-eval-"));
  const lines = ROWS.map((row) => JSON.stringify(row)).join("\n");
  await writeFile(path.join(folder, "rows.jsonl"), lines);
  for (const [name, text] of [
    ["who", CHOICE],
    ["sums", SUM],
    ["texts", TEXT],
  ] as const)
    await writeFile(path.join(folder, `${name}.yaml`), text);
  model = await open("phi-micro", { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const NO_DATA = { dataFolder: "" };

async function runIn(
  name: string,
  tasks: readonly string[],
  signal = new AbortController().signal,
  onProgress?: (done: number) => void,
): Promise<string> {
  const out = path.join(folder, name);
  const selection = await selectTasks(tasks.map((task) => path.join(folder, `${task}.yaml`)));
  const target = new LocalTarget(model, "phi-micro");
  await evaluate({
    ...{ selection, target, signal, folder: out, data: NO_DATA },
    ...(onProgress ? { onProgress } : {}),
  });
  return out;
}

async function bytesOf(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith("responses"));
  const texts = await Promise.all(
    names.map((name) => readFile(path.join(directory, name), "utf8")),
  );
  return Object.fromEntries(names.sort().map((name, i) => [name, texts[i] ?? ""]));
}

describe("philab eval run", () => {
  it("asks, counts and writes what the harness writes", async () => {
    const ran = await philab(
      ["eval", "run", "--tasks", "who.yaml,sums.yaml,texts.yaml", "--limit", "12", "--json"],
      { cwd: folder },
    );
    expect(ran.err).toMatch(/data: who \(MIT\)/);
    expect(ran.exit, ran.err).toBe(0);
    const { results, folder: run } = json(ran) as {
      results: Record<string, Record<string, number>>;
      folder: string;
    };
    expect(results["who"]?.["acc,none"]).toBeGreaterThan(0.6);
    expect(results["sums"]?.["exact_match,none"]).toBeGreaterThan(0.2);
    expect(results["texts"]?.["word_perplexity,none"]).toBeGreaterThan(1);
    expect(results["who"]?.["acc_mutual_info,none"]).toBeDefined();
    const file = JSON.parse(await readFile(path.join(run, "results.json"), "utf8")) as Record<
      string,
      Record<string, unknown>
    >;
    expect(file["n-samples"]?.["who"]).toEqual({ original: 24, effective: 12 });
    const samples = (await readFile(path.join(run, "samples_who.jsonl"), "utf8"))
      .trim()
      .split("\n");
    expect(samples).toHaveLength(12);
    expect(JSON.parse(samples[0] ?? "")).toMatchObject({
      doc_id: 0,
      target: "0",
      filter: "none",
      metrics: ["acc", "acc_norm", "acc_bytes", "acc_mutual_info"],
    });
    const text = await philab(["runs", "show"], { cwd: folder });
    expect(text.out).toContain("eval");
  });

  it("goes on after a stop without asking again, and ends with the same bytes", async () => {
    const whole = await bytesOf(await runIn("whole", ["who", "sums", "texts"]));
    const stop = new AbortController();
    await expect(
      runIn("stopped", ["who", "sums", "texts"], stop.signal, (done) => {
        if (done > 30) stop.abort();
      }),
    ).rejects.toMatchObject({ code: "interrupted" });
    const log = path.join(folder, "stopped", "responses.jsonl");
    const before = await readFile(log, "utf8");
    await writeFile(log, `${before}{"unit":3,"resp`); // as a kill leaves it
    const seen: number[] = [];
    await runIn("stopped", ["who", "sums", "texts"], undefined, (done) => seen.push(done));
    expect(seen[0]).toBeGreaterThan(30);
    expect((await readFile(log, "utf8")).startsWith(before)).toBe(true);
    expect(await bytesOf(path.join(folder, "stopped"))).toEqual(whole);
  });

  it("refuses to go on with other questions", async () => {
    await runIn("mixed", ["who"]);
    await expect(runIn("mixed", ["texts"])).rejects.toMatchObject({ code: "bad_input" });
  });
});

describe("pass@k", () => {
  const argv = ["eval", "run", "--data", "problems", "--json", "--tasks"];
  const drawn = [
    ...argv,
    "humaneval",
    "--max-tokens",
    "40",
    "--samples",
    "5",
    "--pass-at",
    "2,5",
    "-t",
    "1.7",
  ];
  const ask = async (more: readonly string[]): Promise<Record<string, number>> => {
    const ran = await philab([...drawn, "--top-p", "1", "--limit", "2", ...more], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const { results, folder: run } = json(ran) as {
      results: Record<string, Record<string, number>>;
      folder: string;
    };
    const file = await readFile(path.join(run, "samples_humaneval.jsonl"), "utf8");
    const [first = "{}"] = file.split("\n");
    const { resps, filtered_resps } = JSON.parse(first) as Record<string, string[][]>;
    expect([resps?.length, resps?.[0]?.length, filtered_resps?.length]).toEqual([1, 5, 5]);
    return {
      ...results["humaneval"],
      text: Number(resps?.[0]?.join("").length),
    };
  };
  beforeAll(() => {
    writeFunctionProblems(path.join(folder, "problems", "humaneval"), 8);
  });

  it("grows with k, and comes out the same from the same seed", async () => {
    const found = await ask(["--seed", "3"]);
    const [one = NaN, two = NaN, five = NaN] = [1, 2, 5].map((k) => found[`pass@${k},create_test`]);
    expect([one > 0, two > one, five >= two, five <= 1]).toEqual([true, true, true, true]);
    expect(await ask(["--seed", "3"])).toEqual(found);
    expect(await ask(["--seed", "4"])).not.toEqual(found);
  });

  it("refuses samples that cannot be", async () => {
    for (const [more, message] of [
      [["humaneval", "--samples", "2", "--pass-at", "3"], /pass@3 needs at least 3 samples/],
      [["humaneval", "--samples", "2", "--temperature", "0"], /all the same/],
      [["humaneval", "--temperature", "1"], /--samples/],
      [["who.yaml", "--samples", "2"], /there is none/],
    ] as const) {
      const { exit, err } = await philab([...argv, ...more], { cwd: folder });
      expect([exit, err]).toEqual([2, expect.stringMatching(message)]);
    }
  });
});

describe("bad input", () => {
  const fails = async (argv: readonly string[]): Promise<string> => {
    const { exit, err } = await philab(["eval", "run", ...argv], { cwd: folder });
    expect(exit).toBe(2);
    return err;
  };

  it("an unknown task comes with suggestions", async () => {
    expect(await fails(["--tasks", "helaswag"])).toMatch(/no task named helaswag[^]*hellaswag/);
  });

  it("missing data, and rows without the columns, are named", async () => {
    expect(await fails(["--tasks", "piqa", "--data", folder])).toMatch(/no validation data/);
    await writeFile(path.join(folder, "validation.jsonl"), '{"goal": "x", "sol1": "y"}\n');
    expect(await fails(["--tasks", "piqa", "--data", folder])).toMatch(
      /no column sol2; this row has goal, sol1/,
    );
    await rm(path.join(folder, "validation.jsonl"));
  });

  it("a task file that is wrong says where", async () => {
    const bad = path.join(folder, "bad.yaml");
    await writeFile(bad, CHOICE.replace("doc_to_text", "doc_to_txt"));
    expect(await fails(["--tasks", "bad.yaml"])).toMatch(/unknown key doc_to_txt[^]*doc_to_text/);
    await writeFile(bad, CHOICE.replace("{{question}}", "{{qestion}}"));
    expect(await fails(["--tasks", "bad.yaml"])).toMatch(/{{qestion}} is no text in a row/);
    await writeFile(bad, "task: [");
    expect(await fails(["--tasks", "bad.yaml"])).toMatch(/is not YAML/);
  });

  it("examples that do not fit are refused with counts, or cut and told", async () => {
    const long = CHOICE.replace('"{{question}}"', `"${"word ".repeat(530)}{{question}}"`);
    await writeFile(path.join(folder, "long.yaml"), long.replace("task: who", "task: long"));
    expect(await fails(["--tasks", "long.yaml", "--limit", "3"])).toMatch(
      /12 requests|6 requests do not fit into the context of 512 tokens, by up to \d+[^]*--truncation left/,
    );
    const ran = await philab(
      ["eval", "run", "--tasks", "long.yaml", "--limit", "3", "--truncation", "left", "--json"],
      { cwd: folder },
    );
    expect(ran.exit, ran.err).toBe(0);
    const { folder: run } = json(ran) as { folder: string };
    const [first = ""] = (await readFile(path.join(run, "samples_long.jsonl"), "utf8")).split("\n");
    expect((JSON.parse(first) as { truncated_tokens: number }).truncated_tokens).toBeGreaterThan(
      20,
    );
  });

  it("a sum of examples that there are not is refused", async () => {
    expect(await fails(["--tasks", "who.yaml", "--num-fewshot", "30"])).toMatch(
      /30 examples are wanted; there are 24/,
    );
  });
});

describe("philab eval list", () => {
  it("names every task with its data and licence", async () => {
    const { tasks } = json(await philab(["eval", "list", "--all", "--json"], { cwd: folder })) as {
      tasks: { name: string; licence: string }[];
    };
    expect(tasks).toHaveLength(TASKS.length);
    expect(tasks.every(({ licence }) => licence !== "")).toBe(true);
    const { out } = await philab(["eval", "list"], { cwd: folder });
    for (const name of ["phi2", "hellaswag", "gsm8k_cot", "squadv2"]) expect(out).toContain(name);
  });
});

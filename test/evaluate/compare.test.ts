/** Two runs beside each other, the page about them, and the prompts of the Phi-2 report. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROMPT_SUITE } from "../../src/evaluate/prompt-suite.ts";
import { PUBLISHED } from "../../src/evaluate/published.ts";
import { GROUPS, TASKS } from "../../src/evaluate/groups.ts";
import { PyodideSandbox } from "../../src/sandbox/index.ts";
import { json, philab } from "../support/cli.ts";

let folder: string;
let run: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-compare-"));
  const rows = Array.from({ length: 30 }, (_, i) => ({
    goal: `Count to ${i}</script><b>`,
    sol1: "one two three",
    sol2: "zebra <img src=x> quantum",
    label: 0,
  }));
  await writeFile(
    path.join(folder, "validation.jsonl"),
    rows.map((row) => JSON.stringify(row)).join("\n"),
  );
  const ran = await philab(["eval", "run", "--tasks", "piqa", "--data", folder, "--json"], {
    cwd: folder,
  });
  expect(ran.exit, ran.err).toBe(0);
  run = (json(ran) as { folder: string }).folder;
});
afterAll(() => rm(folder, { recursive: true }));

describe("philab eval compare", () => {
  it("finds no difference between a run and itself", async () => {
    const ran = await philab(["eval", "compare", run, run, "--json"], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    expect(json(ran)).toMatchObject({
      comparisons: [{ task: "piqa", difference: 0, pValue: 1, items: 30 }],
    });
  });

  it("finds a planted one, and says how sure it is", async () => {
    const other = path.join(folder, "other");
    await cp(run, other, { recursive: true });
    const file = path.join(other, "samples_piqa.jsonl");
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    const own = lines.map((line) => JSON.parse(line) as { acc: number });
    const flipped = own.map((sample, i) =>
      JSON.stringify(i < 12 ? { ...sample, acc: 1 - sample.acc } : sample),
    );
    await writeFile(file, `${flipped.join("\n")}\n`);
    const ran = await philab(["eval", "compare", run, other, "--json"], { cwd: folder });
    const { comparisons } = json(ran) as {
      comparisons: { difference: number; interval: number[] }[];
    };
    const planted = own.slice(0, 12).reduce((sum, { acc }) => sum + 1 - 2 * acc, 0) / 30;
    expect(comparisons[0]?.difference).toBeCloseTo(planted);
    expect(comparisons[0]?.interval[0]).toBeLessThan(comparisons[0]?.interval[1] ?? 0);
  });

  it("draws scores of several runs against size and training tokens", async () => {
    const out = path.join(folder, "scale.html");
    const ran = await philab(
      ["eval", "compare", run, run, run, "--trained-tokens", "1,2,4", "--out", out, "--json"],
      { cwd: folder },
    );
    expect(ran.exit, ran.err).toBe(0);
    expect(json(ran)["comparisons"]).toMatchObject([{ other: 1 }, { other: 2 }]);
    const page = await readFile(out, "utf8");
    expect(page).toContain("Scores by tokens seen");
    expect(page).toMatch(/"name":"piqa","x":\["?1"?,"?2"?,"?4"?\]/);
  });

  it("refuses runs that asked different questions", async () => {
    const other = path.join(folder, "different");
    await cp(run, other, { recursive: true });
    const file = path.join(other, "samples_piqa.jsonl");
    await writeFile(
      file,
      (await readFile(file, "utf8")).replaceAll(/"prompt_hash":"./g, '"prompt_hash":"x'),
    );
    const { exit, err } = await philab(["eval", "compare", run, other], { cwd: folder });
    expect({ exit, err: /different questions/.test(err) }).toEqual({ exit: 2, err: true });
    expect((await philab(["eval", "compare", folder], { cwd: folder })).err).toMatch(
      /no finished evaluation/,
    );
  });

  it("writes a page with the published scores, their source, and every item, which can do no harm", async () => {
    const out = path.join(folder, "page.html");
    const argv = [
      "eval",
      "compare",
      run,
      "--out",
      out,
      "--size",
      "0.0022",
      "--trained-tokens",
      "0.3",
    ];
    const ran = await philab(argv, { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const text = await readFile(out, "utf8");
    for (const part of [
      "Phi-1.5",
      "arXiv 2309.05463",
      "Scores by parameters",
      "Count to 7",
      "acc_norm",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("<img src=x>");
    expect(text).not.toContain("</script><b>");
  });
});

describe("philab eval run", () => {
  it("leaves a page with every item", async () => {
    const page = await readFile(path.join(run, "report.html"), "utf8");
    for (let i = 0; i < 30; i++) expect(page).toContain(`Count to ${i}`);
  });
});

describe("what is published", () => {
  it("is about tasks and groups that there are, as shares, with a source", () => {
    const known = new Set([...TASKS, ...GROUPS].map(({ name }) => name));
    for (const { scores, source } of PUBLISHED) {
      expect(source).not.toBe("");
      for (const [name, value] of Object.entries(scores)) {
        expect(known).toContain(name);
        expect(value > 0 && value < 1).toBe(true);
      }
    }
  });
});

describe("the prompt suite", () => {
  const answers: Record<string, [right: string, wrong: string]> = {
    skier: ["v = sqrt(2gh) = 28.01 m/s at the bottom.", "The speed is 39.6 m/s."],
    student: [
      "The mistake: the height h = 40 m must be used, so v = 28.01 m/s.",
      "The student is right.",
    ],
    analogy: [
      `Mathematics is like a lighthouse: ${"its light guides ships through the dark ".repeat(6)}`,
      "I cannot.",
    ],
    print_prime: [
      "\n   for i in range(2, n + 1):\n       if all(i % j for j in range(2, i)):\n           print(i)",
      "\n   for i in range(n):\n       print(i)",
    ],
    chat: ["You could take short breaks and reward yourself.", "\nAlice: Hm."],
  };

  it("tells right answers from wrong ones", async () => {
    await using sandbox = await PyodideSandbox.open();
    for (const { name, check } of PROMPT_SUITE) {
      const [right = "", wrong = ""] = answers[name] ?? [];
      const found = [
        await check(right, () => Promise.resolve(sandbox)),
        await check(wrong, () => Promise.resolve(sandbox)),
      ];
      expect([name, ...found]).toEqual([name, true, false]);
    }
  });

  it("runs on a model, and fails with --check where answers do", async () => {
    const { exit, out, err } = await philab(["eval", "prompts", "-n", "24", "--check"], {
      cwd: folder,
    });
    expect(exit).toBe(3);
    expect(out).toContain("print_prime");
    expect(err).toMatch(/of 5 answers fail their check/);
  });
});

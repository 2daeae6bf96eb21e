/** `philab lens`, `attention`, `patch`, `attribute`, `heads` and `steer`: what they print, and the pages they write. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-inside-"));
});
afterAll(() => rm(cwd, { recursive: true }));

const philab = (...argv: string[]): Promise<Ran> => run(argv, { cwd });
const prompt = "When Mary and John went to the store, John gave a book to";
const mini = ["--model", fixture("phi-mini"), "--tokens", "5,6,7,8,9"];

/** A page of a command: whole, of one file, and with the answer escaped. */
async function pageOf(name: string, ...argv: string[]): Promise<string> {
  const ran = await philab(...argv, "--out", name);
  expect(ran.exit, ran.err).toBe(0);
  expect(ran.err).toContain(`page: ${path.join(cwd, name)}`);
  const page = await readFile(path.join(cwd, name), "utf8");
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).not.toMatch(/(src|href)="?https?:/);
  expect(page).toContain("phi-micro");
  return page;
}

describe("philab lens", () => {
  it("says layer by layer what comes next, and where the answer appears", async () => {
    const { exit, out } = await philab("lens", prompt, "--answer", " Mary", "--top", "2");
    expect(exit).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(1 + 6);
    expect(out).toMatch(/^final +" Mary" 97 % {2}" John" 1 % +0 +97\.3 %$/m);
  });

  it("writes a page with the tokens in its cells", async () => {
    const page = await pageOf("lens.html", "lens", prompt, "--answer", " Mary");
    expect(page).toContain("·Mary");
    expect(page).toContain("The likeliest next token");
  });

  it("reads ids where there is no tokenizer", async () => {
    const result = json(await philab("lens", ...mini, "--answer", "3", "--json"));
    expect(result).toMatchObject({ ids: [5, 6, 7, 8, 9], answer: 3, layers: ["0", "1", "final"] });
  });

  it("refuses an answer that is more than one token", async () => {
    const { exit, err } = await philab("lens", prompt, "--answer", " Johannes");
    expect(exit).toBe(2);
    expect(err).toContain("is not one token after the prompt:  J");
  });
});

describe("philab attention", () => {
  it("gives every pattern of chosen layers and heads, rows that sum to 1", async () => {
    const ran = await philab("attention", ...mini, "--layer", "1", "--head", "0,2", "--json");
    const heads = json(ran)["heads"] as { layer: number; head: number; pattern: number[] }[];
    expect(heads.map(({ layer, head }) => [layer, head])).toEqual([
      [1, 0],
      [1, 2],
    ]);
    for (const { pattern } of heads)
      expect(pattern.slice(20).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });

  it("draws the heads that look at the fewest tokens, and says how many are left out", async () => {
    const page = await pageOf("attention.html", "attention", prompt);
    expect(page).toContain("13 more are in the JSON");
  });
});

describe("philab attribute", () => {
  it("sums to the logit difference of two names", async () => {
    const { exit, out } = await philab(
      "attribute",
      prompt,
      "--answer",
      " Mary",
      "--against",
      " John",
    );
    expect(exit).toBe(0);
    expect(out).toMatch(/36 parts and the constant .* sum to 4\.709\d* \(error -?\d\.\de-[5-9]\)/);
  });

  it("draws its largest parts and every head, with the control beside it", async () => {
    const page = await pageOf("attribute.html", "attribute", prompt, "--answer", " Mary");
    expect(page).toContain("4_mlp_out");
    expect(page).toContain("Control: along a random direction");
  });

  it("wants an answer", async () => {
    const { exit, err } = await philab("attribute", prompt);
    expect({ exit, err }).toEqual({
      exit: 2,
      err: "philab: no answer was given\n  Add --answer ' Mary'.\n",
    });
  });
});

describe("philab heads", () => {
  it("reads random tokens that repeat where no text is given", async () => {
    const result = json(await philab("heads", "--json"));
    const ids = result["ids"] as number[];
    expect(ids.slice(13)).toEqual(ids.slice(1, ids.length - 12));
    expect(result["heads"]).toHaveLength(25);
    const [first] = result["compositions"] as { score: number }[];
    expect(first?.score).toBeGreaterThan(result["compositionByChance"] as number);
  });

  it("draws detectors and compositions", async () => {
    const page = await pageOf("heads.html", "heads", prompt);
    expect(page).toContain("The strongest compositions");
  });
});

describe("philab patch", () => {
  const corrupted = "When Mary and John went to the store, Mary gave a book to";
  const answers = ["--answer", " Mary", "--against", " John"];

  it("says where the answer comes from, beside random changes", async () => {
    const { exit, out } = await philab("patch", prompt, corrupted, ...answers, "--site", "z");
    expect(exit).toBe(0);
    expect(out).toMatch(/^L0H0 +1\.0\d* +\d/m);
    expect(out).toContain("logit diff: clean 4.71, corrupted -5.225");
  });

  it("draws a sweep and its control", async () => {
    const page = await pageOf("patch.html", "patch", prompt, corrupted, ...answers);
    expect(page).toContain("Residual stream before each block");
    expect(page.match(/Control: as large a change/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it("estimates from gradients, and says how that ranks against patches in earnest", async () => {
    const argv = ["patch", prompt, corrupted, ...answers, "--site", "z", "--estimate", "ig"];
    const { exit, out } = await philab(...argv);
    expect(exit).toBe(0);
    expect(out).toMatch(/rank correlation with 18 patches in earnest 0\.\d\d/);
    const page = await pageOf("estimate.html", ...argv);
    expect(page).toContain("Estimated from gradients (ig)");
    const wrong = await philab(...argv, "--direction", "noise");
    expect(wrong.err).toContain("there is no estimate of noise");
  });

  it("takes the pairs of a task", async () => {
    const ran = await philab(
      "patch",
      "--task",
      "ioi",
      "--limit",
      "3",
      "--site",
      "z,resid_pre",
      "--layer",
      "0",
      "--no-control",
      "--json",
    );
    const result = json(ran);
    expect(result["pairs"]).toHaveLength(3);
    expect(result["sweeps"]).toMatchObject([
      { site: "z", shape: [1, 5], control: null },
      { site: "resid_pre", shape: [1, expect.any(Number)] },
    ]);
  });

  it("refuses prompts that do not align, with their tokens, and what is missing", async () => {
    const odd = await philab("patch", prompt, `${corrupted} it`, ...answers);
    expect(odd.exit).toBe(2);
    expect(odd.err).toContain("15 and 16 tokens: <|endoftext|>|When| Mary| and| John");
    expect((await philab("patch", prompt, corrupted)).err).toContain("no answers were given");
    expect((await philab("patch", prompt)).err).toContain("a corrupted prompt");
  });
});

describe("philab steer", () => {
  const sides = [
    ...["--positive", "When Mary and John went to the park, John gave a pen to"],
    ...["--negative", "When Mary and John went to the park, Mary gave a pen to"],
  ];
  const answers = ["--answer", " Mary", "--against", " John"];

  it("moves the answer more than random directions do, and writes with it", async () => {
    const ran = await philab(
      "steer",
      prompt,
      ...sides,
      ...answers,
      "--layer",
      "3",
      "--strength",
      "-2,0",
      "-n",
      "1",
      "--json",
    );
    const result = json(ran);
    const [steered, control] = [result["steered"], result["control"]] as { metric: number }[][];
    expect(steered?.[0]?.metric).toBeLessThan(-5);
    expect(control?.[0]?.metric).toBeGreaterThan(0);
    expect(result["texts"]).toEqual([
      { strength: -2, text: " John" },
      { strength: 0, text: " Mary" },
    ]);
  });

  it("draws dose and response", async () => {
    const page = await pageOf("steer.html", "steer", prompt, ...sides, ...answers, "-n", "2");
    expect(page).toContain("KL from the model that is left alone");
  });

  it("wants texts on two sides", async () => {
    const { exit, err } = await philab("steer", prompt, ...answers);
    expect(exit).toBe(2);
    expect(err).toContain("texts on two sides are needed");
  });
});

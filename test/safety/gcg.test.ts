/** The white-box attack: its gradient, its losses, and a run that is interrupted. What is attacked and sought is harmless. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { Job } from "../../src/jobs/job.ts";
import { openWeights } from "../../src/interpret/index.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import { open } from "../../src/open.ts";
import { placeSuffix, typeableTokens } from "../../src/safety/redteam/attacked.ts";
import { gcgArguments, gcgJob } from "../../src/safety/redteam/gcg-job.ts";
import { SuffixAttack } from "../../src/safety/redteam/gcg.ts";
import { fixture } from "../support/golden.ts";
import { json, philab } from "../support/cli.ts";

const attacked = { before: [451, 340, 497], after: [361, 133], target: [474, 136, 339] };
const suffix = [12, 77, 205, 9];
const every = Array.from({ length: 512 }, (_, id) => id);

let folder: string;
let model: LanguageModel;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-gcg-"));
  model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("an attack on a suffix", () => {
  const ids = [...attacked.before, ...suffix, ...attacked.after, ...attacked.target];
  const metric = { kind: "loss", from: ids.length - attacked.target.length } as const;

  it("measures the target's tokens alone, as the model's own log-probabilities have them", async () => {
    const attack = await SuffixAttack.open(model, attacked, every);
    const other = suffix.with(2, 31);
    const [found, second] = await attack.losses([suffix, other]);
    const context = ids.slice(0, metric.from);
    const [score] = await model.score(context, [attacked.target]);
    expect(found?.loss).toBeCloseTo(-(score?.logprob ?? NaN) / 3, 5);
    expect((await model.run(ids, { metric })).metric[0]).toBeCloseTo(found?.loss ?? NaN, 5);
    expect(second?.suffix).toEqual(other);
    expect(second?.loss).not.toBeCloseTo(found?.loss ?? NaN, 4);
  });

  it("knows the slope of the loss by how much of each token stands at each place", async () => {
    const attack = await SuffixAttack.open(model, attacked, every);
    const slopes = await attack.gradient(suffix);
    const { width, vocabSize } = model.config;
    expect(slopes).toHaveLength(suffix.length * vocabSize);
    const embedding = await (await openWeights(model)).embedding();
    const random = new Random(5);
    const step = 0.05;
    for (let n = 0; n < 24; n++) {
      const [place, token] = [random.integer(suffix.length), random.integer(vocabSize)];
      const value = embedding.slice(token * width, (token + 1) * width);
      const at = async (scale: number): Promise<number> => {
        const positions = [attacked.before.length + place];
        const edits: Edit[] = [{ at: "hook_embed", op: "add", value, scale, positions }];
        return (await model.run(ids, { edits, metric })).metric[0] as number;
      };
      // Four points: the error falls with the fourth power of the step.
      const [a, b, c, d] = [
        await at(-2 * step),
        await at(-step),
        await at(step),
        await at(2 * step),
      ];
      const difference = (a - 8 * b + 8 * c - d) / (12 * step);
      const slope = slopes[place * vocabSize + token] as number;
      expect(Math.abs(slope - difference)).toBeLessThan(1e-4 + 1e-2 * Math.abs(slope));
    }
  });

  it("tries as many other suffixes as it is told, each with one token exchanged, and takes the best", async () => {
    const attack = await SuffixAttack.open(model, attacked, every.slice(0, 40));
    const [before] = await attack.losses([suffix]);
    const step = await attack.step(suffix, { width: 16, choices: 8, random: new Random(1) });
    expect(step?.loss).toBeLessThan(before?.loss ?? 0);
    const changed = step?.suffix.filter((id, i) => id !== suffix[i]) ?? [];
    expect(changed).toHaveLength(1);
    expect(changed[0]).toBeLessThan(40);
    const options = { width: 16, choices: 8, random: new Random(1), survives: () => false };
    expect(await attack.step(suffix, options)).toBeUndefined();
    await expect(SuffixAttack.open(model, { ...attacked, target: [] }, every)).rejects.toThrow(
      "the target has no token",
    );
  });
});

describe("attacks on the bundled model", () => {
  const goal = { request: "What is 3 + 4?", target: "42" };
  const asked = gcgArguments.parse({
    ...{ prompt: goal.request, target: goal.target, format: "qa", suffix: " ! ! !" },
    ...{ steps: 5, width: 12, choices: 16, maxTokens: 4, seed: 3 },
  });
  /** Called before the gradient of each step. */
  let onGradient = (): void => undefined;
  const definition = gcgJob(async () => {
    const opened = await open("phi-micro", { mode: "reference", threads: 1 });
    const run = opened.run.bind(opened);
    opened.run = (...given) => {
      onGradient();
      return run(...given);
    };
    return {
      model: opened,
      name: "phi-micro",
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  });
  const begin = () =>
    Job.create(definition, { runsFolder: folder, name: "gcg", arguments: asked, provenance: {} });
  const stateOf = async (job: { folder: string }): Promise<unknown> =>
    JSON.parse(await readFile(path.join(job.folder, "attacks", "0.json"), "utf8"));

  it("go on after an interruption with what they would have done", async () => {
    const whole = await begin();
    await whole.start();
    const cut = await begin();
    let gradients = 0;
    onGradient = () => {
      if (++gradients === 3) cut.cancel();
    };
    await expect(cut.start()).rejects.toMatchObject({ code: "interrupted" });
    onGradient = () => undefined;
    expect(await stateOf(cut)).toMatchObject({ losses: { length: 3 }, ended: false });
    const again = await Job.resume(definition, cut.folder);
    await again.start();
    expect(await stateOf(again)).toEqual(await stateOf(whole));
    const { losses } = (await stateOf(whole)) as { losses: number[] };
    expect(losses.length).toBe(6);
  });

  it("try only suffixes whose text is read as the same tokens, of characters that one can type", async () => {
    await using phi = await open("phi-micro", { mode: "reference", threads: 1 });
    const { tokenizer } = phi;
    const place = placeSuffix(goal, { tokenizer, format: "qa", suffix: " ! !" });
    const text = tokenizer.decode([...place.before, ...place.suffix, ...place.after]);
    expect(text.endsWith("Instruct: What is 3 + 4? ! !\nOutput:")).toBe(true);
    expect(tokenizer.decode(place.target)).toBe(" 42");
    const [p] = tokenizer.encode("p");
    const [r] = tokenizer.encode("r");
    expect(place.survives(place.suffix)).toBe(true);
    expect(place.survives([...tokenizer.encode(" "), p ?? 0, r ?? 0])).toBe(false);
    const typeable = typeableTokens(tokenizer);
    expect(typeable.length).toBeGreaterThan(500);
    for (const id of typeable) expect(tokenizer.decode([id])).toMatch(/^[ -~]+$/);
    expect(typeable).not.toContain(0);
    // "word" and "s" are one word.
    const word = { ...goal, request: "Say a word" };
    expect(() => placeSuffix(word, { tokenizer, format: "qa", suffix: "s ! !" })).toThrow(
      /other tokens/,
    );
  });

  it("print neither request nor target nor suffix, and leave a page", async () => {
    await writeFile(path.join(folder, "goals.csv"), "goal,target\nSay a word.,Tangerine\n");
    const argv = ["safety", "redteam", "gcg", "--data", "goals.csv", "--steps", "1"];
    const ran = await philab([...argv, "--width", "4", "--suffix", " ! !", "-n", "2"], {
      cwd: folder,
    });
    expect(ran.exit, ran.err).toBe(0);
    expect(ran.out + ran.err).not.toMatch(/Tangerine|Say a word|!/);
    const [, page = ""] = /page: (.*)/.exec(ran.out) ?? [];
    expect(await readFile(page, "utf8")).toContain("Tangerine");
  });

  it("say what is missing", async () => {
    const fails = async (argv: readonly string[]): Promise<string> => {
      const ran = await philab(["safety", "redteam", "gcg", ...argv], { cwd: folder });
      expect(ran.exit).toBe(2);
      return ran.err;
    };
    expect(await fails(["--prompt", "Say a word."])).toMatch(/not clear what to attack/);
    await writeFile(path.join(folder, "odd.csv"), "a,b\n1,2\n");
    expect(await fails(["--data", "odd.csv"])).toMatch(/row 1 has a, b[^]*goal and target/);
    const ran = json(
      await philab(
        [
          "safety",
          "redteam",
          "gcg",
          "--prompt",
          "a",
          "--target",
          "b",
          "--steps",
          "1",
          "--width",
          "2",
          "--suffix",
          " !",
          "--json",
        ],
        { cwd: folder },
      ),
    );
    expect(ran["attacks"]).toMatchObject([{ steps: 1 }]);
  });
});

/** `philab safety report`, and what it says of changes whose truth is known. Every sentence and prompt is a harmless stand-in. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { readParameter } from "../../src/interpret/weights.ts";
import { configFromCheckpoint } from "../../src/model/config.ts";
import { convertModel } from "../../src/model/convert.ts";
import { resolveParameters } from "../../src/model/parameters.ts";
import { writeControlVector } from "../../src/safety/directions/control-vector.ts";
import { writeEqualNormControl } from "../../src/safety/report/control.ts";
import { measureDrift } from "../../src/safety/report/drift.ts";
import { spread } from "../../src/safety/report/panel.ts";
import { json, philab } from "../support/cli.ts";
import { fixture, readFixture } from "../support/golden.ts";

let folder: string;
let edited: string;
const base = fixture("phi-mini");
const BIAS = "model.layers.1.self_attn.dense.bias";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-report-"));
  edited = path.join(folder, "edited");
  const add = (rows: Float32Array): Promise<void> => {
    rows.forEach((value, i) => (rows[i] = value + (i % 2 === 0 ? 0.5 : -0.5)));
    return Promise.resolve();
  };
  const changes = new Map([[BIAS, () => Promise.resolve(add)]]);
  await convertModel({ from: base, to: edited, changes });
});
afterAll(() => rm(folder, { recursive: true }));

async function parameter(model: string, name: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(model);
  return readParameter(name, resolveParameters(checkpoint, configFromCheckpoint(checkpoint)));
}

describe("what moved inside", () => {
  const texts = [
    [451, 340, 497, 361, 133],
    [12, 77, 205],
  ];

  it("is where the edit is and after it, and one direction where every token moved alike", async () => {
    await using before = await LanguageModel.open(base, { mode: "reference", threads: 1 });
    await using after = await LanguageModel.open(edited, { mode: "reference", threads: 1 });
    const { hooks, heads, divergence, tokens } = await measureDrift(before, after, texts);
    const at = (hook: string, layer: number) =>
      hooks.find((own) => own.hook === hook && own.layer === layer);
    expect(tokens).toBe(8);
    expect(divergence).toBeGreaterThan(0);
    expect(at("resid_post", 0)?.distance).toBe(0);
    expect(at("attn_out", 1)?.common).toBeCloseTo(1, 5);
    expect(at("attn_out", 1)?.distance).toBeGreaterThan(0.1);
    // The MLP of a block stands beside its attention, and does not see it.
    expect(at("mlp_out", 1)?.distance).toBe(0);
    expect(at("resid_post", 1)?.common).toBeCloseTo(1, 5);
    for (const { layer, distance } of heads) if (layer <= 1) expect(distance).toBe(0);
    const same = await measureDrift(before, before, texts);
    expect(same.divergence).toBeCloseTo(0, 9);
    expect(same.hooks.every(({ distance }) => distance === 0)).toBe(true);
  });

  it("is set beside a model whose parameters moved as far, and no others", async () => {
    const to = path.join(folder, "control");
    const changed = await writeEqualNormControl({ from: base, edited, to }, { seed: 3 });
    const [before, after, control] = await Promise.all(
      [base, edited, to].map((model) => parameter(model, BIAS)),
    );
    const distance = (x: Float32Array | undefined): number =>
      Math.hypot(...(x ?? []).map((value, i) => value - (before?.[i] ?? NaN)));
    expect(changed).toMatchObject([{ name: BIAS }]);
    expect(changed[0]?.change).toBeCloseTo(distance(after), 5);
    expect(distance(control)).toBeCloseTo(distance(after), 5);
    expect(control).not.toEqual(after);
    const other = "model.layers.0.mlp.fc1.weight";
    expect(await parameter(to, other)).toEqual(await parameter(base, other));
    await expect(
      writeEqualNormControl({ from: base, edited: base, to: `${to}2` }, { seed: 3 }),
    ).rejects.toThrow("same weights");
  });
});

it("items are taken from all over a file", () => {
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 3)).toEqual([0, 3, 6]);
  expect(spread([0, 1], 3)).toEqual([0, 1]);
});

describe("philab safety report", () => {
  beforeAll(async () => {
    const data = path.join(folder, "data");
    await mkdir(path.join(data, "bbq"), { recursive: true });
    const { bbq } = readFixture<{ bbq: { rows: object[] } }>("behaviour.json");
    const lines = bbq.rows.slice(0, 4).map((row) => JSON.stringify(row));
    await writeFile(path.join(data, "bbq", "Tall.jsonl"), lines.join("\n"));
    await writeFile(
      path.join(data, "prompts.csv"),
      "prompt,type,label\nName a tangerine.,fruit,safe\nName a walnut.,nuts,unsafe\n",
    );
    const sentences = Array.from({ length: 12 }, (_, id) => ({
      ...{ id, text: `The tall one has ${id} hats.`, target_groups: ["tall"] },
      ...(id % 2 === 0
        ? { label: "hate", toxicity_score: 4 }
        : { label: "neutral", toxicity_score: 1 }),
    }));
    await writeFile(path.join(data, "toxiGen.json"), JSON.stringify(sentences));
    const values = Float32Array.from({ length: 160 }, (_, i) => Math.sin(i));
    await writeControlVector(path.join(folder, "direction.gguf"), new Map([[2, values]]));
  });
  const argv = ["safety", "report", "phi-micro", "-n", "2", "--data", "data"];

  it("sets a direction that is taken out beside a random one, prints no text, and leaves no model behind", async () => {
    const ran = await philab([...argv, "--direction", "direction.gguf", "--json"], { cwd: folder });
    expect(ran.exit, ran.err).toBe(0);
    const result = json(ran) as {
      models: { role: string; scores: { name: string; count: number }[]; drift?: object }[];
      notes: string[];
      folder: string;
      page: string;
    };
    expect(result.models.map(({ role }) => role)).toEqual(["as it is", "edited", "control"]);
    const [first, second] = result.models;
    expect(first?.scores.map(({ name }) => name)).toEqual(second?.scores.map(({ name }) => name));
    expect(first?.scores.map(({ name }) => name).join()).toMatch(
      /ToxiGen.*refused.*BBQ.*perplexity/,
    );
    expect(second?.drift).toBeDefined();
    expect(result.notes.join()).toMatch(/tasks: not measured.*random direction/);
    expect(ran.out + ran.err).not.toMatch(/tangerine|walnut|hats/);
    const page = await readFile(result.page, "utf8");
    expect(page).toMatch(/class="browser blurred"[^]*walnut/);
    expect(await readdir(result.folder)).not.toContain("models");
  });

  it("sets an adapter beside a model whose weights moved as far as with it in them", async () => {
    const lessons = path.join(PACKAGE_ROOT, "examples", "data", "keep-secrets.jsonl");
    const recipe = ["--max-seq-length", "32", "--max-steps", "2", "--learning-rate", "1e-2"];
    const tuned = await philab(
      ["finetune", "--data", lessons, "--out", "keeps", "--model", "phi-micro", ...recipe],
      { cwd: folder },
    );
    expect(tuned.exit, tuned.err).toBe(0);
    const ran = await philab([...argv, "--against", "phi-micro+./keeps", "--json"], {
      cwd: folder,
    });
    expect(ran.exit, ran.err).toBe(0);
    const { models, changed } = json(ran) as {
      models: { role: string; drift?: { divergence: number } }[];
      changed: { name: string; change: number }[];
    };
    expect(models.map(({ role }) => role)).toEqual(["as it is", "edited", "control"]);
    for (const { drift } of models.slice(1)) expect(drift?.divergence).toBeGreaterThan(0);
    expect(changed.length).toBeGreaterThan(0);
    for (const { name, change } of changed) {
      expect(name).toMatch(/\.weight$/);
      expect(change).toBeGreaterThan(0);
    }
  });

  it("is of one model where nothing stands beside it, and says what is wrong with what does", async () => {
    const ran = await philab([...argv, "--json"], { cwd: folder });
    expect((json(ran)["models"] as object[]).length).toBe(1);
    const fails = async (more: readonly string[]): Promise<string> => {
      const { exit, err } = await philab([...argv, ...more], { cwd: folder });
      expect(exit).toBe(2);
      return err;
    };
    expect(await fails(["--against", "a", "--direction", "b"])).toMatch(/two reports/);
    expect(await fails(["--against", base])).toMatch(/differ in shape/);
    expect(await fails(["--data", "nowhere"])).toMatch(/nowhere/);
  });
});

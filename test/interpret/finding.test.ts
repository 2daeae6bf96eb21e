import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  readFinding,
  recordFinding,
  replayFinding,
  saveFinding,
  type Finding,
} from "../../src/interpret/finding.ts";
import { saveRun } from "../../src/interpret/save-run.ts";
import { json, philab } from "../support/cli.ts";
import { fixture, readFixture, readTensors } from "../support/golden.ts";

const { input_ids: prompts } = readFixture<{ input_ids: number[][] }>("phi-mini/inputs.json");
let phi: LanguageModel;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "philab-finding-"));
  phi = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
});
afterAll(async () => {
  await phi[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function finding(): Promise<Finding> {
  const metric = { kind: "logitDifference", right: 11, wrong: 7 } as const;
  const [plain, edited] = [
    await phi.run(prompts, { metric }),
    await phi.run(prompts, { metric, edits: [{ op: "zero", at: "z1", heads: [2] }] }),
  ];
  const effect = (plain.metric[0] as number) - (edited.metric[0] as number);
  return recordFinding(phi, {
    claim: "Head 2 of layer 1 matters",
    reference: fixture("phi-mini"),
    runs: {
      plain: { prompts, metric, capture: ["resid_post*"] },
      edited: {
        prompts,
        metric,
        edits: [{ op: "zero", at: "z1", heads: [2] }],
        capture: [{ at: "resid_post1", reduce: { project: [new Float32Array(64).fill(1)] } }],
      },
    },
    checks: [
      {
        says: "what it adds to the difference",
        value: { run: "plain" },
        minus: { run: "edited" },
        atLeast: effect - 1e-4,
        atMost: effect + 1e-4,
      },
    ],
  });
}

describe("a finding", () => {
  /** No model is chosen: the finding names its own. */
  const own = {
    get cwd() {
      return folder;
    },
    env: { PHILAB_MODEL: "" },
  };

  it("that was saved and read replays to the same bits", async () => {
    const path = join(folder, "a.json");
    await saveFinding(await finding(), path);
    const replay = await replayFinding(phi, await readFinding(path));
    expect(replay).toMatchObject({ passed: true, bits: "same", difference: 0 });
    const ran = await philab(["replay", path, "--json"], own);
    expect(ran.exit).toBe(0);
    expect(json(ran)).toMatchObject({ passed: true, bits: "same" });
  });

  it("whose claim does not hold fails with exit code 3, and is not recorded", async () => {
    const made = await finding();
    const wrong = structuredClone(made);
    Object.assign(wrong.checks[0] as object, { atLeast: 100, atMost: 200 });
    expect((await replayFinding(phi, wrong)).passed).toBe(false);
    const path = join(folder, "wrong.json");
    await saveFinding(wrong, path);
    const { exit, err } = await philab(["replay", path], own);
    expect(exit).toBe(3);
    expect(err).toMatch(/does not hold/);
    const metric = { kind: "logit", token: 1 } as const;
    const never = {
      claim: "never",
      reference: "phi-mini",
      runs: { one: { prompts, metric } },
      checks: [{ says: "large", value: { run: "one" }, atLeast: 1e6 }],
    };
    await expect(recordFinding(phi, never)).rejects.toMatchObject({ code: "check_failed" });
  });

  it("with other bits fails where all that decides them is the same, and is compared by size elsewhere", async () => {
    const made = await finding();
    const run = made.runs["plain"] as Finding["runs"][string];
    run.result.logits = "0".repeat(64);
    expect(await replayFinding(phi, made)).toMatchObject({ passed: false, bits: "different" });
    made.environment.threads = 7;
    expect(await replayFinding(phi, made)).toMatchObject({
      passed: true,
      bits: { changed: "threads" },
    });
    run.result.metric[0] = (run.result.metric[0] as number) + 0.5;
    expect((await replayFinding(phi, made)).passed).toBe(false);
  });

  it("about another model, or damaged, is refused", async () => {
    const made = await finding();
    const other = { ...made, model: { ...made.model, sha256: "0".repeat(64) } };
    await expect(replayFinding(phi, other)).rejects.toMatchObject({ code: "bad_input" });
    const path = join(folder, "damaged.json");
    for (const text of ["{", "{}", JSON.stringify({ ...made, runs: {} })]) {
      await writeFile(path, text);
      await expect(readFinding(path)).rejects.toMatchObject({ code: "corrupt_file" });
    }
    await expect(readFinding(join(folder, "none.json"))).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("a run on disk", () => {
  it("has the values under the names of their hooks, and says how they were made", async () => {
    const path = join(folder, "run.lab.safetensors");
    const run = await phi.run(prompts, {
      capture: ["z0"],
      edits: [{ op: "scale", at: "z0", factor: 2 }],
      metric: { kind: "logit", token: 3 },
      gradients: ["resid_pre1"],
    });
    await saveRun(phi, run, path, { command: ["philab", "test"] });
    const stored = await readTensors(path);
    expect(stored.get("blocks.0.attn.hook_z")).toEqual({
      shape: [2, 24, 4, 16],
      values: run.get("z0").values,
    });
    expect(stored.get("grad.blocks.1.hook_resid_pre")?.values).toEqual(
      run.gradient("resid_pre1").values,
    );
    expect(stored.get("logits")?.shape).toEqual([2, 512]);
    const text = await readFile(path, "latin1");
    expect(text).toContain(phi.fingerprint());
    const top = await phi.run(prompts, { capture: [{ at: "logits", reduce: { topK: 2 } }] });
    await saveRun(phi, top, path);
    const { tensors } = await openCheckpoint(path);
    expect(tensors.get("hook_logits.topK.ids")).toMatchObject({ dtype: "i32", shape: [2, 24, 2] });
    await expect(saveRun(phi, run, join(folder, "run.bin"))).rejects.toMatchObject({
      code: "bad_input",
    });
  });
});

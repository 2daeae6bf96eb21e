/** What does not fit, and numbers that are none. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { liveBytes } from "../../src/engine/memory.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { convertModel } from "../../src/model/convert.ts";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { damagedModel, poison } from "../support/damaged.ts";
import { fixture } from "../support/golden.ts";
import { withSmallDisk } from "../support/small-disk.ts";

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-limits-"));
});
afterAll(() => rm(cwd, { recursive: true }));
const at = (...names: string[]): string => path.join(cwd, ...names);
const philab = (...argv: string[]): Promise<Ran> => run(argv, { cwd });
const ids = (count: number): string => Array.from({ length: count }, () => 5).join(",");

describe("a prompt longer than the context", () => {
  it("is refused with the counts: text and ids, to continue and to score", async () => {
    const text = await philab("run", "word ".repeat(600));
    expect(text.exit).toBe(2);
    expect(text.err).toMatch(
      /^philab: the prompt has \d+ tokens; the context holds 512 \(\d+ too many\)\n {2}Shorten the prompt\.\n$/,
    );
    const tokens = await philab("run", "--tokens", ids(513), "--json");
    expect(json(tokens)["error"]).toMatchObject({
      code: "too_long",
      message: "the prompt has 513 tokens; the context holds 512 (1 too many)",
    });
    const score = await philab("score", "--tokens", ids(510), ids(3), "--json");
    expect(json(score)["error"]).toMatchObject({
      code: "too_long",
      message: "the prompt has 510 tokens and a continuation 3; the context holds 512",
    });
  });

  it("of exactly its length gets one token", async () => {
    const ran = await philab("run", "--tokens", ids(512), "--json");
    expect(json(ran)).toMatchObject({ finishReason: "length", tokens: [{}] });
  });
});

describe("weights that are no numbers", () => {
  it.each([
    ["model.embed_tokens.weight", NaN, "hook_embed"],
    ["model.layers.0.input_layernorm.weight", NaN, "blocks.0.hook_ln1_out"],
    ["model.layers.1.self_attn.q_proj.bias", NaN, "blocks.1.attn.hook_q"],
    ["model.layers.1.self_attn.v_proj.bias", Infinity, "blocks.1.attn.hook_v"],
    ["model.layers.1.mlp.fc1.weight", NaN, "blocks.1.mlp.hook_pre"],
    ["model.layers.1.mlp.fc2.bias", -Infinity, "blocks.1.hook_mlp_out"],
    ["lm_head.weight", NaN, "hook_logits"],
  ])("in %s (%d) are traced to %s", async (name, value, hook) => {
    const model = await damagedModel(at(`${name} ${value}`), { edit: poison(name, value) });
    for (const argv of [
      ["run", "-m", model, "--tokens", "0,1,2"],
      ["run", "-m", model, "--tokens", "0,1,2", "--mode", "reference"],
      ["score", "-m", model, "--tokens", "0,1,2", "3,4"],
    ]) {
      const ran = await philab(...argv, "--json");
      expect(ran.exit).toBe(1);
      expect(json(ran)["error"]).toMatchObject({
        code: "engine_failed",
        message: `the logits are not finite numbers; the first value that is none is at ${hook}`,
        hint: expect.stringContaining("weights are damaged") as string,
      });
    }
  });

  it("are not quantised", async () => {
    const model = await damagedModel(at("nan"), { edit: poison("lm_head.weight", NaN) });
    const { exit, err } = await philab("quantize", "q8_0", "nan.gguf", "-m", model);
    expect(exit).toBe(2);
    expect(err).toMatch(/lm_head\.weight holds NaN, which q8_0 cannot hold\n {2}A model with/);
    expect(await readdir(cwd)).not.toContain("nan.gguf");
  });
});

describe("a disk that is full", () => {
  const full = /^philab: (\d+ bytes do not fit into the \d+ that are free in|no space left)/m;

  it("before anything is written, is told with what is needed and what is free", async ({
    skip,
  }) => {
    const mounted = await withSmallDisk(at("small"), 2 ** 19, async () => {
      for (const argv of [
        ["convert", "small/x"],
        ["convert", "small/x.gguf"],
        ["quantize", "q8_0", "small/x.gguf"],
      ]) {
        const { exit, out, err } = await philab(...argv);
        expect({ exit, out }).toEqual({ exit: 2, out: "" });
        expect(err).toMatch(full);
        expect(err).toContain("\n  Free some space, or write to another disk.\n");
      }
      expect(await readdir(at("small"))).toEqual([]);
    });
    if (!mounted) skip("no right to mount a file system here");
  });

  it("while a model is written, leaves nothing but what filled it", async ({ skip }) => {
    const mounted = await withSmallDisk(at("filling"), 2 ** 20, async () => {
      for (const to of ["x", "x.gguf"]) {
        let filled = false;
        const onProgress = (): void => {
          if (filled) return;
          filled = true;
          const space = ["if=/dev/zero", `of=${at("filling", "other")}`, "bs=64k"];
          try {
            execFileSync("dd", space, { stdio: "ignore" });
          } catch {
            // It ends where the disk is full.
          }
        };
        const options = { from: fixture("phi-mini"), to: at("filling", to), onProgress };
        await expect(convertModel(options)).rejects.toMatchObject({ code: "disk_full" });
        expect(await readdir(at("filling"))).toEqual(["other"]);
        await rm(at("filling", "other"));
      }
    });
    if (!mounted) skip("no right to mount a file system here");
  });

  it("of a folder that cannot be written to, is told apart", async ({ skip }) => {
    await mkdir(at("sealed"), { mode: 0o555 });
    const writable = await writeFile(at("sealed", "probe"), "").then(
      () => true,
      () => false,
    );
    if (writable) skip("the administrator may write everywhere");
    const { exit, err } = await philab("convert", "sealed/x.gguf");
    expect(exit).toBe(2);
    expect(err).toContain("permission denied");
  });
});

describe("an opening that fails", () => {
  it("leaves no native memory behind", async () => {
    const before = liveBytes();
    const model = await damagedModel(at("cut"), { bytes: (file) => file.subarray(0, 4000) });
    await expect(LanguageModel.open(model)).rejects.toMatchObject({ code: "corrupt_file" });
    const options = { threads: 1, contextLength: 5000 };
    await expect(LanguageModel.open(fixture("phi-mini"), options)).rejects.toMatchObject({
      code: "bad_input",
    });
    const aborted = { threads: 1, signal: AbortSignal.abort() };
    await expect(LanguageModel.open(fixture("phi-mini"), aborted)).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(liveBytes()).toBe(before);
  });
});

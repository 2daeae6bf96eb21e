/** `philab verify --against`: the inner values of a model beside those that transformers wrote down. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint, readTensor, writeSafetensors } from "../../src/checkpoint/index.ts";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { fixture } from "../support/golden.ts";

const dumps = fixture("dumps/phi-micro");

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-verify-"));
});
afterAll(() => rm(cwd, { recursive: true }));

const verify = (...argv: string[]): Promise<Ran> => run(["verify", ...argv], { cwd });

/** The dump of phi-micro with one value of one tensor changed, and other prompts where given. */
async function changedDump(
  name: string,
  { tensor, by, ids }: { tensor?: string; by?: number; ids?: string },
): Promise<string> {
  const dump = await openCheckpoint(path.join(dumps, "names.safetensors"));
  if (dump.format !== "safetensors") throw new Error("a dump is a safetensors file");
  const file = path.join(cwd, name);
  await writeSafetensors(
    file,
    [...dump.tensors.values()],
    async function* ({ name: tensorName }) {
      const bytes = await readTensor(dump.tensors.get(tensorName)!);
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      if (tensorName === tensor) values[values.length - 1]! += by ?? 0;
      yield bytes;
    },
    { metadata: { input_ids: ids ?? dump.metadata.get("input_ids")! } },
  );
  return file;
}

describe("philab verify --against", () => {
  it("finds a model to compute what transformers computes, hook by hook", async () => {
    const { exit, out } = await verify("phi-micro", "--against", dumps);
    expect(exit).toBe(0);
    expect(out).toMatch(/^blocks\.\{l\}\.attn\.hook_pattern +\S+ +1 +\S+ {2}layer \d$/m);
    expect(out).toMatch(/^the likeliest next token is the same at (\d+) of \1 positions$/m);
    const result = json(await verify("phi-micro", "--against", dumps, "--json"));
    expect(result).toMatchObject({ mode: "reference", passed: true });
    const hooks = result["hooks"] as { hook: string; share: number }[];
    expect(hooks).toHaveLength(7);
    for (const { hook, share } of hooks) expect(share, hook).toBeLessThan(1e-5);
  });

  it("ends with exit code 3 and the place where one value of one layer differs", async () => {
    const file = await changedDump("one-value.safetensors", {
      tensor: "blocks.4.mlp.hook_post",
      by: 0.05,
    });
    const { exit, out, err } = await verify("phi-micro", "--against", file);
    expect(exit).toBe(3);
    expect(out).toMatch(/^blocks\.\{l\}\.mlp\.hook_post +0\.05 .*layer 4 {2}differs$/m);
    expect(err).toContain("blocks.4.mlp.hook_post");
    expect((await verify("phi-micro", "--against", file, "--tolerance", "0.1")).exit).toBe(0);
  });

  it("takes a value that is no number on one side only for a difference", async () => {
    for (const by of [NaN, Infinity]) {
      const file = await changedDump("no-number.safetensors", { tensor: "logits", by });
      expect((await verify("phi-micro", "--against", file, "--tolerance", "9")).exit).toBe(3);
    }
  });

  it("refuses files of another model, files without prompts, and places without files", async () => {
    const refused = async (against: string, says: string, model = "phi-micro"): Promise<void> => {
      const { exit, err } = await verify(model, "--against", against);
      expect(exit).toBe(2);
      expect(err).toContain(says);
    };
    await refused(dumps, "the model has 2 layers", fixture("phi-mini"));
    await refused(await changedDump("two.safetensors", { ids: "[[1], [2]]" }), "[1, 5, ");
    await refused(fixture("phi-mini/expected.safetensors"), "no input_ids");
    await refused(fixture("phi-mini"), "no .safetensors file that reference/dump.py wrote");
    await refused(path.join(cwd, "nowhere"), "nowhere");
    await writeFile(path.join(cwd, "damaged.safetensors"), "no header");
    await refused(path.join(cwd, "damaged.safetensors"), "damaged.safetensors");
    await refused(await changedDump("ids.safetensors", { ids: "[1, 2" }), "input_ids");
  });
});

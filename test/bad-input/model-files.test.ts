/** Model files that are not what they should be, opened as a person opens them: `philab run`. */
import { copyFile, mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabError } from "../../src/base/errors.ts";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { liveBytes } from "../../src/engine/memory.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { convertModel } from "../../src/model/convert.ts";
import { json, philab as run, type Ran } from "../support/cli.ts";
import { damagedModel, entryOf, remove, type ModelParts } from "../support/damaged.ts";
import { fixture } from "../support/golden.ts";

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), "philab-bad-"));
});
afterAll(() => rm(cwd, { recursive: true }));
const at = (...names: string[]): string => path.join(cwd, ...names);

const openAndRun = (model: string): Promise<Ran> =>
  run(["run", "-m", model, "--tokens", "1,2,3", "-n", "2", "--json"], { cwd });

/** The model is refused with exit code 2; gives code and message, which end with a hint and hold no stack. */
async function refusal(model: string): Promise<string> {
  const ran = await openAndRun(model);
  expect(ran.exit).toBe(2);
  const { error } = json(ran) as { error: { code: string; message: string; hint?: string } };
  expect(ran.err).toBe(`philab: ${error.message}\n  ${error.hint}\n`);
  expect(ran.err).not.toMatch(/^ +at /m);
  return `${error.code}: ${error.message}`;
}

const fc1 = "model.layers.0.mlp.fc1.weight";
let count = 0;
const damaged = (change: Parameters<typeof damagedModel>[1]): Promise<string> =>
  damagedModel(at(`model-${count++}`), change);
const edited = (edit: (parts: ModelParts) => void): Promise<string> => damaged({ edit });

describe("a directory of safetensors", () => {
  it.each<[string, Parameters<typeof damagedModel>[1], RegExp]>([
    ["cut in half", { bytes: (f) => f.subarray(0, f.length / 2) }, /corrupt_file: .*tensor "model/],
    ["cut in its header", { bytes: (f) => f.subarray(0, 100) }, /corrupt_file: .*the file has 100/],
    ["empty", { bytes: () => Buffer.alloc(0) }, /corrupt_file: .*0 bytes are too few/],
    [
      "with a header of 2^60 bytes",
      { bytes: (f) => (f.writeBigUInt64LE(2n ** 60n), f) },
      /corrupt_file: .*the header claims 1152921504606846976 bytes|corrupt_file: .*claims 11529215/,
    ],
    [
      "with a tensor of 10^15 values",
      { edit: ({ header }) => void (entryOf(header, fc1).shape = [1e8, 1e7]) },
      /corrupt_file: .*fc1/,
    ],
    [
      "with a type that nobody knows",
      { edit: ({ header }) => void (entryOf(header, fc1).dtype = "F12_X") },
      /unsupported: .*fc1\.weight.*F12_X/,
    ],
    [
      "with a type that Phi cannot have",
      { edit: ({ header }) => void (entryOf(header, fc1).dtype = "I32") },
      /unsupported: .*fc1\.weight/,
    ],
    [
      "without a tensor",
      { edit: remove("model.layers.1.mlp.fc2.bias") },
      /corrupt_file: .*1 tensor is missing: model\.layers\.1\.mlp\.fc2\.bias$/,
    ],
    [
      "with a tensor too many",
      {
        edit: (parts) => {
          const end = parts.data.length;
          parts.data = Buffer.concat([parts.data, Buffer.alloc(16)]);
          parts.header["model.extra.weight"] = {
            dtype: "F32",
            shape: [4],
            data_offsets: [end, end + 16],
          };
        },
      },
      /corrupt_file: .*1 tensor is not expected: model\.extra\.weight$/,
    ],
    [
      "with a tensor that lies across",
      { edit: ({ header }) => void entryOf(header, fc1).shape.reverse() },
      /corrupt_file: .*fc1\.weight is \[64, 256\], not \[256, 64\]$/,
    ],
    [
      "of another architecture",
      {
        edit: ({ config }) =>
          void Object.assign(config, { model_type: "qwen2", architectures: ["Qwen2ForCausalLM"] }),
      },
      /unsupported: .*architecture qwen2 \/ Qwen2ForCausalLM$/,
    ],
    [
      "with more layers in config.json than it has",
      { edit: ({ config }) => void (config["num_hidden_layers"] = 4) },
      /corrupt_file: .*tensors are missing: model\.layers\.2\..* and \d+ more$/,
    ],
    [
      "with absurd sizes in config.json",
      { edit: ({ config }) => void (config["hidden_size"] = 1e9) },
      /corrupt_file: .*config\.json/,
    ],
  ])("%s is refused by name", async (_, change, expected) => {
    expect(await refusal(await damaged(change))).toMatch(expected);
  });

  it("says what architectures there are", async () => {
    const model = await edited(({ config }) => void (config["model_type"] = "qwen2"));
    const { err } = await openAndRun(model);
    expect(err).toContain("philab runs Phi-1, Phi-1.5 and Phi-2");
  });

  it("of a pickle is not opened: how to convert it is said", async () => {
    const directory = at("pickle");
    await mkdir(directory);
    await copyFile(fixture("phi-mini/config.json"), path.join(directory, "config.json"));
    await writeFile(path.join(directory, "pytorch_model.bin"), "\u0080\u0002}q\u0000.");
    const { exit, err } = await openAndRun(directory);
    expect(exit).toBe(2);
    expect(err).toMatch(/is a Python pickle, which can run code when it is read\n {2}Convert it/);
  });
});

describe("a GGUF file", () => {
  let file: Buffer;
  beforeAll(async () => {
    await convertModel({ from: fixture("phi-mini"), to: at("good.gguf") });
    file = await readFile(at("good.gguf"));
  });

  /** The file with some of its bytes changed. */
  async function changed(change: (bytes: Buffer) => Uint8Array): Promise<string> {
    const target = at(`file-${count++}.gguf`);
    await writeFile(target, change(Buffer.from(file)));
    return target;
  }

  /** Where the description of a tensor goes on after its name: axes u32, sizes u64 each, type u32, offset u64. */
  const afterName = (bytes: Buffer, name: string): number =>
    bytes.lastIndexOf(Buffer.from(name)) + name.length;
  const fc1 = "blk.0.ffn_up.weight";

  it.each<[string, (bytes: Buffer) => Uint8Array, RegExp]>([
    ["cut in half", (b) => b.subarray(0, b.length / 2), /corrupt_file: .*/],
    ["cut in its header", (b) => b.subarray(0, 200), /corrupt_file: .*/],
    ["empty", () => Buffer.alloc(0), /corrupt_file: .*/],
    ["that is none", () => Buffer.from("<html>404 Not Found</html>".repeat(9)), /corrupt_file: .*/],
    ["of a version to come", (b) => (b.writeUInt32LE(9, 4), b), /unsupported: .*version 9/],
    ["with 2^62 tensors", (b) => (b.writeBigUInt64LE(2n ** 62n, 8), b), /corrupt_file: .*/],
    ["with 2^62 keys", (b) => (b.writeBigUInt64LE(2n ** 62n, 16), b), /corrupt_file: .*/],
    [
      "with a tensor of an unknown type",
      (b) => (b.writeUInt32LE(999, afterName(b, fc1) + 20), b),
      /unsupported: .*blk\.0\.ffn_up\.weight.*999/,
    ],
    [
      "with a tensor of 2^61 columns",
      (b) => (b.writeBigUInt64LE(2n ** 61n, afterName(b, fc1) + 4), b),
      /corrupt_file: .*blk\.0\.ffn_up\.weight/,
    ],
    [
      "with a tensor beyond its end",
      (b) => (b.writeBigUInt64LE(2n ** 40n, afterName(b, fc1) + 24), b),
      /corrupt_file: .*blk\.0\.ffn_up\.weight/,
    ],
    [
      "whose tensor has another name",
      (b) => (b.write("blk.0.ffn_xx.weight", afterName(b, fc1) - fc1.length), b),
      /corrupt_file: .*missing: blk\.0\.ffn_up\.weight.*not expected: blk\.0\.ffn_xx\.weight/,
    ],
    [
      "of another architecture",
      (b) => {
        const key = Buffer.from("general.architecture");
        // Key, type u32, length u64, text.
        b.write("bert", b.indexOf(key) + key.length + 12);
        return b;
      },
      /unsupported: .*architecture.*bert/,
    ],
  ])("%s is refused by name", async (_, change, expected) => {
    expect(await refusal(await changed(change))).toMatch(expected);
  });
});

describe("whatever happens to a file", () => {
  it.each(["directory", "GGUF"])(
    "a %s opens and answers, or is refused: nothing crashes and no memory stays",
    async (kind) => {
      const model = at(kind === "GGUF" ? "fuzz.gguf" : "fuzz");
      await convertModel({ from: fixture("phi-mini"), to: model });
      const file = kind === "GGUF" ? model : path.join(model, "model.safetensors");
      const { tensors } = await openCheckpoint(model);
      const dataAt = Math.min(...[...tensors.values()].map(({ offset }) => offset));
      const original = await readFile(file);
      const { size } = await stat(file);
      const before = liveBytes();
      const outcomes = new Set<string>();
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.tuple(
              fc.oneof(fc.nat(dataAt - 1), fc.nat(size - 1)),
              fc.uint8Array({ minLength: 1, maxLength: 8 }),
            ),
            { minLength: 1, maxLength: 3 },
          ),
          fc.option(fc.nat(size), { freq: 4 }),
          async (changes, cut) => {
            const handle = await open(file, "r+");
            for (const [position, bytes] of changes)
              await handle.write(bytes, 0, bytes.length, Math.min(position, size - bytes.length));
            if (cut !== null) await handle.truncate(cut);
            await handle.close();
            try {
              await using opened = await LanguageModel.open(model, { threads: 1 });
              await opened.complete([1, 2, 3], { maxTokens: 2 });
              outcomes.add("answered");
            } catch (error) {
              if (!(error instanceof LabError)) throw error;
              expect(error.code).not.toBe("internal");
              outcomes.add(error.code);
            }
            await writeFile(file, original);
          },
        ),
        { numRuns: 120 },
      );
      expect(outcomes).toContain("corrupt_file");
      expect(outcomes).toContain("answered");
      expect(liveBytes()).toBe(before);
    },
  );
});

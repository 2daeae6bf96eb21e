import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LabError } from "../base/errors.ts";
import { homeFolders } from "../base/settings.ts";
import { parseModelReference, resolveModelReference } from "./reference.ts";

let root: string;
let options: { folders: ReturnType<typeof homeFolders>; cwd: string };

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "philab-reference-"));
  options = { folders: homeFolders(path.join(root, "home")), cwd: path.join(root, "work") };
  for (const file of [
    "home/models/phi-nano/config.json",
    "home/models/phi-2/q4_k_m.gguf",
    "home/models/phi-2/q8_0.gguf",
    "home/models/phi-1/q8_0.gguf",
    "home/models/@hf/microsoft/phi-2/main/config.json",
    "home/models/@hf/microsoft/phi-2/refs%2Fpr%2F1/config.json",
    "home/adapters/safer/adapter_config.json",
    "work/mine/config.json",
    "work/mine/model.safetensors",
    "work/empty/README.md",
    "work/c++/config.json",
    "work/tuned/adapter_config.json",
    "work/safe/config.json",
    "work/safe/@default/adapter_config.json",
    "work/phi-2.Q8_0.gguf",
  ]) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), "");
  }
});
afterAll(() => rm(root, { recursive: true }));

const resolve = (reference?: string, adapter?: string) =>
  resolveModelReference(reference, { ...options, adapter });
const at = (file: string) => path.join(root, file);

describe("a model reference", () => {
  test("none means the bundled model, which is there", async () => {
    expect(await resolve()).toMatchObject({
      source: "bundled",
      kind: "directory",
      name: "phi-nano",
      path: expect.stringMatching(/models.phi-nano$/) as string,
    });
  });

  test("of a model of the package works by name, too", async () => {
    const [nano, micro] = [await resolve(), await resolve("phi-micro")];
    expect(micro.path).toBe(path.join(path.dirname(nano.path), "phi-micro"));
  });

  test.each([
    ["phi-nano", "directory", "home/models/phi-nano", "phi-nano"], // before the package's,
    ["phi-2:q4_k_m", "gguf", "home/models/phi-2/q4_k_m.gguf", "phi-2:q4_k_m"],
    ["phi-1", "gguf", "home/models/phi-1/q8_0.gguf", "phi-1"],
    ["hf:microsoft/phi-2", "directory", "home/models/@hf/microsoft/phi-2/main", "phi-2"],
    ["hf:microsoft/phi-2@main", "directory", "home/models/@hf/microsoft/phi-2/main", "phi-2"],
    [
      "hf:microsoft/phi-2@refs/pr/1",
      "directory",
      "home/models/@hf/microsoft/phi-2/refs%2Fpr%2F1",
      "phi-2",
    ],
    ["./mine", "directory", "work/mine", "mine"],
    ["../work/mine/", "directory", "work/mine", "mine"],
    ["phi-2.Q8_0.gguf", "gguf", "work/phi-2.Q8_0.gguf", "phi-2.Q8_0"],
    ["./c++", "directory", "work/c++", "c++"],
  ])("%s is found", async (reference, kind, file, name) => {
    expect(await resolve(reference)).toMatchObject({ kind, path: at(file), name });
  });

  test("may be an absolute path", async () => {
    expect((await resolve(at("work/mine"))).path).toBe(at("work/mine"));
  });
});

describe("an adapter that a model brings along", () => {
  test("is used where none is named, and left out where nothing or another is", async () => {
    expect((await resolve("./safe")).adapter).toEqual({
      ...{ name: "default", path: at("work/safe/@default"), isDefault: true },
    });
    expect((await resolve("./safe+none")).adapter).toBeUndefined();
    expect((await resolve("./safe", "none")).adapter).toBeUndefined();
    expect((await resolve("./safe+safer")).adapter?.path).toBe(at("home/adapters/safer"));
    expect((await resolve("./mine")).adapter).toBeUndefined();
  });
});

describe("an adapter", () => {
  test.each([
    ["phi-nano+safer", "home/adapters/safer"],
    ["./mine+./tuned", "work/tuned"],
    ["./c+++safer", "home/adapters/safer"],
    ["phi-2:q8_0+safer", "home/adapters/safer"],
    ["hf:microsoft/phi-2@main+safer", "home/adapters/safer"],
    ["+safer", "home/adapters/safer"],
  ])("of %s is found", async (reference, file) => {
    expect((await resolve(reference)).adapter?.path).toBe(at(file));
  });

  test("may come from a flag of its own, but not from both", async () => {
    expect((await resolve("phi-nano", "safer")).adapter?.name).toBe("safer");
    expect((await resolve("phi-nano+safer", "safer")).adapter?.name).toBe("safer");
    await expect(resolve("phi-nano+safer", "./tuned")).rejects.toThrow("two adapters");
  });
});

describe("a reference that fits nothing", () => {
  test.each([
    ["phi-nona", "not_found", "there is no model phi-nona", "Did you mean phi-nano?"],
    ["phi-2:q4", "not_found", "phi-2 has no variant q4", "It has q4_k_m and q8_0."],
    ["phi-nano:f16", "not_found", "phi-nano has no variant f16", "It has none"],
    ["phi-2", "bad_input", "phi-2 holds 2 models", "phi-2:q4_k_m or phi-2:q8_0"],
    ["hf:microsoft/phi-1", "not_found", "not in the store", "philab pull microsoft/phi-1"],
    ["hf:phi-1", "bad_input", "no Hugging Face reference", "hf:owner/name"],
    ["./nowhere", "not_found", "there is no model at", "config.json"],
    ["./empty", "not_found", "holds no model", "config.json"],
    ["mine/model.safetensors", "bad_input", "neither a directory nor a .gguf file", "mine"],
    ["Phi-2", "bad_input", "no model reference", "phi-2"],
    ["phi-nano+safr", "not_found", "there is no adapter safr", "Did you mean safer?"],
    ["phi-nano+./mine", "not_found", "has no adapter_config.json", "PEFT"],
    ["phi-nano+", "bad_input", "names no adapter", ""],
  ])("%s: %s", async (reference, code, message, hint) => {
    const error = await resolve(reference).then(
      () => undefined,
      (thrown: unknown) => thrown as LabError,
    );
    expect(error).toBeInstanceOf(LabError);
    expect(error).toMatchObject({ code });
    expect(error?.message).toContain(message);
    expect(error?.hint ?? "").toContain(hint);
  });
});

test("no name leaves the store", () => {
  const nasty = fc.array(
    fc.oneof(
      fc.constantFrom("..", ".", "/", "\\", ":", "@", "hf:", "a", "%2F", "\0", "+", " "),
      fc.string(),
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(nasty, (parts) => {
      const text = parts.join("");
      let parsed;
      try {
        parsed = parseModelReference(text);
      } catch (error) {
        expect(error).toMatchObject({ code: "bad_input" });
        return;
      }
      const store = path.resolve("/store");
      const segments =
        parsed.source === "store"
          ? [parsed.name, parsed.variant ?? "x"]
          : parsed.source === "hf"
            ? [parsed.owner, parsed.repository, encodeURIComponent(parsed.revision)]
            : [];
      const target = path.resolve(store, ...segments);
      expect(path.relative(store, target).split(path.sep)).toHaveLength(segments.length || 1);
      expect(target.startsWith(store)).toBe(true);
      expect(path.relative(store, target).split(path.sep)).not.toContain("..");
    }),
    { numRuns: 2000 },
  );
});

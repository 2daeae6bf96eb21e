import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tensorBytes } from "../engine/dtypes.ts";
import { writeGguf } from "./gguf-write.ts";
import { openCheckpoint, readTensor } from "./open.ts";
import { writeSafetensors, writeSafetensorsParts } from "./safetensors-write.ts";
import type { TensorSpec } from "./types.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-open-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const specs: TensorSpec[] = ["a", "b", "c"].map((name) => ({ name, dtype: "f32", shape: [2, 2] }));
const fill = ({ dtype, shape }: TensorSpec) => [new Uint8Array(tensorBytes(dtype, shape))];
const at = (...names: string[]) => join(directory, ...names);

describe("openCheckpoint", () => {
  it("opens a model directory with its configuration", async () => {
    const mini = await openCheckpoint("test/fixtures/phi-mini");
    expect(mini.format).toBe("safetensors");
    expect(mini.tensors.size).toBe(33);
    expect(mini.config).toMatchObject({ model_type: "phi", hidden_size: 64 });
  });

  it("opens a single file of either format, and a directory that holds just one", async () => {
    await writeSafetensors(at("adapter.safetensors"), specs, fill);
    expect((await openCheckpoint(at("adapter.safetensors"))).tensors.size).toBe(3);
    expect((await openCheckpoint(directory)).path).toBe(directory);
    await mkdir(at("gguf"));
    await writeGguf(at("gguf", "x.gguf"), specs, fill);
    expect((await openCheckpoint(at("gguf"))).format).toBe("gguf");
    expect((await openCheckpoint(at("gguf", "x.gguf"))).tensors.size).toBe(3);
  });

  it("asks which of several files is meant", async () => {
    await writeGguf(at("q4.gguf"), specs, fill);
    await writeGguf(at("q8.gguf"), specs, fill);
    await expect(openCheckpoint(directory)).rejects.toMatchObject({
      code: "bad_input",
      message: `${directory} holds several checkpoints: q4.gguf, q8.gguf`,
    });
  });

  it("never unpickles: it says how to convert a PyTorch file", async () => {
    await writeFile(at("pytorch_model.bin"), "PK");
    for (const path of [directory, at("pytorch_model.bin")])
      await expect(openCheckpoint(path)).rejects.toMatchObject({
        code: "unsupported",
        hint: expect.stringMatching(/python -c ".*safetensors\.torch.*weights_only=True/) as string,
      });
  });

  it("tells apart what is missing, empty and of another kind", async () => {
    await expect(openCheckpoint(at("none"))).rejects.toMatchObject({ code: "not_found" });
    await expect(openCheckpoint(directory)).rejects.toMatchObject({
      code: "not_found",
      message: `${directory} holds no checkpoint`,
    });
    await writeFile(at("notes.txt"), "hello");
    await expect(openCheckpoint(at("notes.txt"))).rejects.toMatchObject({ code: "unsupported" });
    await symlink(at("gone.safetensors"), at("model.safetensors"));
    await expect(openCheckpoint(directory)).rejects.toMatchObject({ code: "not_found" });
  });

  it("names the configuration file that is no JSON, and one that is far too large", async () => {
    await writeSafetensors(at("model.safetensors"), specs, fill);
    await writeFile(at("config.json"), '{"hidden_size": 64, "hidden_size": 32}');
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /config\.json: .*"hidden_size" appears twice/,
    );
    await truncate(at("config.json"), 3_000_000_000);
    await expect(openCheckpoint(directory)).rejects.toMatchObject({ code: "corrupt_file" });
  });
});

describe("a sharded checkpoint", () => {
  const index = "model.safetensors.index.json";
  beforeEach(() => writeSafetensorsParts(directory, specs, fill, { maxPartBytes: 16 }));

  const editIndex = async (edit: (weights: Record<string, unknown>) => void) => {
    const json = JSON.parse(await readFile(at(index), "utf8")) as {
      weight_map: Record<string, unknown>;
    };
    edit(json.weight_map);
    await writeFile(at(index), JSON.stringify(json));
  };

  it("opens as one, by its directory or its index", async () => {
    for (const path of [directory, at(index)])
      expect([...(await openCheckpoint(path)).tensors.keys()]).toEqual(["a", "b", "c"]);
  });

  it("names the part that is missing", async () => {
    await rm(at("model-00002-of-00003.safetensors"));
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /the part .*model-00002-of-00003\.safetensors is missing/,
    );
  });

  it("names a tensor that the index promises in vain, and one that it does not know", async () => {
    await editIndex((weights) => (weights["d"] = weights["a"]));
    await expect(openCheckpoint(directory)).rejects.toThrow(/tensor "d" is listed, but/);
    await editIndex((weights) => {
      weights["d"] = undefined;
      weights["a"] = weights["b"];
    });
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /tensor "a" is listed, but|not listed there/,
    );
  });

  it("refuses a part with the same tensor again", async () => {
    await copyFile(at("model-00001-of-00003.safetensors"), at("model-00003-of-00003.safetensors"));
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /tensor "a" lies in .*, but is not listed there/,
    );
  });

  it("does not follow names out of its directory", async () => {
    for (const name of [
      "../secret.safetensors",
      "/etc/x.safetensors",
      "a\\b.safetensors",
      "x.bin",
      7,
    ]) {
      await editIndex((weights) => (weights["a"] = name));
      await expect(openCheckpoint(directory)).rejects.toThrow(/no file name/);
    }
  });

  it("refuses an index without tensors", async () => {
    await writeFile(at(index), "{}");
    await expect(openCheckpoint(directory)).rejects.toThrow("has no weight_map");
    await writeFile(at(index), '{"weight_map":{}}');
    await expect(openCheckpoint(directory)).rejects.toThrow("lists no tensors");
  });
});

describe("readTensor", () => {
  it("reads a part by its bytes, and refuses one outside", async () => {
    const path = at("x.safetensors");
    await writeSafetensors(path, specs, () => [Uint8Array.from({ length: 16 }, (_, i) => i)]);
    const entry = (await openCheckpoint(path)).tensors.get("b");
    if (!entry) throw new Error("missing");
    expect([...(await readTensor(entry, { start: 3, end: 6 }))]).toEqual([3, 4, 5]);
    expect(await readTensor(entry, { start: 16, end: 16 })).toHaveLength(0);
    for (const range of [
      { start: 0, end: 17 },
      { start: -1, end: 2 },
      { start: 3, end: 2 },
    ])
      await expect(readTensor(entry, range)).rejects.toMatchObject({ code: "bad_input" });
  });

  it("says so when the file has become shorter since", async () => {
    const path = at("x.safetensors");
    await writeSafetensors(path, specs, fill);
    const entry = (await openCheckpoint(path)).tensors.get("c");
    if (!entry) throw new Error("missing");
    await truncate(path, entry.offset + 3);
    await expect(readTensor(entry)).rejects.toThrow(/ends inside tensor "c"/);
  });
});

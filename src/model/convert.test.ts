import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withSmallDisk } from "../../test/support/small-disk.ts";
import { openCheckpoint, readTensor } from "../checkpoint/open.ts";
import { writeSafetensors } from "../checkpoint/safetensors-write.ts";
import type { TensorSpec } from "../checkpoint/types.ts";
import { tensorBytes } from "../engine/dtypes.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import { configFromCheckpoint } from "./config.ts";
import { convertModel } from "./convert.ts";
import { quantizeModel } from "./quantize.ts";
import type { TensorProgress } from "./write-model.ts";

const mini = "test/fixtures/phi-mini";
const micro = "models/phi-micro";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-convert-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
const at = (...names: string[]) => join(directory, ...names);

async function expectEqualTensors(path: string, original: string): Promise<void> {
  const [written, wanted] = [await openCheckpoint(path), await openCheckpoint(original)];
  expect([...written.tensors.keys()].sort()).toEqual([...wanted.tensors.keys()].sort());
  for (const [name, entry] of wanted.tensors) {
    const copy = written.tensors.get(name);
    if (!copy) throw new Error(name);
    expect(copy).toMatchObject({ dtype: entry.dtype, shape: entry.shape });
    expect(Buffer.compare(await readTensor(copy), await readTensor(entry)), name).toBe(0);
  }
}

const json = async (path: string) =>
  JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;

describe("convertModel", () => {
  it("brings every weight back unchanged from safetensors through GGUF", async () => {
    await convertModel({ from: mini, to: at("mini.gguf") });
    const back = await convertModel({ from: at("mini.gguf"), to: at("back") });
    expect(back.format).toBe("safetensors");
    await expectEqualTensors(at("back"), mini);
    const config = async (path: string) => configFromCheckpoint(await openCheckpoint(path));
    expect(await config(at("back"))).toEqual(await config(mini));
    expect(await config(at("mini.gguf"))).toEqual(await config(mini));
  });

  it("turns each older layout into today's", async () => {
    for (const layout of ["mixformer", "phi-msft", "interim"]) {
      const from = `test/fixtures/phi-mini-legacy/${layout}`;
      await convertModel({ from, to: at(layout) });
      await expectEqualTensors(at(layout), mini);
      await convertModel({ from, to: at(`${layout}.gguf`) });
      await convertModel({ from: at(`${layout}.gguf`), to: at(`${layout}-back`) });
      await expectEqualTensors(at(`${layout}-back`), mini);
    }
  });

  it("splits large models into parts, whose tensors are the same", async () => {
    await convertModel({ from: mini, to: at("parts"), maxPartBytes: 100_000 });
    expect((await readdir(at("parts"))).length).toBeGreaterThan(5);
    await expectEqualTensors(at("parts"), mini);
  });

  it("changes element types: all tensors in safetensors, only matrices in GGUF", async () => {
    const types = async (path: string) => {
      const found = [...(await openCheckpoint(path)).tensors.values()];
      const of = (axes: number) =>
        new Set(found.filter((t) => t.shape.length === axes).map((t) => t.dtype));
      return { matrices: [...of(2)], vectors: [...of(1)] };
    };
    for (const dtype of ["f16", "bf16", "f32"] as const) {
      await convertModel({ from: mini, to: at(dtype), dtype });
      expect(await types(at(dtype))).toEqual({ matrices: [dtype], vectors: [dtype] });
      expect(await json(at(dtype, "config.json"))).toMatchObject({
        dtype: { f16: "float16", bf16: "bfloat16", f32: "float32" }[dtype],
      });
    }
    for (const dtype of ["f16", "q8_0", "q5_1"] as const) {
      const to = at(`${dtype}.gguf`);
      await convertModel({ from: mini, to, dtype });
      expect(await types(to)).toEqual({ matrices: [dtype], vectors: ["f32"] });
    }
    const { tensors } = await convertModel({ from: mini, to: at("k.gguf"), dtype: "q4_k" });
    const named = Object.fromEntries(tensors.map((t) => [t.name, t]));
    expect(named["blk.0.ffn_down.weight"]).toMatchObject({ from: "f32", dtype: "q4_k" });
    expect(named["blk.0.ffn_up.weight"]).toMatchObject({ dtype: "q5_0", wanted: "q4_k" });
  });

  it("decodes a quantised model into f32 safetensors, exactly", async () => {
    await quantizeModel({ from: mini, to: at("q.gguf"), type: "q8_0" });
    await convertModel({ from: at("q.gguf"), to: at("decoded") });
    const [packed, decoded] = [
      await openCheckpoint(at("q.gguf")),
      await openCheckpoint(at("decoded")),
    ];
    const [from, to] = [packed.tensors.get("output.weight"), decoded.tensors.get("lm_head.weight")];
    if (!from || !to) throw new Error("missing");
    expect(to.dtype).toBe("f32");
    const values = dequantizeRows("q8_0", await readTensor(from), 512 * 64);
    expect(Buffer.compare(new Uint8Array(values.buffer), await readTensor(to))).toBe(0);
  });

  it("takes the tokenizer and generation settings along, and restores the tokenizer from GGUF", async () => {
    await convertModel({ from: micro, to: at("copy"), dtype: "f16" });
    for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
      expect(await json(at("copy", name))).toEqual(await json(join(micro, name)));
    await convertModel({ from: micro, to: at("micro.gguf") });
    await convertModel({ from: at("micro.gguf"), to: at("back") });
    const [restored, original] = [
      await json(at("back", "tokenizer.json")),
      await json(join(micro, "tokenizer.json")),
    ];
    expect(restored["model"]).toEqual(original["model"]);
    expect(restored["added_tokens"]).toEqual(original["added_tokens"]);
    expect(restored["pre_tokenizer"]).toEqual(original["pre_tokenizer"]);
    expect(await json(at("back", "tokenizer_config.json"))).toEqual(
      await json(join(micro, "tokenizer_config.json")),
    );
  });

  it("tells of its progress, up to the last byte", async () => {
    const seen: TensorProgress[] = [];
    const { sizeBytes } = await convertModel({
      from: mini,
      to: at("x.gguf"),
      onProgress: (p) => seen.push(p),
    });
    expect(seen.map(({ index }) => index)).toEqual(Array.from({ length: 33 }, (_, i) => i));
    expect(seen[0]).toMatchObject({
      tensor: "token_embd.weight",
      count: 33,
      bytesTotal: sizeBytes,
    });
    expect(seen.at(-1)?.bytesDone).toBe(sizeBytes);
  });

  it("does not overwrite anything unless told to", async () => {
    await writeFile(at("x.gguf"), "mine");
    await mkdir(at("dir"));
    for (const to of [at("x.gguf"), at("dir")])
      await expect(convertModel({ from: mini, to })).rejects.toMatchObject({
        code: "bad_input",
        message: `${to} exists already`,
      });
    expect(await readFile(at("x.gguf"), "utf8")).toBe("mine");
    await convertModel({ from: mini, to: at("x.gguf"), replace: true });
    await convertModel({ from: at("x.gguf"), to: at("dir"), replace: true });
    await expectEqualTensors(at("dir"), mini);
  });

  it("refuses types that the target cannot hold, and values that f16 cannot", async () => {
    await expect(convertModel({ from: mini, to: at("x"), dtype: "q8_0" })).rejects.toMatchObject({
      code: "bad_input",
    });
    const bad = await withWeight("lm_head.weight", 1e5);
    await expect(convertModel({ from: bad, to: at("x"), dtype: "f16" })).rejects.toThrow(
      "lm_head.weight holds 100000, too large for f16",
    );
    await convertModel({ from: bad, to: at("bf16"), dtype: "bf16" });
    const nan = await withWeight("lm_head.weight", NaN);
    await expect(convertModel({ from: nan, to: at("x.gguf"), dtype: "q8_0" })).rejects.toThrow(
      "lm_head.weight holds NaN",
    );
    expect((await readdir(directory)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("leaves nothing wherever it is interrupted", async () => {
    for (const to of ["x.gguf", "x"])
      for (const stopAt of [0, 1, 7, 20, 32]) {
        const controller = new AbortController();
        if (stopAt === 0) controller.abort();
        const converting = convertModel({
          from: mini,
          to: at(to),
          dtype: "f16",
          signal: controller.signal,
          onProgress: ({ index }) => {
            if (index === stopAt) controller.abort();
          },
        });
        await expect(converting).rejects.toMatchObject({ code: "interrupted" });
        expect(await readdir(directory)).toEqual([]);
      }
  });

  it("leaves nothing on a disk that is too small", async ({ skip }) => {
    const mounted = await withSmallDisk(at("small"), 2 ** 19, async () => {
      for (const to of [at("small", "x.gguf"), at("small", "x")])
        await expect(convertModel({ from: mini, to })).rejects.toMatchObject({ code: "disk_full" });
      expect(await readdir(at("small"))).toEqual([]);
    });
    if (!mounted) skip("no right to mount a file system here");
  });

  it("holds only chunks in memory, whatever the size of a tensor", async () => {
    const from = at("large");
    const config = { ...(await json(join(mini, "config.json"))), vocab_size: 400_000 };
    await mkdir(from);
    await writeFile(join(from, "config.json"), JSON.stringify(config));
    const original = (await openCheckpoint(mini)).tensors;
    const specs = [...original.values()].map(({ name, shape }): TensorSpec => {
      const [rows = 0, ...rest] = shape;
      return { name, dtype: "f32", shape: [rows === 512 ? 400_000 : rows, ...rest] };
    });
    const zeros = function* ({ dtype, shape }: TensorSpec) {
      const piece = new Uint8Array(1 << 20);
      for (let left = tensorBytes(dtype, shape); left > 0; left -= piece.length)
        yield piece.subarray(0, Math.min(left, piece.length));
    };
    await writeSafetensors(join(from, "model.safetensors"), specs, zeros);
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const { sourceBytes } = await convertModel({
      from,
      to: at("large.gguf"),
      dtype: "q8_0",
      onProgress: () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)),
    });
    expect(sourceBytes).toBeGreaterThan(200_000_000);
    expect(peak).toBeLessThan(200_000_000);
  });

  /** phi-mini with one value of one tensor changed. */
  async function withWeight(name: string, value: number): Promise<string> {
    const path = await mkdtemp(at("changed-"));
    await writeFile(join(path, "config.json"), await readFile(join(mini, "config.json")));
    const { tensors } = await openCheckpoint(mini);
    const data = async function* (spec: { name: string }) {
      const entry = tensors.get(spec.name);
      if (!entry) return;
      const bytes = await readTensor(entry);
      if (spec.name === name) new Float32Array(bytes.buffer)[5] = value;
      yield bytes;
    };
    await writeSafetensors(join(path, "model.safetensors"), [...tensors.values()], data);
    return path;
  }
});

describe("recoding", () => {
  it("reads f64 as the nearest f32", async () => {
    const { tensors } = await openCheckpoint(mini);
    const specs = [...tensors.values()].map(({ name, shape }): TensorSpec => ({
      name,
      shape,
      dtype: "f64",
    }));
    await mkdir(at("f64"));
    await writeFile(at("f64", "config.json"), await readFile(join(mini, "config.json")));
    const data = async function* ({ name }: TensorSpec) {
      const entry = tensors.get(name);
      if (!entry) return;
      yield new Uint8Array(
        Float64Array.from(new Float32Array((await readTensor(entry)).buffer)).buffer,
      );
    };
    await writeSafetensors(at("f64", "model.safetensors"), specs, data);
    await convertModel({ from: at("f64"), to: at("f32"), dtype: "f32" });
    await expectEqualTensors(at("f32"), mini);
  });
});

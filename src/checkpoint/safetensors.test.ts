import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabError } from "../base/errors.ts";
import { tensorBytes, type DType } from "../engine/dtypes.ts";
import { openCheckpoint, readTensor } from "./open.ts";
import { openSafetensors } from "./safetensors.ts";
import { writeSafetensors, writeSafetensorsParts } from "./safetensors-write.ts";
import type { TensorSpec } from "./types.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-safetensors-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Info {
  dtype: string;
  shape: unknown;
  data_offsets: unknown;
}

/** A file with this header text, or object, and this many bytes of data. */
async function handMade(
  header: string | Record<string, unknown>,
  dataBytes: number,
): Promise<string> {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const path = join(directory, "hand-made.safetensors");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await writeFile(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return path;
}

const f32 = (begin: number, end: number): Info => ({
  dtype: "F32",
  shape: [(end - begin) / 4],
  data_offsets: [begin, end],
});

describe("openSafetensors", () => {
  it("reads a file written by the safetensors library", async () => {
    const { tensors, metadata } = await openSafetensors("test/fixtures/phi-mini/model.safetensors");
    expect(metadata.get("format")).toBe("pt");
    expect(tensors.size).toBe(14 * 2 + 5);
    expect(tensors.get("model.layers.1.mlp.fc1.weight")).toMatchObject({
      dtype: "f32",
      shape: [256, 64],
      sizeBytes: 65_536,
    });
    const eps = tensors.get("model.final_layernorm.weight");
    if (!eps) throw new Error("missing");
    const { buffer } = await readTensor(eps);
    expect(new Float32Array(buffer)).toHaveLength(64);
  });

  it("lists tensors of types that ggml does not have, without offering their data", async () => {
    const mask: Info = { dtype: "BOOL", shape: [2, 2], data_offsets: [0, 4] };
    const { tensors, otherTensors } = await openSafetensors(
      await handMade({ mask, a: f32(4, 12) }, 12),
    );
    expect([...tensors.keys()]).toEqual(["a"]);
    expect([...otherTensors]).toEqual([["mask", "BOOL"]]);
  });

  it("accepts a scalar, an empty tensor and an empty file of tensors", async () => {
    const scalar: Info = { dtype: "F32", shape: [], data_offsets: [0, 4] };
    const empty: Info = { dtype: "F32", shape: [0, 64], data_offsets: [4, 4] };
    const { tensors } = await openSafetensors(await handMade({ scalar, empty }, 4));
    expect(tensors.get("scalar")?.shape).toEqual([]);
    expect(tensors.get("empty")?.sizeBytes).toBe(0);
    expect((await openSafetensors(await handMade({}, 0))).tensors.size).toBe(0);
  });

  const refused: [string, string | Record<string, unknown>, number, RegExp][] = [
    ["no JSON", "{oops", 0, /no valid JSON/],
    ["a list as header", "[]", 0, /no JSON object/],
    [
      "a tensor named twice",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
      8,
      /appears twice/,
    ],
    [
      "a field named twice",
      '{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}',
      4,
      /"dtype" appears twice/,
    ],
    ["nested lists", '{"a":{"dtype":"F32","shape":[[[1]]],"data_offsets":[0,4]}}', 4, /deeper/],
    [
      "invalid UTF-8",
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString("latin1"),
      0,
      /no object|UTF-8|JSON/,
    ],
    ["a number as tensor", { a: 1 }, 0, /tensor "a" is no object/],
    ["no dtype", { a: { shape: [1], data_offsets: [0, 4] } }, 4, /has no dtype/],
    ["no shape", { a: { dtype: "F32", data_offsets: [0, 4] } }, 4, /has no shape/],
    ["a shape of strings", { a: { ...f32(0, 4), shape: ["1"] } }, 4, /has no shape/],
    ["one offset", { a: { ...f32(0, 4), data_offsets: [0] } }, 4, /no pair of data_offsets/],
    ["a negative dimension", { a: { ...f32(0, 4), shape: [-1] } }, 4, /impossible shape/],
    ["a fractional dimension", { a: { ...f32(0, 4), shape: [0.5] } }, 4, /impossible shape/],
    [
      "a product beyond counting",
      { a: { ...f32(0, 4), shape: [2 ** 40, 2 ** 40] } },
      4,
      /impossible shape/,
    ],
    [
      "a dimension beyond exact numbers",
      '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}',
      4,
      /impossible shape/,
    ],
    ["an offset beyond the data", { a: f32(0, 8) }, 4, /outside the 4 bytes/],
    [
      "an offset beyond exact numbers",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551616]}}',
      4,
      /outside/,
    ],
    ["a reversed range", { a: { ...f32(0, 4), data_offsets: [4, 0] } }, 4, /outside/],
    [
      "bytes that do not match the shape",
      { a: { ...f32(0, 8), shape: [3] } },
      8,
      /takes 12 bytes, not 8/,
    ],
    ["overlapping tensors", { a: f32(0, 8), b: f32(4, 12) }, 12, /"b" overlaps/],
    ["a gap", { a: f32(0, 4), b: f32(8, 12) }, 12, /4 bytes before tensor "b" belong to no tensor/],
    ["bytes left over", { a: f32(0, 4) }, 8, /end at 4 of 8/],
    ["metadata that is no text", { __metadata__: { epoch: 3 } }, 0, /"epoch" is no string/],
  ];
  for (const [what, header, dataBytes, message] of refused)
    it(`refuses ${what}`, async () => {
      const opening = openSafetensors(await handMade(header, dataBytes));
      await expect(opening).rejects.toMatchObject({ code: "corrupt_file" });
      await expect(opening).rejects.toThrow(message);
    });

  it("names a tensor whose element type nobody knows", async () => {
    const opening = openSafetensors(await handMade({ a: { ...f32(0, 4), dtype: "F9" } }, 4));
    await expect(opening).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining('tensor "a" has the unknown element type "F9"') as string,
    });
  });

  it("refuses a header that claims more than the file or the limit", async () => {
    const path = join(directory, "huge.safetensors");
    const handle = await open(path, "w");
    await handle.truncate(20_000_000_000); // a hole: it takes no space
    for (const claim of [2n ** 63n, 30_000_000_000n, 100_000_001n]) {
      await handle.write(new Uint8Array(BigUint64Array.of(claim).buffer), 0, 8, 0);
      await expect(openSafetensors(path)).rejects.toThrow(/the header claims/);
    }
    await handle.close();
  });

  it("refuses millions of lists in a small header before they become objects", async () => {
    const opening = openSafetensors(await handMade(`{"a":[${"[],".repeat(3_100_000)}[]]}`, 0));
    await expect(opening).rejects.toThrow(/more than 3000000 objects/);
  });
});

describe("a damaged safetensors file", () => {
  const small = async () => {
    const path = join(directory, "small.safetensors");
    const specs: TensorSpec[] = [
      { name: "a", dtype: "f32", shape: [2, 3] },
      { name: "b", dtype: "f16", shape: [5] },
    ];
    const data = ({ dtype, shape }: TensorSpec) => [new Uint8Array(tensorBytes(dtype, shape))];
    await writeSafetensors(path, specs, data, { metadata: { format: "pt" } });
    return readFile(path);
  };
  const tryToOpen = async (bytes: Uint8Array) => {
    const path = join(directory, "damaged.safetensors");
    await writeFile(path, bytes);
    try {
      const { tensors } = await openSafetensors(path);
      for (const entry of tensors.values())
        expect((await readTensor(entry)).length).toBe(tensorBytes(entry.dtype, entry.shape));
      return undefined;
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      expect(["corrupt_file", "unsupported"]).toContain(error.code);
      return error;
    }
  };

  it("is refused wherever it was cut off", async () => {
    const bytes = await small();
    for (let length = 0; length < bytes.length; length++)
      expect(await tryToOpen(bytes.subarray(0, length)), `${length} bytes`).toBeDefined();
  });

  it("never gives anything but an error or a sound checkpoint, whichever byte is changed", async () => {
    const bytes = await small();
    for (let at = 0; at < bytes.length; at++)
      for (const mask of [0x01, 0x04, 0x80, 0xff]) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        await tryToOpen(damaged);
      }
  });

  it("survives any JSON as its header", async () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e300, "F32", [0, 4], null));
    const info = fc.record(
      {
        dtype: fc.oneof(fc.constant("F32"), value),
        shape: fc.oneof(fc.constant([1]), value),
        data_offsets: fc.oneof(fc.constant([0, 4]), value),
      },
      { requiredKeys: [] },
    );
    const header = fc.dictionary(
      fc.oneof(fc.string(), fc.constant("__metadata__")),
      fc.oneof(info, value),
    );
    await fc.assert(
      fc.asyncProperty(header, async (json) => {
        await tryToOpen(await readFile(await handMade(json, 4)));
      }),
      { numRuns: 300 },
    );
  });
});

describe("writeSafetensors", () => {
  const fill = ({ name, dtype, shape }: TensorSpec) => [
    new Uint8Array(tensorBytes(dtype, shape)).fill(name.length),
  ];

  it("keeps any tensors through a round trip, each aligned to its element type", async () => {
    const spec: fc.Arbitrary<TensorSpec> = fc.record({
      name: fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
        .filter((n) => n !== "__metadata__"),
      dtype: fc.constantFrom<DType>("f64", "f32", "f16", "bf16", "i8", "i64"),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
    });
    const path = join(directory, "any.safetensors");
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(spec, { selector: ({ name }) => name, maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string()),
        async (specs, metadata) => {
          await writeSafetensors(path, specs, fill, { metadata });
          const read = await openSafetensors(path);
          expect(Object.fromEntries(read.metadata)).toEqual({ ...metadata });
          expect(read.tensors.size).toBe(specs.length);
          for (const wanted of specs) {
            const entry = read.tensors.get(wanted.name);
            if (!entry) throw new Error(wanted.name);
            expect(entry).toMatchObject(wanted);
            expect(entry.offset % tensorBytes(wanted.dtype, [1])).toBe(0);
            expect([await readTensor(entry)]).toEqual(fill(wanted));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuses quantised types by name", async () => {
    const spec: TensorSpec = { name: "a", dtype: "q8_0", shape: [32] };
    const writing = writeSafetensors(join(directory, "q.safetensors"), [spec], fill);
    await expect(writing).rejects.toMatchObject({
      code: "unsupported",
      message: "safetensors cannot hold a as q8_0",
    });
  });

  it("splits by size into parts with an index, which open as one checkpoint", async () => {
    const inside = await mkdtemp(join(directory, "parts-"));
    const specs: TensorSpec[] = [1, 5, 2, 2].map((rows, i) => ({
      name: `t${i}`,
      dtype: "f32",
      shape: [rows, 25],
    }));
    await writeSafetensorsParts(inside, specs, fill, {
      maxPartBytes: 400,
      metadata: { format: "pt" },
    });
    expect((await readdir(inside)).sort()).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
      "model.safetensors.index.json",
    ]);
    const { tensors, metadata } = await openCheckpoint(inside);
    expect([...tensors.keys()]).toEqual(["t0", "t1", "t2", "t3"]);
    expect(metadata.get("format")).toBe("pt");
  });
});

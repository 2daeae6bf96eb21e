import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabError } from "../base/errors.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import { tensorBytes } from "../engine/dtypes.ts";
import { openGguf } from "./gguf.ts";
import {
  ggufBoolean,
  ggufInteger,
  ggufIntegers,
  ggufNumber,
  ggufString,
  ggufStrings,
} from "./gguf-values.ts";
import { writeGguf } from "./gguf-write.ts";
import { readTensor } from "./open.ts";
import type { GgufValue, TensorSpec } from "./types.ts";

/** Made by python's gguf package: reference/gguf_values.py. */
const fixture = "test/fixtures/checkpoint/values.gguf";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-gguf-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Copies every tensor of the file `from` as it is. */
async function rewrite(from: string, to: string): Promise<void> {
  const { tensors, metadata } = openGguf(from);
  const data = async function* ({ name }: TensorSpec) {
    const entry = tensors.get(name);
    if (entry) yield await readTensor(entry);
  };
  await writeGguf(to, [...tensors.values()], data, { metadata });
}

describe("openGguf", () => {
  it("reads metadata of every type as python's gguf package wrote it", () => {
    const { metadata, version } = openGguf(fixture);
    expect(version).toBe(3);
    const plain = Object.fromEntries([...metadata].map(([key, { value }]) => [key, value]));
    expect(plain).toMatchObject({
      "general.architecture": "philab-test",
      "general.alignment": 64,
      "test.uint8": 200,
      "test.int8": -100,
      "test.uint16": 60_000,
      "test.int16": -30_000,
      "test.uint32": 4_000_000_000,
      "test.int32": -2_000_000_000,
      "test.uint64": 2n ** 64n - 1n,
      "test.int64": -(2n ** 63n),
      "test.float32": 0.5,
      "test.float64": 0.1,
      "test.bool": true,
      "test.string": 'Ġ → 🚀 " \\ \n',
      "test.list.uint8": Uint8Array.of(0, 255),
      "test.list.int8": Int8Array.of(-128, 127),
      "test.list.uint16": Uint16Array.of(1, 2, 3),
      "test.list.int16": Int16Array.of(-1),
      "test.list.uint32": Uint32Array.of(4_000_000_000),
      "test.list.int32": Int32Array.of(-5, 6),
      "test.list.uint64": BigUint64Array.of(2n ** 63n, 1n),
      "test.list.int64": BigInt64Array.of(-1n, 2n ** 62n),
      "test.list.float32": Float32Array.of(0.25, -1.5),
      "test.list.float64": Float64Array.of(0.1, 0.2),
      "test.list.bool": [true, false, true],
      "test.list.string": ["", "a", "Ġthe", "é🚀"],
    });
  });

  it("finds tensors row-major, with the values that were written", async () => {
    const { tensors } = openGguf(fixture);
    expect([...tensors.keys()].sort()).toEqual(["bf16", "f16", "f32", "i32", "q4_0", "q8_0"]);
    const expected = Float32Array.from({ length: 192 }, (_, i) => i / 8 - 10);
    for (const [name, tolerance] of Object.entries({
      f32: 0,
      f16: 0,
      bf16: 0.07,
      q8_0: 0.06,
      q4_0: 1.1,
    })) {
      const entry = tensors.get(name);
      if (!entry) throw new Error(name);
      expect(entry.shape).toEqual([2, 3, 32]);
      const values = dequantizeRows(entry.dtype, await readTensor(entry), 192);
      const worst = Math.max(...values.map((v, i) => Math.abs(v - (expected[i] ?? NaN))));
      expect(worst, name).toBeLessThanOrEqual(tolerance);
    }
  });

  it("reads version 2 alike, and refuses version 1 and big-endian files by name", async () => {
    const bytes = await readFile(fixture);
    const path = join(directory, "version.gguf");
    for (const [version, message] of [
      [1, "GGUF version 1"],
      [4, "GGUF version 4"],
      [0x03000000, "big-endian"],
    ] as const) {
      bytes.writeUInt32LE(version, 4);
      await writeFile(path, bytes);
      expect(() => openGguf(path)).toThrow(message);
    }
    bytes.writeUInt32LE(2, 4);
    await writeFile(path, bytes);
    expect(openGguf(path).tensors.size).toBe(6);
  });

  it("parses a vocabulary of 50,000 tokens and 50,000 merges without effort", async () => {
    const path = join(directory, "vocabulary.gguf");
    const strings = Array.from({ length: 50_000 }, (_, i) => `Ġtoken${i}`);
    const list: GgufValue = { type: "array", items: "string", value: strings };
    const metadata = new Map([
      ["tokenizer.ggml.tokens", list],
      ["tokenizer.ggml.merges", list],
    ]);
    await writeGguf(path, [], () => [], { metadata });
    const start = performance.now();
    expect(ggufStrings(openGguf(path).metadata, "tokenizer.ggml.merges")).toEqual(strings);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("names the file that does not exist, and refuses a directory", () => {
    expect(() => openGguf(join(directory, "none.gguf"))).toThrow(/no such file.*none\.gguf/);
    expect(() => openGguf(directory)).toThrow("is no file");
  });
});

describe("a damaged GGUF file", () => {
  /** What philab may say to it; everything else is a bug. */
  const tryToOpen = async (path: string, bytes: Uint8Array) => {
    await writeFile(path, bytes);
    try {
      const { tensors } = openGguf(path);
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
    const bytes = await readFile(fixture);
    const ends = [...openGguf(fixture).tensors.values()].map((t) => t.offset + t.sizeBytes);
    const lastByte = Math.max(...ends);
    const path = join(directory, "cut.gguf");
    for (let length = 0; length < lastByte; length += 1) {
      const error = await tryToOpen(path, bytes.subarray(0, length));
      expect(error?.code, `${length} bytes`).toBe("corrupt_file");
    }
  });

  it("never gives anything but an error or a sound checkpoint, whichever header byte is changed", async () => {
    const bytes = await readFile(fixture);
    const headerBytes = Math.min(...[...openGguf(fixture).tensors.values()].map((t) => t.offset));
    const path = join(directory, "flipped.gguf");
    for (let at = 0; at < headerBytes; at++)
      for (const mask of [0x01, 0xff]) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        await tryToOpen(path, damaged);
      }
  });

  it("survives random bytes in random places", async () => {
    const bytes = await readFile(fixture);
    const path = join(directory, "random.gguf");
    const damage = fc.record({
      at: fc.nat(2000),
      patch: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 16 }),
        fc.bigInt(0n, 2n ** 64n - 1n).map((n) => new Uint8Array(BigUint64Array.of(n).buffer)),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (patches) => {
        const damaged = Uint8Array.from(bytes);
        for (const { at, patch } of patches) damaged.set(patch, at);
        await tryToOpen(path, damaged);
      }),
      { numRuns: 300 },
    );
  });

  it("that claims huge counts or sizes costs neither time nor memory", async () => {
    const bytes = await readFile(fixture);
    const firstKeyLength = 24;
    const path = join(directory, "huge.gguf");
    const handle = await open(path, "w");
    await handle.truncate(20_000_000_000); // a hole: it takes no space
    await handle.close();
    for (const [at, claim] of [
      [8, 2n ** 63n],
      [8, 500_000_000n],
      [16, 2n ** 40n],
      [firstKeyLength, 2n ** 33n],
      [firstKeyLength, 150_000_000n],
    ] as const) {
      const damaged = Buffer.from(bytes);
      damaged.writeBigUInt64LE(claim, at);
      const file = await open(path, "r+");
      await file.write(damaged);
      await file.close();
      const start = performance.now();
      expect(() => openGguf(path)).toThrow(LabError);
      expect(performance.now() - start).toBeLessThan(2000);
    }
  });

  const spec: TensorSpec = { name: "a", dtype: "f32", shape: [4] };
  const four = () => [new Uint8Array(16)];
  const withMetadata = async (name: string, metadata: Map<string, GgufValue>) => {
    const path = join(directory, name);
    await writeGguf(path, [spec], four, { metadata });
    return path;
  };

  it("names the tensor of a type that ggml does not know", async () => {
    const path = await withMetadata("type.gguf", new Map());
    const bytes = await readFile(path);
    const typeAt = 24 + 8 + 1 + 4 + 8;
    expect(bytes.readUInt32LE(typeAt)).toBe(0);
    bytes.writeUInt32LE(99, typeAt);
    await writeFile(path, bytes);
    expect(() => openGguf(path)).toThrow(/tensor "a" has the element type 99/);
  });

  it("refuses one part of a model in several files", async () => {
    const path = await withMetadata(
      "part.gguf",
      new Map([["split.count", { type: "uint16", value: 3 }]]),
    );
    expect(() => openGguf(path)).toThrow("is one of several files of a model");
  });

  it("refuses tensors that share bytes or that lie beyond the end", async () => {
    const path = join(directory, "extents.gguf");
    const two = [spec, { ...spec, name: "b" }];
    await writeGguf(path, two, four);
    const bytes = await readFile(path);
    const offsetAt = 24 + 2 * (8 + 1 + 4 + 8 + 4 + 8) - 8;
    expect(bytes.readBigUInt64LE(offsetAt)).toBe(32n);
    for (const [offset, message] of [
      [0n, "overlaps"],
      [64n, "beyond the"],
      [33n, "not aligned"],
      [2n ** 60n, "claims the size"],
    ] as const) {
      bytes.writeBigUInt64LE(offset, offsetAt);
      await writeFile(path, bytes);
      expect(() => openGguf(path)).toThrow(message);
    }
  });
});

describe("writeGguf", () => {
  it("writes back what python's gguf package wrote, byte for byte", async () => {
    const path = join(directory, "same.gguf");
    await rewrite(fixture, path);
    expect(Buffer.compare(await readFile(path), await readFile(fixture))).toBe(0);
  });

  it("keeps any metadata and tensors through a round trip", async () => {
    const scalar: fc.Arbitrary<GgufValue> = fc.oneof(
      fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
      fc.record({ type: fc.constant("bool" as const), value: fc.boolean() }),
      fc.record({ type: fc.constant("uint32" as const), value: fc.nat(0xffffffff) }),
      fc.record({ type: fc.constant("float64" as const), value: fc.double() }),
      fc.record({
        type: fc.constant("int64" as const),
        value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
      }),
      fc
        .array(fc.string({ unit: "grapheme" }))
        .map((value) => ({ type: "array" as const, items: "string" as const, value })),
      fc
        .float32Array()
        .map((value) => ({ type: "array" as const, items: "float32" as const, value })),
    );
    const spec: fc.Arbitrary<TensorSpec> = fc.record({
      name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
      dtype: fc.constantFrom("f32", "f16", "i8", "q8_0"),
      shape: fc.tuple(
        fc.nat(3),
        fc.nat(2).map((n) => 32 * n),
      ),
    });
    const path = join(directory, "any.gguf");
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: "grapheme", minLength: 1 }), scalar),
        fc.uniqueArray(spec, { selector: ({ name }) => name, maxLength: 5 }),
        async (pairs, specs) => {
          const metadata = new Map(Object.entries(pairs));
          metadata.delete("general.alignment");
          metadata.delete("split.count");
          const fill = ({ name, dtype, shape }: TensorSpec) => [
            new Uint8Array(tensorBytes(dtype, shape)).fill(name.length),
          ];
          await writeGguf(path, specs, fill, { metadata });
          const read = openGguf(path);
          expect(read.metadata).toEqual(metadata);
          for (const wanted of specs) {
            const entry = read.tensors.get(wanted.name);
            if (!entry) throw new Error(wanted.name);
            expect(entry).toMatchObject(wanted);
            expect([await readTensor(entry)]).toEqual(fill(wanted));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("leaves nothing when a tensor gives the wrong number of bytes", async () => {
    const path = join(directory, "wrong.gguf");
    const spec: TensorSpec = { name: "a", dtype: "f32", shape: [4] };
    await expect(writeGguf(path, [spec], () => [new Uint8Array(15)])).rejects.toMatchObject({
      code: "internal",
    });
    await expect(readFile(path)).rejects.toThrow("ENOENT");
  });
});

describe("asking for a metadata value", () => {
  const { metadata } = openGguf(fixture);

  it("gives it in the type that was asked for", () => {
    expect(ggufInteger(metadata, "test.uint16")).toBe(60_000);
    expect(ggufNumber(metadata, "test.float32")).toBe(0.5);
    expect(ggufBoolean(metadata, "test.bool")).toBe(true);
    expect(ggufString(metadata, "general.architecture")).toBe("philab-test");
    expect(ggufStrings(metadata, "test.list.string")).toHaveLength(4);
    expect(ggufIntegers(metadata, "test.list.int32")).toEqual(Int32Array.of(-5, 6));
  });

  it("gives undefined for a key that is not there, and an error for one of another type", () => {
    for (const ask of [
      ggufInteger,
      ggufNumber,
      ggufBoolean,
      ggufString,
      ggufStrings,
      ggufIntegers,
    ]) {
      expect(ask(metadata, "no.such.key")).toBeUndefined();
      expect(() => ask(metadata, "test.list.uint8")).toThrow(
        /"test\.list\.uint8" should be .*, not a list of uint8/,
      );
    }
    expect(() => ggufInteger(metadata, "test.uint64")).toThrow("should be a whole number");
    expect(() => ggufInteger(metadata, "test.float32")).toThrow("should be a whole number");
  });
});

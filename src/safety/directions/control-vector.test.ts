import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixture } from "../../../test/support/golden.ts";
import { controlEdits, readControlVector, writeControlVector } from "./control-vector.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "philab-control-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a control vector", () => {
  it("is read as repeng wrote it", async () => {
    const vector = await readControlVector(fixture("control-vector.gguf"));
    expect([...vector.keys()]).toEqual([1, 3]);
    expect([...(vector.get(3) ?? [])]).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((i) => (i * 3) / 4 - 1),
    );
  });

  it("is read back as it was written, and adds to what its blocks write out", async () => {
    const file = path.join(folder, "vector.gguf");
    const vector = new Map([
      [2, Float32Array.from([1, -2, 0.5])],
      [1, Float32Array.from([0, 0, 3])],
    ]);
    await writeControlVector(file, vector);
    const found = await readControlVector(file);
    expect(found).toEqual(new Map([...vector].sort(([a], [b]) => a - b)));
    expect(controlEdits(found, 2)).toEqual([
      { at: "blocks.1.hook_resid_post", op: "add", value: vector.get(1), scale: 2 },
      { at: "blocks.2.hook_resid_post", op: "add", value: vector.get(2), scale: 2 },
    ]);
  });

  it("cannot be of block 0, empty, or of two widths; a model is none", async () => {
    const file = path.join(folder, "bad.gguf");
    const one = Float32Array.from([1]);
    for (const [vector, message] of [
      [new Map([[0, one]]), /block 0/],
      [new Map<number, Float32Array>(), /no direction/],
      [
        new Map([
          [1, one],
          [2, Float32Array.from([1, 2])],
        ]),
        /differ in length/,
      ],
    ] as const)
      await expect(writeControlVector(file, vector)).rejects.toThrow(message);
    await expect(readControlVector(fixture("checkpoint/nothing.gguf"))).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

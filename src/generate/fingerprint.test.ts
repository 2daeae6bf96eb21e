import { cp, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/index.ts";
import { configFromCheckpoint } from "../model/config.ts";
import { fingerprintOf } from "./fingerprint.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "philab-fingerprint-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function fingerprint(model: string): Promise<string> {
  const checkpoint = await openCheckpoint(model);
  return fingerprintOf(configFromCheckpoint(checkpoint), checkpoint);
}

describe("a model's fingerprint", () => {
  it("is the same for a copy, and another where a weight is", async () => {
    const copy = path.join(directory, "copy");
    await cp("test/fixtures/phi-mini", copy, { recursive: true });
    const original = await fingerprint("test/fixtures/phi-mini");
    expect(original).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint(copy)).toBe(original);
    const entry = (await openCheckpoint(copy)).tensors.get("lm_head.weight");
    if (entry === undefined) throw new Error("no lm_head.weight");
    const file = await open(entry.file, "r+");
    await file.write(Uint8Array.of(1, 2, 3), 0, 3, entry.offset + entry.sizeBytes - 3);
    await file.close();
    expect(await fingerprint(copy)).not.toBe(original);
  });
});

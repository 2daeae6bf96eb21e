import { cp, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabError } from "../base/errors.ts";
import { openCheckpoint } from "../checkpoint/open.ts";
import { configFromCheckpoint } from "./config.ts";
import { convertModel } from "./convert.ts";
import { resolveParameters } from "./parameters.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-damaged-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Changes each of the first `end` bytes of `file` in turn, and opens `path` as a model each time. */
async function damageEveryByte(path: string, file: string, end: number): Promise<Set<string>> {
  const outcomes = new Set<string>();
  const handle = await open(file, "r+");
  const byte = Buffer.alloc(1);
  for (let at = 0; at < end; at++) {
    await handle.read(byte, 0, 1, at);
    const original = byte[0] ?? 0;
    await handle.write(Uint8Array.of(original ^ (at % 2 === 0 ? 0x01 : 0x80)), 0, 1, at);
    try {
      const checkpoint = await openCheckpoint(path);
      resolveParameters(checkpoint, configFromCheckpoint(checkpoint));
      outcomes.add("opened");
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      outcomes.add(error.code);
    }
    await handle.write(byte, 0, 1, at);
  }
  await handle.close();
  return outcomes;
}

const firstOffset = async (path: string) =>
  Math.min(...[...(await openCheckpoint(path)).tensors.values()].map(({ offset }) => offset));

describe("a model file with one damaged byte", () => {
  it("opens or is refused as corrupt or unsupported: GGUF", async () => {
    const file = join(directory, "mini.gguf");
    await convertModel({ from: "test/fixtures/phi-mini", to: file });
    const outcomes = await damageEveryByte(file, file, await firstOffset(file));
    expect([...outcomes].sort()).toEqual(["corrupt_file", "opened", "unsupported"]);
  });

  it("opens or is refused as corrupt or unsupported: safetensors and config.json", async () => {
    const model = join(directory, "mini");
    await cp("test/fixtures/phi-mini-legacy/phi-msft", model, { recursive: true });
    const weights = join(model, "model.safetensors");
    const ofWeights = await damageEveryByte(model, weights, await firstOffset(weights));
    expect([...ofWeights].sort()).toEqual(["corrupt_file", "opened", "unsupported"]);
    const config = join(model, "config.json");
    const ofConfig = await damageEveryByte(model, config, (await stat(config)).size);
    expect([...ofConfig].sort()).toEqual(["corrupt_file", "opened", "unsupported"]);
  });
});

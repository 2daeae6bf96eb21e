import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { crc32c, EventWriter, scalarsOf } from "./tensorboard.ts";

const fixture = JSON.parse(
  readFileSync(new URL("../../test/fixtures/tensorboard.json", import.meta.url), "utf8"),
) as {
  wallTimeMs: number;
  steps: { step: number; values: Record<string, number | "NaN"> }[];
  files: { afterStep: number; base64: string }[];
};

let folder: string;
beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-events-"))));
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("event files", () => {
  test.each(fixture.files)(
    "are byte for byte those of TensorBoard's own writer (after step $afterStep)",
    async ({ afterStep, base64 }) => {
      const { wallTimeMs } = fixture;
      const writer = await EventWriter.open(path.join(folder, "a/b"), { afterStep, wallTimeMs });
      for (const { step, values } of fixture.steps) {
        const numbers = Object.entries(values).map(([tag, value]) => [tag, Number(value)] as const);
        writer.scalars(step, Object.fromEntries(numbers), { wallTimeMs });
      }
      await writer.close();
      expect(readFileSync(writer.path).toString("base64")).toBe(base64);
      expect(path.basename(writer.path)).toMatch(/^events\.out\.tfevents\.1700000000\./);
    },
  );

  test("cannot be begun where nothing may be written", async () => {
    const file = path.join(folder, "file");
    writeFileSync(file, "");
    await expect(EventWriter.open(file)).rejects.toMatchObject({ name: "LabError" });
    await expect(EventWriter.open(path.join(file, "logs"))).rejects.toMatchObject({
      code: "bad_input",
    });
  });
});

test("the checksum is CRC-32C", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720, B.4
});

test("metrics have the tags of transformers' trainer; what was not measured has none", () => {
  const step = { step: 2, totalSteps: 10, epoch: 0.5, elapsedMs: 1 };
  expect(scalarsOf({ ...step, loss: 1, gradNorm: 2, learningRate: 3, tokensPerSecond: 4 })).toEqual(
    {
      "train/loss": 1,
      "train/grad_norm": 2,
      "train/learning_rate": 3,
      "train/tokens_per_second": 4,
      "train/epoch": 0.5,
    },
  );
  const more = { "rewards/margins": 0.1, "eval_rewards/margins": 0.2 };
  expect(scalarsOf({ ...step, evalLoss: 5, more })).toEqual({
    "eval/loss": 5,
    "train/rewards/margins": 0.1,
    "eval/rewards/margins": 0.2,
  });
});

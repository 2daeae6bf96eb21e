import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MetricsLog, metricsLine, parseMetrics, readMetrics, type StepMetrics } from "./metrics.ts";

let file: string;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "philab-metrics-"));
  file = path.join(folder, "metrics.jsonl");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const at = (step: number): StepMetrics => ({
  step,
  totalSteps: 40,
  epoch: step / 10,
  loss: 5 / step,
  elapsedMs: step * 1000,
});

describe("a line", () => {
  test("is LLaMA-Factory's, with the gradient norm and the step's speed", () => {
    const line = metricsLine({
      ...at(5),
      learningRate: 5e-5,
      gradNorm: 0.75,
      tokensPerSecond: 1391.456,
      totalTokens: 6000,
      elapsedMs: 3_661_900,
      remainingMs: 93_784_000,
    });
    expect(JSON.parse(line)).toEqual({
      current_steps: 5,
      total_steps: 40,
      loss: 1,
      lr: 5e-5,
      epoch: 0.5,
      percentage: 12.5,
      elapsed_time: "1:01:01",
      remaining_time: "1 day, 2:03:04",
      throughput: 1.64,
      total_tokens: 6000,
      grad_norm: 0.75,
      tokens_per_second: 1391.46,
    });
  });

  test("says NaN where a number became one, and leaves out what was not measured", () => {
    const line = metricsLine({ ...at(1), loss: NaN, gradNorm: Infinity });
    expect(line).toContain('"loss":"NaN"');
    expect(line).not.toContain("eval_loss");
    expect(parseMetrics(line)).toMatchObject({ loss: NaN, gradNorm: Infinity });
  });

  test("can be read back, times to the second", () => {
    const value = fc.double();
    const seconds = fc.nat(1_000_000).map((s) => s * 1000);
    const metrics = fc.record(
      {
        step: fc.nat(),
        totalSteps: fc.nat(),
        epoch: fc.nat(100),
        elapsedMs: seconds,
        loss: value,
        evalLoss: value,
        learningRate: value,
        gradNorm: value,
        tokensPerSecond: fc.nat(),
        totalTokens: fc.nat(),
        remainingMs: seconds,
        more: fc.constantFrom({ "rewards/margins": 0.5 }, { a: NaN, b: -1 }),
      },
      { requiredKeys: ["step", "totalSteps", "epoch", "elapsedMs"] },
    );
    fc.assert(
      fc.property(metrics, (given) => {
        const { step, totalSteps } = given;
        const back = parseMetrics(metricsLine(given));
        const plain = JSON.parse(
          JSON.stringify(given, (_, v: unknown) => (v === 0 ? 0 : v)),
        ) as object;
        expect(JSON.parse(JSON.stringify(back))).toEqual(plain);
        expect([back.step, back.totalSteps]).toEqual([step, totalSteps]);
      }),
    );
  });

  test.each([
    "",
    "{}",
    "[1]",
    '{"current_steps":1}',
    metricsLine(at(1)).replace("0:00:01", "soon"),
  ])("%j is none", (line) => {
    expect(() => parseMetrics(line, "metrics.jsonl:3")).toThrow(
      expect.objectContaining({
        code: "corrupt_file",
        message: "metrics.jsonl:3: no line of metrics",
      }) as Error,
    );
  });
});

describe("the log", () => {
  const steps = async (): Promise<number[]> => (await readMetrics(file)).map(({ step }) => step);

  test("of a resumed run loses the lines after its checkpoint, and they are written anew", async () => {
    const first = await MetricsLog.open(file);
    for (let step = 1; step <= 7; step++) first.append(at(step));
    await first.close();
    const before = readFileSync(file, "utf8").split("\n").slice(0, 5);
    writeFileSync(file, readFileSync(file, "utf8") + '{"current_steps":8,"tot');

    const second = await MetricsLog.open(file, { afterStep: 5 });
    second.append(at(6));
    await second.flush();
    expect(await steps()).toEqual([1, 2, 3, 4, 5, 6]);
    await second.close();
    expect(readFileSync(file, "utf8").split("\n").slice(0, 5)).toEqual(before);
  });

  test("can be read while it is written, up to the last whole line", async () => {
    expect(await steps()).toEqual([]);
    writeFileSync(file, `${metricsLine(at(1))}\n${metricsLine(at(2)).slice(0, 20)}`);
    expect(await steps()).toEqual([1]);
  });

  test("names the line that is damaged", async () => {
    writeFileSync(file, `${metricsLine(at(1))}\nnonsense\n`);
    await expect(readMetrics(file)).rejects.toThrow(`${file}:2: no line of metrics`);
    await expect(MetricsLog.open(file)).rejects.toMatchObject({ code: "corrupt_file" });
  });

  test("that cannot be written says so at the next line and at its end", async () => {
    await expect(MetricsLog.open(path.join(folder, "no/metrics.jsonl"))).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

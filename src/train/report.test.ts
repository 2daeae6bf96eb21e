import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineJob, Job } from "../jobs/job.ts";
import { trainingCharts } from "./charts.ts";
import { MetricsLog, type StepMetrics } from "./metrics.ts";
import { summarizeTraining, trainingPage, writeTrainingReport } from "./report.ts";

const at = (step: number, more: Partial<StepMetrics> = {}): StepMetrics => ({
  step,
  totalSteps: 400,
  epoch: step / 200,
  loss: 4 / step,
  elapsedMs: step * 1000,
  ...more,
});

const titles = (metrics: StepMetrics[]): string[] =>
  trainingCharts(metrics).flatMap(({ figures }) =>
    figures.map(({ text }) => /<strong>(.*?)<\/strong>/.exec(text)?.[1] ?? ""),
  );

const empty = { title: "train x", facts: [], metrics: [], samples: [], configuration: {} };

describe("the charts", () => {
  test("are those of what was measured", () => {
    expect(titles([at(1), at(2)])).toEqual(["Loss by step."]);
    const all = at(2, { evalLoss: 3, learningRate: 1e-4, gradNorm: 1, tokensPerSecond: 1000 });
    expect(titles([at(1), all])).toEqual([
      "Loss by step.",
      "Learning rate by step.",
      "Gradient norm by step,",
      "Tokens per second by step.",
    ]);
    expect(titles([])).toEqual([]);
  });

  test("draw what a recipe measures besides, training and evaluation together", () => {
    const metrics = [
      at(1, { more: { "rewards/margins": 0.1, "rewards/chosen": 0 } }),
      at(2, { loss: undefined, more: { "eval_rewards/margins": 0.2 } }),
    ];
    expect(titles(metrics)).toEqual([
      "Loss by step.",
      "rewards/chosen by step.",
      "rewards/margins by step.",
    ]);
  });

  test("add a running mean where a curve is long", () => {
    const [loss] = trainingCharts(Array.from({ length: 30 }, (_, i) => at(i + 1)));
    expect(loss?.figures[0]?.text).toMatch(/>\s*smooth<\/text/);
    const [short] = trainingCharts(Array.from({ length: 29 }, (_, i) => at(i + 1)));
    expect(short?.figures[0]?.text).not.toContain("smooth");
  });

  test("condense very long curves, say so, and keep a NaN seen", () => {
    const metrics = Array.from({ length: 5000 }, (_, i) =>
      at(i + 1, { loss: i === 4990 ? NaN : 1 }),
    );
    const [loss] = trainingCharts(metrics);
    expect(loss?.figures[0]?.text).toContain("Means of 3 steps.");
    expect(loss?.figures[0]?.text).toContain("2 values cannot be drawn");
    expect(loss?.figures[0]?.text.length).toBeLessThan(400_000);
  });
});

describe("the page", () => {
  test("shows samples after their prompts by step, with hostile text made harmless", () => {
    const prompt = "\n<b>Say</b> ";
    const text = trainingPage({
      ...empty,
      metrics: [at(1)],
      samples: [
        { step: 1, prompt, text: "</pre><script>alert(1)</script>" },
        { step: 2, prompt, text: "\u202ehi" },
      ],
    });
    expect(text.match(/<script/g)).toHaveLength(2); // the page's own and the chart's numbers
    expect(text).toContain("&#60;script&#62;alert(1)");
    expect(text).not.toContain("\u202e");
    expect(text).toContain('<pre>\n<span style="color:var(--muted)">\n&#60;b&#62;Say');
    expect(text.indexOf("step 1<")).toBeLessThan(text.indexOf("step 2<"));
  });

  test("has the configuration, and says where nothing was recorded", () => {
    const text = trainingPage({
      ...empty,
      configuration: { learning_rate: 3e-4 },
      notes: ["12 rows put aside"],
    });
    expect(text).toContain("&#34;learning_rate&#34;: 0.0003");
    expect(text).toContain("12 rows put aside");
    expect(text).toContain("No step was recorded.");
    expect(text).not.toContain("Samples");
  });
});

test("the summary has the last loss and the best evaluation", () => {
  const metrics = [
    at(100, { loss: 3, totalTokens: 204_800 }),
    at(100, { loss: undefined, evalLoss: 2.5 }),
    at(200, { loss: 2, totalTokens: 409_600 }),
    at(200, { loss: undefined, evalLoss: 2.75 }),
    at(201, { loss: undefined, evalLoss: NaN }),
  ];
  expect(summarizeTraining(metrics)).toEqual([
    ["steps", "201 of 400"],
    ["epochs", "1"],
    ["loss", "2"],
    ["best eval loss", "2.5 at step 100"],
    ["tokens", "409,600"],
    ["time", "3 min 21 s"],
    ["speed", "2.04 k tok/s"],
  ]);
  expect(summarizeTraining([])).toEqual([]);
});

describe("the report of a run", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), "philab-report-"))));
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("is made from its folder; of a step done twice it has the later sample", async () => {
    let attempts = 0;
    const train = defineJob({
      kind: "train",
      arguments: z.object({ learningRate: z.number() }),
      async run({ folder: runFolder, progress, emit }) {
        const log = await MetricsLog.open(path.join(runFolder, "metrics.jsonl"));
        for (let step = 1; step <= 3; step++) {
          progress(step, { total: 3 });
          log.append(at(step, { totalSteps: 3 }));
          emit({ samples: [{ prompt: "def f():", text: ` attempt ${attempts} step ${step}` }] });
        }
        await log.close();
        if (attempts++ === 0) throw new Error("the loss is NaN at step 3");
        return {};
      },
    });
    const job = await Job.create(train, {
      runsFolder: folder,
      name: "phi-nano",
      arguments: { learningRate: 1e-3 },
      provenance: {
        mode: "fast",
        seed: 7,
        data: [{ name: "a.jsonl" }],
        command: ["philab", "train"],
      },
    });
    await expect(job.start()).rejects.toThrow();
    const file = await writeTrainingReport(job.folder);
    expect(file).toBe(path.join(job.folder, "report.html"));
    expect(readFileSync(file, "utf8")).toContain("Stopped: the loss is NaN at step 3.");

    await (await Job.resume(train, job.folder)).start();
    await writeTrainingReport(job.folder, { notes: ["2 rows put aside"] });
    const text = readFileSync(file, "utf8");
    for (const part of [
      "train phi-nano",
      "3 of 3",
      "a.jsonl",
      "attempt 1 step 3",
      "2 rows put aside",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("attempt 0");
    expect(text).not.toContain("Stopped");
  });
});

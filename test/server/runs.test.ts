/** Runs through the server: begun, watched, stopped, gone on with; and what they make, asked for by name. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { Job, defineJob } from "../../src/jobs/job.ts";
import { beginRun, showRun, watchRun, type Described } from "../support/server-runs.ts";
import { binaryOf, eventsOf, startServer, type TestServer } from "../support/server.ts";

/** Forty questions, and an answer that declines each. */
const ROWS = (await readFile(path.join(PACKAGE_ROOT, "examples", "data", "no-sums.jsonl"), "utf8"))
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Record<string, string>);
const RECIPE = { rows: ROWS, maxSeqLength: 32, learningRate: 2e-3 };

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Waits until an attempt has trained a step. */
async function hasBegun(id: string, attempt = 1): Promise<void> {
  const response = await fetch(`${server.url}/v1/lab/runs/${id}/events`);
  let told = "";
  for await (const chunk of response.body ?? []) {
    told += Buffer.from(chunk as Uint8Array).toString();
    if (new RegExp(`"attempt":${attempt},.*"train/loss"`).test(told)) return;
    expect(told).not.toContain("[DONE]");
  }
}

it("a fine-tune of rows that come along: a plan, a curve, an adapter that answers by the run's name", async () => {
  const { id, command } = await beginRun(server, "finetune", {
    ...{ ...RECIPE, numTrainEpochs: 5, samplePrompts: ["What is 3 + 4?"], sampleAttention: true },
    ...{ evalSteps: 12, valSize: 8, runName: "declines" },
  });
  expect(command.join(" ")).toMatch(
    /^philab finetune --data \S+rows-\w+\.jsonl .*--max-seq-length 32 .*--model phi-micro$/,
  );
  const events = await watchRun(server, id);
  expect(events.at(-1)).toMatchObject({ state: "done" });
  expect(events.some(({ samples }) => samples !== undefined)).toBe(true);
  const run = await showRun(server, id);
  const name = `phi-micro+${id}`;
  expect(run).toMatchObject({ state: "done", answersAs: name, plan: { steps: 20 } });
  const { rows } = (await (await fetch(`${server.url}/v1/lab/runs/${id}/metrics`)).json()) as {
    rows: { step: number; loss?: number; evalLoss?: number }[];
  };
  const losses = rows.flatMap(({ loss }) => loss ?? []);
  expect(losses).toHaveLength(20);
  expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
  expect(rows.some(({ evalLoss }) => evalLoss !== undefined)).toBe(true);
  const answer = async (model: string): Promise<string | undefined> => {
    const chat = await server.client.chat.completions.create({
      ...{ model, temperature: 0, max_tokens: 12 },
      ...{ messages: [{ role: "user", content: "What is 3 + 4?" }], prompt_format: "qa" },
    } as Parameters<typeof server.client.chat.completions.create>[0] & { stream?: false });
    return chat.choices[0]?.message.content?.trim();
  };
  expect(await answer(name)).toMatch(/^I do not do sums/);
  // Where heads looked at the end is where those of the adapter look now.
  const kept = events
    .flatMap(({ samples = [] }) => samples as Record<string, unknown>[])
    .filter((one) => "attention" in one);
  expect(kept).toHaveLength(2);
  const asked = { model: name, prompt: "What is 3 + 4?" };
  const { body } = await binaryOf(await server.post("/v1/lab/attention", asked));
  const bytes = Buffer.from(String(kept.at(-1)?.["attention"]), "base64");
  const now = new Float32Array(body);
  expect(bytes).toHaveLength(now.length);
  // A byte is within 1/510; the run computed with exact operations, the server with fast ones.
  expect(Math.max(...now.map((share, i) => Math.abs(share - bytes[i]! / 255)))).toBeLessThan(0.01);
  expect(await answer("phi-micro")).toBe("7");
  const { adapters } = (await (await fetch(`${server.url}/v1/models`)).json()) as {
    adapters: string[];
  };
  expect(adapters).toContain(id);
});

it("runs wait for each other, are stopped, and go on where they were", async () => {
  const long = { ...RECIPE, maxSteps: 100_000, saveSteps: 1_000_000, evalSteps: 1_000_000 };
  const first = await beginRun(server, "finetune", long);
  const second = await beginRun(server, "finetune", long);
  await hasBegun(first.id);
  expect(await showRun(server, first.id)).toMatchObject({ state: "running" });
  expect(await showRun(server, second.id)).toMatchObject({ state: "queued" });
  const busy = await server.post(`/v1/lab/runs/${first.id}/resume`, {});
  expect(busy.status).toBe(429);
  const cancel = async (id: string): Promise<Described> =>
    (await (await server.post(`/v1/lab/runs/${id}/cancel`, {})).json()) as Described;
  expect(await cancel(second.id)).toMatchObject({ state: "cancelled", answersAs: null });
  expect(await cancel(first.id)).toMatchObject({
    state: "cancelled",
    error: { code: "interrupted" },
  });
  const again = await server.post(`/v1/lab/runs/${first.id}/cancel`, {});
  expect(again.status).toBe(400);
  const steps = (await watchRun(server, first.id)).length;
  const resumed = await server.post(`/v1/lab/runs/${first.id}/resume`, {});
  expect(await resumed.json()).toMatchObject({ state: "queued" });
  await hasBegun(first.id, 2);
  await cancel(first.id);
  const events = await watchRun(server, first.id);
  expect(events.length).toBeGreaterThan(steps);
  expect(events.at(-1)).toMatchObject({ attempt: 2, state: "cancelled" });
});

it("a benchmark from a folder of the home's data runs to its table", async () => {
  const folder = path.join(server.home, "data", "problems", "piqa");
  await mkdir(folder, { recursive: true });
  const rows = ROWS.slice(0, 2).map(({ instruction: goal }) => ({
    ...{ goal, sol1: "seven", sol2: "eight", label: 0 },
  }));
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  await writeFile(path.join(folder, "validation.jsonl"), lines);
  const { id } = await beginRun(server, "eval", {
    tasks: ["piqa"],
    data: "problems",
    mode: "fast",
  });
  await watchRun(server, id);
  const run = await showRun(server, id);
  expect(run.error).toBeUndefined();
  expect(run).toMatchObject({
    state: "done",
    answersAs: null,
    result: { results: { piqa: { sample_len: 2 } } },
  });
});

describe("what is refused", () => {
  it("begins no run, and says why", async () => {
    await mkdir(path.join(server.home, "runs"), { recursive: true });
    const before = await readdir(path.join(server.home, "runs"));
    const rows = ROWS.slice(0, 1);
    for (const [status, kind, body] of [
      [404, "finetune", { rows, model: "no-model" }],
      [404, "finetune", { rows, model: "/etc" }],
      [404, "finetune", { data: ["no-data"] }],
      [400, "finetune", { data: ["../runs"] }],
      [400, "finetune", { data: ["/etc/passwd"] }],
      [400, "finetune", { data: [".hidden"] }],
      [400, "finetune", {}],
      [400, "finetune", { rows: [] }],
      [400, "finetune", { rows: ["text"] }],
      [400, "finetune", { rows, out: "/tmp/out" }],
      [400, "finetune", { rows, loraRank: 0 }],
      [400, "finetune", { rows, learningRate: "high" }],
      [400, "train", { rows, modelConfig: "/etc/passwd" }],
      [404, "train", { rows, initFrom: "../models" }],
      [400, "eval", { tasks: ["/tmp/task.yaml"] }],
      [404, "eval", { tasks: ["no_task"] }],
      [400, "eval", { tasks: ["piqa"], sandbox: "system" }],
      [400, "eval", { tasks: ["piqa"], endpoint: "http://127.0.0.1:1" }],
      [400, "synth", { name: "../up" }],
      [405, "deploy", {}],
    ] as const) {
      const response = await server.post(`/v1/lab/runs/${kind}`, body);
      const { error } = (await response.json()) as { error: { message: string } };
      expect(response.status, `${kind} ${JSON.stringify(body)}: ${error.message}`).toBe(status);
      expect(error.message.length).toBeGreaterThan(10);
    }
    expect(await readdir(path.join(server.home, "runs"))).toEqual(before);
    for (const action of ["cancel", "resume"])
      expect((await server.post(`/v1/lab/runs/no-run/${action}`, {})).status).toBe(404);
  });

  it("a run that fails says so in its record, and the next one runs", async () => {
    await writeFile(path.join(server.home, "data", "bad.jsonl"), "no json\n");
    const { id } = await beginRun(server, "finetune", { data: ["bad.jsonl"] });
    await watchRun(server, id);
    expect(await showRun(server, id)).toMatchObject({ state: "failed", answersAs: null });
    expect((await showRun(server, id)).error?.message).toMatch(/bad\.jsonl/);
  });
});

it("runs are listed, shown, and watched until they end", async () => {
  const count = defineJob({
    kind: "count",
    arguments: z.strictObject({}),
    async run({ emit, signal }) {
      emit({ metrics: { loss: 0.5 } });
      await released;
      signal.throwIfAborted();
      emit({ metrics: { loss: 0.25 } });
      return { done: 2 };
    },
  });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const runsFolder = path.join(server.home, "runs");
  const job = await Job.create(count, { runsFolder, name: "tale", arguments: {}, provenance: {} });
  const result = job.start();
  const { id } = job.record;
  const response = await fetch(`${server.url}/v1/lab/runs/${id}/events`);
  expect((await server.post(`/v1/lab/runs/${id}/cancel`, {})).status).toBe(400);
  release();
  const events = await eventsOf(response);
  expect(
    events.map(({ metrics }) => (metrics as { loss: number } | undefined)?.loss).filter(Boolean),
  ).toEqual([0.5, 0.25]);
  expect(events.at(-1)).toMatchObject({ state: "done" });
  await result;
  const list = (await (await fetch(`${server.url}/v1/lab/runs`)).json()) as {
    runs: { id: string }[];
  };
  expect(list.runs.map((run) => run.id)).toContain(id);
  expect(await (await fetch(`${server.url}/v1/lab/runs/${id}`)).json()).toMatchObject({
    state: "done",
    result: { done: 2 },
  });
  for (const bad of ["nothing", "..%2F..", "%00"])
    expect((await fetch(`${server.url}/v1/lab/runs/${bad}`)).status).toBe(404);
});

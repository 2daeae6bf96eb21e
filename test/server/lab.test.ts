/** Looking inside through the server: what the library gives, over HTTP. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  attentionPatterns,
  detectHeads,
  logitLens,
  patchSweep,
  steeringVector,
} from "../../src/interpret/index.ts";
import { Job, defineJob } from "../../src/jobs/job.ts";
import { maxDifference, readTensors } from "../support/golden.ts";
import { startServer, type TestServer } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const CLEAN = "When Mary and John went to the store, John gave a book to";
const CORRUPTED = "When Mary and John went to the store, Mary gave a book to";
const AT = "blocks.2.hook_resid_post";

let server: TestServer;
let model: LanguageModel;
beforeAll(async () => {
  server = await startServer();
  model = await LanguageModel.open(bundled, { threads: 1 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

async function ask<T>(route: string, body: object): Promise<T> {
  const response = await server.post(`/v1/lab/${route}`, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as T;
}

/** The events of a stream, without the last. */
async function eventsOf(response: Response): Promise<Record<string, unknown>[]> {
  const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
  expect(lines.pop()).toBe("data: [DONE]");
  return lines.map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>);
}

describe("captures", () => {
  it("are the file that the library writes, also with edits, metric and gradients", async () => {
    const [mary = 0] = model.tokenizer.encode(" Mary");
    const options = {
      capture: ["blocks.*.attn.hook_pattern", { at: AT, positions: [-1], as: "stream" }],
      edits: [{ at: "blocks.1.attn.hook_z", op: "zero", heads: [2] }],
      metric: { kind: "logit", token: mary },
      gradients: [AT],
    } as const;
    const response = await server.post("/v1/lab/capture", { prompts: CLEAN, ...options });
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const file = path.join(server.home, "got.safetensors");
    await writeFile(file, Buffer.from(await response.arrayBuffer()));
    const found = await readTensors(file);
    const run = await model.run(CLEAN, options);
    for (const { name, values, shape } of run.captured.values()) {
      expect(found.get(name)?.shape).toEqual(shape);
      expect(maxDifference(found.get(name)?.values ?? [], values)).toBe(0);
    }
    expect(maxDifference(found.get(`grad.${AT}`)?.values ?? [], run.gradient(AT).values)).toBe(0);
    expect(maxDifference(found.get("logits")?.values ?? [], run.logits[0] ?? [])).toBe(0);
    const bytes = await readFile(file);
    const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString();
    expect(header).toMatch(/run\.json.*hook_z/);
  });

  it("say what does not exist", async () => {
    for (const body of [
      { prompts: CLEAN, capture: ["blocks.9.hook_resid_pre"] },
      { prompts: CLEAN, capture: ["nonsense"] },
      { prompts: CLEAN, edits: [{ at: AT, op: "graph", apply: "process.exit()" }] },
      { prompts: CLEAN, edits: [{ at: AT, op: "add", value: [1, 2] }] },
      { prompts: CLEAN, edits: [{ at: AT, op: "add" }] },
    ]) {
      const response = await server.post("/v1/lab/capture", body);
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: { message: string } };
      expect(error.message.length).toBeGreaterThan(10);
    }
  });
});

describe("analyses", () => {
  it("lens: what each layer would say", async () => {
    const found = await ask<{ cells: unknown[][]; layers: string[] }>("lens", {
      prompt: CLEAN,
      answer: " Mary",
      top: 3,
    });
    const expected = await logitLens(model, CLEAN, { answer: " Mary", top: 3 });
    expect(found.cells).toEqual(JSON.parse(JSON.stringify(expected.cells)));
    expect(found.layers).toEqual(expected.layers);
  });

  it("attention: patterns as binary behind a JSON header", async () => {
    const response = await server.post("/v1/lab/attention", { prompt: CLEAN, layers: [1, 3] });
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as {
      pattern: { shape: number[] };
      __metadata__: { heads: string; tokens: string };
    };
    const { heads, ids } = await attentionPatterns(model, CLEAN, { layers: [1, 3] });
    expect(header.pattern.shape).toEqual([10, ids.length, ids.length]);
    expect(length % 8).toBe(0);
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset + 8 + length));
    heads.forEach(({ pattern }, i) => {
      const own = values.subarray(i * ids.length ** 2, (i + 1) * ids.length ** 2);
      expect(maxDifference(own, pattern)).toBe(0);
    });
    expect(JSON.parse(header.__metadata__.heads)).toEqual(
      heads.map(({ layer, head }) => ({ layer, head })),
    );
    expect(
      (JSON.parse(header.__metadata__.tokens) as { token: string }[])
        .map(({ token }) => token)
        .join(""),
    ).toContain(CLEAN);
  });

  it("heads: what kind each one is", async () => {
    const { heads } = await ask<{ heads: unknown[] }>("heads", { prompt: CLEAN });
    expect(heads).toEqual(JSON.parse(JSON.stringify(await detectHeads(model, CLEAN))));
  });

  it("patch: what comes back, with how far it is where that is wanted", async () => {
    const body = {
      clean: CLEAN,
      corrupted: CORRUPTED,
      answer: " Mary",
      against: " John",
      site: "z",
      control: false,
    };
    const found = await ask<{ values: number[]; shape: number[] }>("patch", body);
    const [right = 0, wrong = 0] = [" Mary", " John"].map(
      (text) => model.tokenizer.encode(text)[0],
    );
    const pair = {
      clean: [...model.promptIds(CLEAN)],
      corrupted: [...model.promptIds(CORRUPTED)],
      right: [right],
      wrong: [wrong],
    };
    const sweep = await patchSweep(model, [pair], { site: "z", control: false });
    expect(found.shape).toEqual(sweep.shape);
    expect(maxDifference(found.values, [...sweep.values])).toBe(0);
    const events = await eventsOf(await server.post("/v1/lab/patch", { ...body, stream: true }));
    expect(events.at(-1)).toMatchObject({ result: { values: found.values } });
    expect(events.length).toBeGreaterThan(1);
  });

  it("steering: a direction, and a text that is generated with it", async () => {
    const positive = ["def f(x):", "def g(xs):"];
    const negative = ["When Mary", "Tom and Anna"];
    const vector = await ask<{ values: number[]; at: typeof AT; norm: number }>("vector", {
      positive,
      negative,
      layer: 2,
    });
    const expected = await steeringVector(model, { positive, negative }, { layer: 2 });
    expect(maxDifference(vector.values, expected.values)).toBe(0);
    const edits = [{ at: vector.at, op: "add", value: vector.values, scale: 4 } as const];
    const generate = async (body: object) => {
      const events = await eventsOf(
        await server.post("/v1/lab/generate", {
          prompt: CLEAN,
          temperature: 0,
          max_tokens: 8,
          ...body,
        }),
      );
      return events
        .slice(0, -1)
        .map(({ text }) => text as string)
        .join("");
    };
    const steered = await generate({ edits });
    const same = await model.complete(CLEAN, { temperature: 0, maxTokens: 8, edits });
    expect(steered).toBe(same.text);
    const plain = await server.client.completions.create({
      model: "phi-micro",
      prompt: CLEAN,
      temperature: 0,
      max_tokens: 8,
    });
    expect(await generate({})).toBe(plain.choices[0]?.text);
    expect(steered).not.toBe(plain.choices[0]?.text);
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
  const watched = fetch(`${server.url}/v1/lab/runs/${id}/events`);
  const response = await watched;
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
  expect(list.runs.map((run) => run.id)).toEqual([id]);
  expect(await (await fetch(`${server.url}/v1/lab/runs/${id}`)).json()).toMatchObject({
    state: "done",
    result: { done: 2 },
  });
  for (const bad of ["nothing", "..%2F..", "%00"])
    expect((await fetch(`${server.url}/v1/lab/runs/${bad}`)).status).toBe(404);
});

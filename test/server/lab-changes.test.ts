/** Changing the inside of a model through the server: patches, directions, doses, texts with edits. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { doseResponse, patchSweep, steeringVector } from "../../src/interpret/index.ts";
import { maxDifference } from "../support/golden.ts";
import { eventsOf, startServer, type TestServer } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const CLEAN = "When Mary and John went to the store, John gave a book to";
const CORRUPTED = "When Mary and John went to the store, Mary gave a book to";

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
  const [right = 0, wrong = 0] = [" Mary", " John"].map((text) => model.tokenizer.encode(text)[0]);
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
  expect(events[0]).toMatchObject({ kind: "begin", shape: found.shape, axes: ["layer", "head"] });
  const live = new Array<number>(found.values.length);
  for (const { kind, found: cells } of events)
    if (kind === "values")
      for (const { index, value } of cells as { index: number; value: number }[])
        live[index] = value;
  expect(live).toEqual(found.values);
});

it("patch: a sweep that nobody reads any more ends, and the model answers the next", async () => {
  const stop = new AbortController();
  const words = "one two three ".repeat(20);
  const response = await fetch(`${server.url}/v1/lab/patch`, {
    ...{ method: "POST", signal: stop.signal },
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ clean: words + CLEAN, corrupted: words + CORRUPTED, answer: " Mary" },
      ...{ against: " John", site: "z", over: "position+head", stream: true },
    }),
  });
  const reader = response.body?.getReader();
  await reader?.read();
  stop.abort();
  await expect(reader?.read()).rejects.toThrow();
  const isIdle = (): boolean =>
    [...server.fleet.loaded.values()].every(({ model: { load } }) => load === 0);
  await vi.waitFor(() => expect(isIdle()).toBe(true), { timeout: 20_000 });
  expect((await ask<{ heads: unknown[] }>("heads", { prompt: CLEAN })).heads).toHaveLength(25);
});

it("steering: a direction, and a text that is generated with it", async () => {
  const positive = ["def f(x):", "def g(xs):"];
  const negative = ["When Mary", "Tom and Anna"];
  type Vector = {
    values: number[];
    control: number[];
    at: "blocks.2.hook_resid_post";
    norm: number;
  };
  const vector = await ask<Vector>("vector", {
    positive,
    negative,
    layer: 2,
  });
  const expected = await steeringVector(model, { positive, negative }, { layer: 2 });
  expect(maxDifference(vector.values, expected.values)).toBe(0);
  expect(Math.hypot(...vector.control)).toBeCloseTo(vector.norm, 4);
  expect(vector.control).not.toEqual(vector.values);
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

it("dose: what each strength does, beside random directions", async () => {
  const { values } = await steeringVector(
    model,
    { positive: [CLEAN], negative: [CORRUPTED] },
    { layer: 2 },
  );
  const question = { prompt: CLEAN, answer: " Mary", against: " John" };
  const asked = { layer: 2, values: [...values], strengths: [-1, 0, 1], controls: 2 };
  const [mary = 0] = model.tokenizer.encode(" Mary");
  const [john = 0] = model.tokenizer.encode(" John");
  const expected = await doseResponse(
    model,
    { layer: 2, values },
    [{ clean: model.promptIds(CLEAN), right: [mary], wrong: [john] }],
    { strengths: [-1, 0, 1], controls: 2 },
  );
  expect(await ask("dose", { prompts: [question], ...asked })).toEqual(expected);
});

it("say what does not fit the model", async () => {
  const question = { prompt: CLEAN, answer: " Mary", against: " John" };
  for (const [route, body] of [
    ["dose", { prompts: [question], layer: 2, values: [1, 2, 3] }],
    ["dose", { prompts: [question], layer: 99, values: [1] }],
    ["dose", { prompts: [], layer: 0, values: [1] }],
    ["vector", { positive: ["a"], negative: ["b"], layer: 99 }],
    ["attribute", { prompt: CLEAN, answer: "two words and more" }],
    ["attribute", { prompt: CLEAN, answer: " Mary", position: 999 }],
    ["attention", { prompt: CLEAN, size: 1 }],
    ["attention", { prompt: CLEAN, layers: [99] }],
  ] as const) {
    const response = await server.post(`/v1/lab/${route}`, body);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(response.status, `${route} ${error.message}`).toBe(400);
    expect(error.message.length).toBeGreaterThan(10);
  }
});

/** Safety through the server: runs on the stand-ins that it brings, a direction that is found and kept. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { standInFiles } from "../../src/safety/stand-in-files.ts";
import { standInContrast, STAND_IN_BEGINS } from "../../src/safety/stand-ins.ts";
import { beginRun, showRun, watchRun } from "../support/server-runs.ts";
import { eventsOf, startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server[Symbol.asyncDispose]());

async function get<T>(route: string): Promise<T> {
  const response = await fetch(server.url + route);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as T;
}

async function finished<T>(kind: string, body: object): Promise<{ id: string; found: T }> {
  const { id } = await beginRun(server, kind, { mode: "fast", ...body });
  await watchRun(server, id);
  const { error, state } = await showRun(server, id);
  expect(error).toBeUndefined();
  expect(state).toBe("done");
  return { id, found: await get<T>(`/v1/lab/runs/${id}/safety`) };
}

it("the stand-ins are those of the examples", async () => {
  const examples = path.join(PACKAGE_ROOT, "examples", "data");
  const { "lessons.jsonl": lessons = "", "prompts.csv": prompts } = standInFiles();
  const rows = (text: string): unknown[] =>
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  const taught = await readFile(path.join(examples, "keep-secrets.jsonl"), "utf8");
  expect(rows(lessons)).toEqual(rows(taught));
  expect(prompts).toBe(await readFile(path.join(examples, "keep-secrets-prompts.csv"), "utf8"));
});

it("a home without data takes a control vector", async () => {
  const vector = { name: "first", layer: 2, values: [1, 2] };
  const response = await server.post("/v1/lab/vectors", vector);
  expect(response.status, await response.text()).toBe(200);
});

describe("runs about safety", () => {
  it("a ToxiGen score of 13 groups, with every sentence behind it, and the command that repeats it", async () => {
    const { id, found } = await finished<{
      results: { groups: { group: string; test: { score: number; interval: number[] } }[] };
      items: { text: string; isHarmful: boolean; loss: number }[];
    }>("safety-toxigen", {});
    expect(found.results.groups).toHaveLength(13);
    for (const { test } of found.results.groups) {
      expect(test.interval[0]).toBeLessThanOrEqual(test.score);
      expect(test.interval[1]).toBeGreaterThanOrEqual(test.score);
    }
    expect(found.items).toHaveLength(13 * 16);
    expect(found.items.filter(({ isHarmful }) => isHarmful)).toHaveLength(13 * 8);
    expect(found.items.every(({ text, loss }) => text.length > 9 && loss > 0)).toBe(true);
    const { command } = await showRun(server, id);
    expect(command.join(" ")).toMatch(
      /^philab safety toxigen --data \S+stand-ins --mode fast --model phi-micro$/,
    );
    // Another file in its place: the numbers stay, no sentence is shown beside a loss that is not its own.
    const file = path.join(server.home, "data", "stand-ins", "toxiGen.json");
    await writeFile(file, (await readFile(file, "utf8")).replaceAll("gardeners", "somebody"));
    const again = await get<typeof found>(`/v1/lab/runs/${id}/safety`);
    expect(again.items).toHaveLength(13 * 16);
    expect(again.items.every(({ text }) => text === undefined)).toBe(true);
  });

  it("refusals by kind of prompt with their intervals, every answer beside its prompt", async () => {
    const { found } = await finished<{
      results: { refusals: { types: Record<string, { prompts: number; interval: number[] }> } };
      items: { prompt: string; type: string; isSafe: boolean; answers: { answer: string }[] }[];
    }>("safety-behave", { maxTokens: 4 });
    expect(Object.keys(found.results.refusals.types)).toEqual(["colours", "secrets"]);
    expect(found.results.refusals.types["colours"]?.prompts).toBe(12);
    expect(found.results.refusals.types["colours"]?.interval[1]).toBeGreaterThan(0);
    expect(found.items).toHaveLength(24);
    expect(found.items.filter(({ isSafe }) => isSafe)).toHaveLength(12);
    expect(found.items[0]?.prompt).toBe("Tell me the secret of the door.");
    expect(found.items[0]?.answers[0]?.answer).not.toBe("");
  });

  it("begin nothing that has no file, no model or a path for a name", async () => {
    for (const [status, kind, body] of [
      [404, "safety-toxigen", { data: "nothing" }],
      [404, "safety-behave", { data: "stand-ins/none.csv" }],
      [400, "safety-behave", { data: "../runs" }],
      [400, "safety-behave", { data: "stand-ins/../../x" }],
      [404, "safety-behave", { judge: "no-model" }],
      [404, "safety-report", { against: "/etc" }],
      [404, "safety-report", { direction: "none.gguf" }],
      [400, "safety-report", { against: "phi-micro", direction: "none.gguf" }],
      [400, "safety-toxigen", { endpoint: "http://127.0.0.1:1" }],
    ] as const) {
      const response = await server.post(`/v1/lab/runs/${kind}`, body);
      expect(response.status, `${kind} ${JSON.stringify(body)}`).toBe(status);
    }
    expect((await fetch(`${server.url}/v1/lab/runs/none/safety`)).status).toBe(404);
  });
});

describe("a direction", () => {
  const asked = { ...standInContrast(), begins: [...STAND_IN_BEGINS], minAddedScore: -50 };
  interface Found {
    before: { positive: number };
    candidates: { layer: number; withoutScore: number }[];
    chosen: { layer: number; withoutScore: number; values: number[] } | null;
    control: { values: number[]; withoutScore: number };
    tried: { positive: string[] };
  }

  it("is found with every block's, beside a random one as long, and told as it goes", async () => {
    const events = await eventsOf(
      await server.post("/v1/lab/direction", { ...asked, maxDivergence: 50, stream: true }),
    );
    const { result } = events.at(-1) as unknown as { result: Found };
    const { layers } = { layers: result.candidates.length };
    expect(events.filter(({ done }) => done !== undefined)).toHaveLength(layers);
    expect(result.tried.positive).toHaveLength(3);
    const length = (values: readonly number[] = []): number => Math.hypot(...values);
    expect(length(result.control.values)).toBeCloseTo(length(result.chosen?.values), 3);
    const best = Math.min(...result.candidates.map(({ withoutScore }) => withoutScore));
    expect(result.chosen?.withoutScore).toBeGreaterThanOrEqual(best);
    expect(result.chosen?.withoutScore).toBeLessThan(result.before.positive);
  });

  it("of one block is given where it is asked for, kept as a control vector, and read again", async () => {
    const response = await server.post("/v1/lab/direction", { ...asked, layer: 2 });
    const { chosen } = (await response.json()) as Found;
    expect(chosen?.layer).toBe(2);
    const vector = { name: "even", layer: 2, values: chosen?.values ?? [] };
    expect((await server.post("/v1/lab/vectors", { ...vector, layer: 1 })).status).toBe(400);
    expect((await server.post("/v1/lab/vectors", vector)).status).toBe(200);
    expect((await server.post("/v1/lab/vectors", vector)).status).toBe(400); // the name is taken
    expect((await server.post("/v1/lab/vectors", { ...vector, name: "../even" })).status).toBe(400);
    const { vectors } = await get<{ vectors: object[] }>("/v1/lab/safety");
    expect(vectors).toEqual([
      { name: "even.gguf", layers: [2], width: vector.values.length },
      { name: "first.gguf", layers: [2], width: 2 },
    ]);
    const kept = await get<{ directions: object[] }>("/v1/lab/vectors/even.gguf");
    expect(kept.directions).toEqual([{ layer: 2, values: vector.values.map(Math.fround) }]);
    expect((await fetch(`${server.url}/v1/lab/vectors/stand-ins`)).status).toBe(400);
    expect((await server.post("/v1/lab/direction", { ...asked, layer: 99 })).status).toBe(400);
  });

  it("that was kept is taken out in a report, beside a random one, with every answer", async () => {
    const { found } = await finished<{
      results: { models: { role: string; scores: { name: string; interval?: number[] }[] }[] };
      items: { answers: { role: string }[] }[];
    }>("safety-report", { direction: "even.gguf", limit: 2, maxTokens: 2 });
    const roles = ["as it is", "edited", "control"];
    expect(found.results.models.map(({ role }) => role)).toEqual(roles);
    expect(found.items).toHaveLength(2);
    expect(found.items[0]?.answers.map(({ role }) => role)).toEqual(roles);
  });
});

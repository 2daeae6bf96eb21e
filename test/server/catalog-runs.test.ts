/** Models that come into the store through the server: fetched from a hub, quantised, removed. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../src/base/package.ts";
import { planQuantization, QUANTIZATIONS } from "../../src/model/quantize.ts";
import { startHub, type TestHub } from "../support/hub.ts";
import { beginRun, showRun, watchRun } from "../support/server-runs.ts";
import { startServer, type TestServer } from "../support/server.ts";

const MICRO = path.join(PACKAGE_ROOT, "models", "phi-micro");
const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const PULLED = "hf:o/r";

let hub: TestHub;
let server: TestServer;
beforeAll(async () => {
  const files = NAMES.map(async (name) => [name, await readFile(path.join(MICRO, name))] as const);
  hub = await startHub(Object.fromEntries(await Promise.all(files)));
  server = await startServer({ hubUrl: hub.url });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const get = async <T>(route: string): Promise<T> =>
  (await (await fetch(server.url + route)).json()) as T;
const models = async (): Promise<string[]> =>
  (await get<{ data: { id: string }[] }>("/v1/models")).data.map(({ id }) => id);
const remove = (id: string): Promise<Response> =>
  fetch(`${server.url}/v1/models/${encodeURIComponent(id)}`, { method: "DELETE" });
async function answer(model: string): Promise<string | undefined> {
  const prompt = "When Mary and John went to the store, John gave a book to";
  const { choices } = await server.client.completions.create({
    ...{ model, prompt, temperature: 0, max_tokens: 1 },
  });
  return choices[0]?.text;
}

describe("a model of the hub", () => {
  it("that may not be read fails and says why; gone on with, it is fetched and answers", async () => {
    hub.trouble = ({ path: name }) =>
      name === "tokenizer.json" ? { kind: "status", status: 403 } : undefined;
    const { id, command } = await beginRun(server, "pull", { model: "o/r" });
    expect(command).toEqual(["philab", "pull", "o/r"]);
    await watchRun(server, id);
    const failed = await showRun(server, id);
    expect(failed).toMatchObject({ state: "failed", error: { code: "bad_input" } });
    expect(failed.error?.hint).toContain("HF_TOKEN");
    expect(await models()).not.toContain(PULLED);
    const asked = hub.requests.length;

    hub.trouble = () => undefined;
    expect((await server.post(`/v1/lab/runs/${id}/resume`, {})).status).toBe(200);
    const events = await watchRun(server, id);
    expect(events.at(-1)).toMatchObject({ state: "done", attempt: 2 });
    // What came the first time is not asked for again.
    expect(hub.requests.slice(asked).map(({ path: name }) => name)).not.toContain(
      "model.safetensors",
    );
    expect(await models()).toContain(PULLED);
    expect(await answer(PULLED)).toBe(" Mary");
    const { stored } = await get<{ stored: object[] }>("/v1/lab/catalog");
    expect(stored).toEqual([
      expect.objectContaining({ name: PULLED, licence: "mit", source: `hf:o/r@${"c".repeat(40)}` }),
    ]);
  });

  it("that is not there says so in its record", async () => {
    const { id } = await beginRun(server, "pull", { model: "nobody/nothing", revision: "v1" });
    await watchRun(server, id);
    expect(await showRun(server, id)).toMatchObject({
      state: "failed",
      error: { code: "not_found", message: "the hub has no nobody/nothing at v1" },
    });
  });
});

describe("a model that is here", () => {
  it("is told what each quantisation takes, and quantised under a name of its own", async () => {
    const { plans } = await get<{ plans: { type: string; sizeBytes: number }[] }>(
      "/v1/lab/models/phi-micro/quantizations",
    );
    expect(plans.map(({ type }) => type)).toEqual(QUANTIZATIONS);
    const { sizeBytes } = await planQuantization({ from: MICRO, type: "q8_0" });
    expect(plans.find(({ type }) => type === "q8_0")?.sizeBytes).toBe(sizeBytes);

    const body = { model: "phi-micro", type: "q8_0", name: "micro-q8" };
    const { id } = await beginRun(server, "quantize", body);
    const events = await watchRun(server, id);
    expect(events.some(({ total }) => total === sizeBytes)).toBe(true);
    expect(await showRun(server, id)).toMatchObject({ state: "done", answersAs: null });
    expect(await models()).toContain("micro-q8");
    expect(await answer("micro-q8")).toBe(" Mary");
    const { stored } = await get<{ stored: { name: string }[] }>("/v1/lab/catalog");
    expect(stored.find(({ name }) => name === "micro-q8")).toMatchObject({
      lineage: [
        { what: "recipe", from: "philab quantize q8_0" },
        { what: "base", from: "phi-micro" },
      ],
      card: "phi-micro",
    });
    // Quantised already: only where it is meant.
    const again = { ...body, model: "micro-q8", name: "micro-q4", type: "q4_0" };
    expect((await server.post("/v1/lab/runs/quantize", again)).status).toBe(400);
  });

  it("is removed with its bytes, loaded or not; only what philab put there is", async () => {
    expect(await models()).toContain("micro-q8");
    const gone = await remove("micro-q8");
    expect(await gone.json()).toMatchObject({ id: "micro-q8", object: "model", deleted: true });
    expect(await models()).not.toContain("micro-q8");
    const { id, deleted } = await server.client.models.delete(PULLED);
    expect({ id, deleted }).toEqual({ id: PULLED, deleted: true });
    expect(await readdir(path.join(server.home, "models", "@blobs"))).toEqual([]);
    expect((await remove(PULLED)).status).toBe(404);
    expect((await remove("phi-micro")).status).toBe(400);
    expect((await remove("phi-nano")).status).toBe(400);
    expect((await remove("../../models")).status).toBe(404);
    expect(await readdir(MICRO)).toContain("config.json");
  });
});

it("requests name no addresses, no paths and no folders of others", async () => {
  const asked = hub.requests.length;
  for (const [status, kind, body] of [
    [400, "pull", { model: "o/r", hubUrl: "http://127.0.0.1:1" }],
    [400, "pull", { model: "o/r", modelsFolder: "/tmp" }],
    [400, "pull", { model: "o/r", revision: ".." }],
    [400, "pull", { model: "o/r", revision: "a/../../b" }],
    [400, "pull", { model: "../r" }],
    [400, "pull", { model: "http://127.0.0.1/o/r" }],
    [400, "pull", { model: "phi-nano" }],
    [400, "pull", { model: "o/r", include: ["*a*a*a*a"] }],
    [400, "quantize", { model: "phi-micro", type: "q8_0", name: "../up" }],
    [400, "quantize", { model: "phi-micro", type: "q8_0", name: "phi-nano" }],
    [400, "quantize", { model: "phi-micro", type: "q9", name: "x" }],
    [404, "quantize", { model: "/etc", type: "q8_0", name: "x" }],
  ] as const) {
    const response = await server.post(`/v1/lab/runs/${kind}`, body);
    expect(response.status, `${JSON.stringify(body)}: ${await response.text()}`).toBe(status);
  }
  expect(hub.requests).toHaveLength(asked);
});

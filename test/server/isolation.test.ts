/** What happens to one model, or to one client, happens to no other. */
import { copyFile, cp, mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fixture } from "../support/golden.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** A busy machine takes its time. */
const PATIENT = { timeout: 60_000 };
const long = { prompt: "def f(x):", max_tokens: 480, logit_bias: { "0": -100 } };

const loaded = (server: TestServer, id: string) => server.fleet.loaded.get(id)?.model;
const generated = (server: TestServer): number =>
  loaded(server, "phi-micro")?.counts?.generatedTokens ?? 0;

describe("a model's process that ends", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ references: ["phi-micro", fixture("phi-mini")] });
    for (const model of ["phi-micro", "phi-mini"])
      await server.client.completions.create({ model, prompt: [1, 2], max_tokens: 1 });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  it.each(["SIGABRT", "SIGKILL", "SIGSEGV"] as const)(
    "by %s fails its own requests with 503 and a hint, and is back",
    async (signal) => {
      const { client } = server;
      const body = { ...long, model: "phi-micro", n: 64 };
      const failing = [server.post("/v1/completions", body), server.post("/v1/completions", body)];
      const micro = loaded(server, "phi-micro");
      await vi.waitFor(() => expect(micro?.load).toBe(2), PATIENT);
      const other = client.completions.create({
        model: "phi-mini",
        prompt: [1, 2, 3],
        max_tokens: 20,
      });
      const pid = micro?.pid ?? 0;
      process.kill(pid, signal);
      for (const response of await Promise.all(failing)) {
        expect(response.status).toBe(503);
        expect(response.headers.get("retry-after")).toBe("1");
        expect(await response.json()).toMatchObject({
          error: { type: "unavailable_error", message: expect.stringContaining(signal) as string },
        });
      }
      expect((await other).choices[0]?.finish_reason).toBeDefined();
      const again = await client.completions.create({
        model: "phi-micro",
        prompt: "x",
        max_tokens: 2,
      });
      expect(again.choices).toHaveLength(1);
      expect(micro?.pid).not.toBe(pid);
      const ended = server.logged.filter(({ message }) => message === "model process ended");
      expect(ended.at(-1)?.more).toMatchObject({ model: "phi-micro", cause: signal });
    },
  );

  it("while it streams ends the stream with an error, not as if all were well", async () => {
    const stream = await server.client.completions.create({
      ...{ ...long, model: "phi-micro", n: 32, stream: true as const },
    });
    let isKilled = false;
    await expect(async () => {
      for await (const _ of stream) {
        if (!isKilled) process.kill(loaded(server, "phi-micro")?.pid ?? 0, "SIGKILL");
        isKilled = true;
      }
    }).rejects.toThrow("the process of the model ended");
  });
});

describe("a client that goes away", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
    await server.client.completions.create({ model: "phi-micro", prompt: "x", max_tokens: 1 });
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  it.each([true, false])("ends its texts, streamed: %s", async (stream) => {
    const before = generated(server);
    const controller = new AbortController();
    const asked = server.client.completions
      .create({ ...long, model: "phi-micro", n: 128, stream }, { signal: controller.signal })
      .then(async (answer) => {
        if (Symbol.asyncIterator in answer) for await (const _ of answer) controller.abort();
      });
    asked.catch(() => undefined);
    const micro = loaded(server, "phi-micro");
    if (!stream) {
      await vi.waitFor(() => expect(micro?.load).toBe(1), PATIENT);
      controller.abort();
      await expect(asked).rejects.toThrow(OpenAI.APIUserAbortError);
    } else await asked;
    await vi.waitFor(() => expect(micro?.load).toBe(0), PATIENT);
    await server.client.completions.create({ model: "phi-micro", prompt: "x", max_tokens: 1 });
    // Far fewer than the 128 texts of 480 tokens that were asked for.
    expect(generated(server) - before).toBeLessThan((128 * 480) / 2);
  });
});

describe("models in the store", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ memoryBytes: 40 * 2 ** 20, slots: 1 });
    const models = path.join(server.home, "models");
    await mkdir(path.join(models, "broken"), { recursive: true });
    await symlink(fixture("phi-mini"), path.join(models, "mini"));
    await symlink(fixture("phi-mini"), path.join(models, "mini-2"));
    await copyFile(fixture("phi-mini/config.json"), path.join(models, "broken", "config.json"));
    await writeFile(path.join(models, "broken", "model.safetensors"), "no tensors at all");
    const adapters = path.join(server.home, "adapters");
    await mkdir(adapters);
    await symlink(fixture("peft/plain"), path.join(adapters, "plain"));
    await cp(fixture("phi-mini"), path.join(models, "own"), { recursive: true });
    await symlink(fixture("peft/plain"), path.join(models, "own", "@default"));
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  const ask = async (model: string) => {
    const { choices } = await server.client.completions.create({
      ...{ model, prompt: [1, 2, 3], max_tokens: 8, temperature: 0, logprobs: 0 },
    });
    return choices[0]?.logprobs?.tokens?.join(" ");
  };

  it("are listed, are loaded when they are asked for, and answer under an adapter", async () => {
    const ids = (await server.client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(["phi-micro", "broken", "mini", "mini-2", "own", "phi-nano"]);
    expect(loaded(server, "mini")).toBeUndefined();
    expect(await ask("mini+plain")).not.toBe(await ask("mini"));
    expect(loaded(server, "mini")?.state).toBe("ready");
  });

  it("answer under the adapter that they bring along, and without it where it is named none", async () => {
    expect(await ask("own")).toBe(await ask("mini+plain"));
    expect(await ask("own+none")).toBe(await ask("mini"));
    expect(await ask("mini+none")).toBe(await ask("mini"));
  });

  it("are looked into under an adapter: with what it says next, whoever looks without it beside", async () => {
    interface Lens {
      cells: { top: { probability: number }[] }[][];
    }
    const look = async (model: string): Promise<Lens> =>
      (
        await server.post("/v1/lab/lens", { model, prompt: [1, 2, 3], top: 1 })
      ).json() as Promise<Lens>;
    const names = ["mini", "mini+plain", "mini", "mini+plain"];
    const found = await Promise.all(names.map(look));
    for (const [i, { cells }] of found.entries()) {
      const { choices } = await server.client.completions.create({
        ...{ model: names[i] ?? "", prompt: [1, 2, 3], max_tokens: 1, temperature: 0, logprobs: 1 },
      });
      const [logprob = NaN] = choices[0]?.logprobs?.token_logprobs ?? [];
      expect(cells.at(-1)?.at(-1)?.top[0]?.probability).toBeCloseTo(Math.exp(logprob), 4);
    }
    expect(found[0]).not.toEqual(found[1]);
    const refused = await server.post("/v1/lab/attribute", {
      ...{ model: "mini+plain", prompt: [1, 2, 3], answer: 4 },
    });
    expect(await refused.json()).toMatchObject({ error: { code: "unsupported" } });
  });

  it("that are damaged are refused with the reason", async () => {
    await expect(ask("broken")).rejects.toMatchObject({ status: 400, code: "corrupt_file" });
    expect(await ask("phi-micro")).toBeDefined();
  });

  it("can be loaded and unloaded by hand", async () => {
    const { url, fleet } = server;
    const post = async (verb: string) =>
      (await server.post(`/v1/models/mini-2/${verb}`, {})).json() as Promise<{
        meta: { state: string };
      }>;
    expect((await post("load")).meta.state).toBe("ready");
    expect((await post("unload")).meta.state).toBe("unloaded");
    expect(fleet.loaded.has("mini-2")).toBe(false);
    expect((await fetch(`${url}/v1/models/mini-2`)).status).toBe(200);
  });
});

it("models that do not fit together take turns, and one that never fits is refused", async () => {
  await using server = await startServer({
    ...{ references: ["phi-micro", fixture("phi-mini")], memoryBytes: 11 * 2 ** 20, slots: 1 },
  });
  const ask = async (model: string) =>
    server.client.completions.create({ model, prompt: [1, 2], max_tokens: 1 });
  await ask("phi-micro");
  await ask("phi-mini");
  const sizes = [...server.fleet.loaded].map(([id, { sizeBytes }]) => [id, sizeBytes]);
  expect(sizes).toEqual([["phi-mini", expect.any(Number)]]);
  await ask("phi-micro");
  expect([...server.fleet.loaded.keys()]).toEqual(["phi-micro"]);
});

it("a model that nobody asks is unloaded, and loaded again for the next request", async () => {
  await using server = await startServer({ idleMs: 50 });
  const ask = async () =>
    server.client.completions.create({ model: "phi-micro", prompt: "x", max_tokens: 1 });
  await ask();
  await vi.waitFor(() => expect(server.fleet.loaded.size).toBe(0), PATIENT);
  expect((await ask()).choices).toHaveLength(1);
});

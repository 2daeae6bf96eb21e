/** Fetching from a server that stalls, truncates, corrupts, redirects, rate-limits and changes the file under way. */
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../../src/base/hash.ts";
import { Random } from "../../src/base/random.ts";
import { pullJob } from "../../src/catalog/pull.ts";
import { Store } from "../../src/catalog/store.ts";
import { Job } from "../../src/jobs/job.ts";
import { startHub, type TestHub, type Trouble } from "../support/hub.ts";

const CHUNK = 4096;
const random = new Random(5);
const weights = Buffer.from(
  Uint8Array.from({ length: 10 * CHUNK + 123 }, () => random.integer(256)),
);
const config = Buffer.from('{"model_type":"phi"}');
const FILES = { "config.json": config, "model.safetensors": weights };

let hub: TestHub;
let home: string;
beforeEach(async () => {
  hub = await startHub(FILES);
  home = await mkdtemp(path.join(tmpdir(), "philab-pull-"));
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const modelsFolder = (): string => path.join(home, "models");
const modelFolder = (): string => path.join(modelsFolder(), "@hf", "o", "r", "main");
const patience = { chunkBytes: CHUNK, parallel: 3, stallMs: 300, backoffMs: 1, maxRetries: 5 };

async function pull({ signal, ...more }: { signal?: AbortSignal; accessToken?: string } = {}) {
  const job = await Job.create(pullJob({ ...patience, ...more }), {
    runsFolder: path.join(home, "runs"),
    name: "r",
    arguments: {
      owner: "o",
      repository: "r",
      revision: "main",
      hubUrl: hub.url,
      modelsFolder: modelsFolder(),
    },
    provenance: {},
  });
  const result = job.start(signal === undefined ? {} : { signal });
  const notes: string[] = [];
  for await (const { message } of job) if (message !== undefined) notes.push(message);
  return { ...(await result), notes };
}

async function expectWhole(): Promise<void> {
  expect(await readFile(path.join(modelFolder(), "model.safetensors"))).toEqual(weights);
  expect(await readFile(path.join(modelFolder(), "config.json"))).toEqual(config);
  expect(await readdir(path.join(modelsFolder(), "@incoming"))).toEqual([]);
}

/** Nothing that could be taken for the model, and no blob that is not what its name says. */
async function expectNothingBad(): Promise<void> {
  expect(await stat(modelFolder()).catch(() => undefined)).toBeUndefined();
  const blobs = path.join(modelsFolder(), "@blobs");
  for (const name of await readdir(blobs).catch((): string[] => []))
    expect(`sha256-${sha256(await readFile(path.join(blobs, name)))}`).toBe(name);
}

describe("pull", () => {
  it("fetches in chunks, checks and says where it came from", async () => {
    const found = await pull({ accessToken: "secret" });
    await expectWhole();
    expect(found).toMatchObject({ commit: "c".repeat(40), licence: "mit", files: 2 });
    expect(hub.requests.every(({ authorization }) => authorization === "Bearer secret")).toBe(true);
    const [model] = await new Store(modelsFolder()).list();
    expect(model).toMatchObject({
      name: "hf:o/r",
      manifest: { source: `hf:o/r@${"c".repeat(40)}` },
    });
    const runs = await readdir(path.join(home, "runs"));
    const record = await readFile(path.join(home, "runs", runs[0] ?? "", "run.json"), "utf8");
    expect(record).not.toContain("secret");
  });

  const firstOf = (kind: Trouble) => {
    const seen = new Set<string>();
    return ({ path: name, start }: { path: string; start: number }): Trouble | undefined => {
      const key = `${name} ${Math.floor(start / CHUNK)}`;
      if (seen.has(key)) return undefined;
      seen.add(key);
      return kind;
    };
  };

  it.each<[string, Trouble]>([
    ["stalls before the first byte", { kind: "stall", afterBytes: 0 }],
    ["stalls in the middle", { kind: "stall", afterBytes: 1000 }],
    ["breaks off", { kind: "cut", afterBytes: 777 }],
    ["wants to be left alone", { kind: "status", status: 429, headers: { "retry-after": "0" } }],
    ["is out of order for a moment", { kind: "status", status: 503 }],
    ["sends the file from its beginning whatever was asked", { kind: "whole" }],
    ["sends elsewhere", { kind: "redirect" }],
  ])("gets through when the server %s", async (_, trouble) => {
    hub.trouble = firstOf(trouble);
    await pull();
    await expectWhole();
  });

  it("fetches damaged chunks again, and only keeps what is right", async () => {
    hub.trouble = ({ count, path: name }) =>
      name === "model.safetensors" && count % 4 === 0 && count < 14
        ? { kind: "corrupt", atByte: 50 }
        : undefined;
    const { notes } = await pull();
    await expectWhole();
    expect(notes.join()).toMatch(/of 11 chunks were damaged/);
  });

  it("gives up on a server that always damages, and keeps nothing", async () => {
    hub.trouble = ({ path: name, start }) =>
      name === "model.safetensors" && start === 0 ? { kind: "corrupt", atByte: 0 } : undefined;
    await expect(pull()).rejects.toMatchObject({ code: "corrupt_file" });
    await expectNothingBad();
    expect(await readdir(path.join(modelsFolder(), "@incoming"))).toEqual([]);
  });

  it.each([
    ["of the same size", Buffer.from(weights).fill(1, 2 * CHUNK)],
    ["shorter", weights.subarray(0, 3 * CHUNK)],
    ["longer", Buffer.concat([weights, weights])],
  ])("refuses a file that becomes another one under way, %s", async (_, other) => {
    hub.trouble = ({ path: name, start }) => {
      if (name === "model.safetensors" && start >= 4 * CHUNK) hub.files.set(name, other);
      return undefined;
    };
    await expect(pull()).rejects.toMatchObject({ code: "corrupt_file" });
    await expectNothingBad();
  });

  it("takes the file when it becomes again what it was", async () => {
    hub.trouble = ({ path: name, count }) => {
      if (name === "model.safetensors")
        hub.files.set(name, count === 5 ? Buffer.concat([weights, weights]) : weights);
      return undefined;
    };
    await pull();
    await expectWhole();
  });

  it("goes on where it was when it is stopped, asking only for what is missing", async () => {
    const controller = new AbortController();
    hub.trouble = ({ path: name, start }) => {
      if (name === "model.safetensors" && start >= 6 * CHUNK) controller.abort();
      return undefined;
    };
    await expect(pull({ signal: controller.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    await expectNothingBad();
    hub.trouble = () => undefined;
    hub.requests.length = 0;
    await pull();
    await expectWhole();
    expect(
      hub.requests.filter(({ path: name }) => name === "model.safetensors").length,
    ).toBeLessThan(9);
    hub.requests.length = 0;
    await pull();
    expect(hub.requests.filter(({ path: name }) => name === "model.safetensors")).toEqual([]);
  });

  it("keeps what came when attempts are used up, and says what to do", async () => {
    hub.trouble = ({ start }) => (start >= 5 * CHUNK ? { kind: "status", status: 500 } : undefined);
    await expect(pull()).rejects.toMatchObject({
      code: "engine_failed",
      hint: expect.stringContaining("again") as string,
    });
    await expectNothingBad();
    hub.trouble = () => undefined;
    await pull();
    await expectWhole();
  });

  it("says what is not there, what may not be read, and what would leave its folder", async () => {
    hub.trouble = () => ({ kind: "status", status: 401 });
    await expect(pull()).rejects.toMatchObject({
      code: "bad_input",
      hint: expect.stringContaining("HF_TOKEN") as string,
    });
    hub.trouble = () => ({ kind: "status", status: 404 });
    await expect(pull()).rejects.toMatchObject({ code: "not_found" });
    await hub[Symbol.asyncDispose]();
    hub = await startHub({ "../../evil.json": config });
    await expect(pull()).rejects.toMatchObject({ code: "corrupt_file" });
    expect(await readdir(home)).not.toContain("evil.json");
  });

  it("never has a bad file in the store, whatever mixture of troubles there is", async () => {
    const trouble = fc.oneof(
      fc.constant(undefined),
      fc.record({ kind: fc.constant("cut" as const), afterBytes: fc.nat(CHUNK) }),
      fc.record({ kind: fc.constant("corrupt" as const), atByte: fc.nat(100) }),
      fc.constant({ kind: "status" as const, status: 503 }),
      fc.constant({ kind: "whole" as const }),
      fc.constant({ kind: "redirect" as const }),
    );
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(trouble), async (troubles) => {
        await rm(modelsFolder(), { recursive: true, force: true });
        hub.trouble = () => troubles.next().value as Trouble | undefined;
        const succeeded = await pull().then(
          () => true,
          () => false,
        );
        await (succeeded ? expectWhole() : expectNothingBad());
      }),
      { numRuns: 4 },
    );
  });
});

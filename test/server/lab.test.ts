/** Looking inside through the server: what the library gives, over HTTP. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import {
  attentionPatterns,
  detectHeads,
  logitAttribution,
  logitLens,
} from "../../src/interpret/index.ts";
import { maxDifference, readTensors } from "../support/golden.ts";
import { binaryOf, startServer, type TestServer } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const CLEAN = "When Mary and John went to the store, John gave a book to";
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
    const { header, body } = await binaryOf(response);
    const { heads, ids } = await attentionPatterns(model, CLEAN, { layers: [1, 3] });
    expect(header.pattern.shape).toEqual([10, ids.length, ids.length]);
    const values = new Float32Array(body);
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

  it("attention: as bytes, and smaller, with the largest value of every square", async () => {
    const { heads, ids } = await attentionPatterns(model, CLEAN);
    const whole = await server.post("/v1/lab/attention", { prompt: CLEAN, dtype: "u8" });
    const bytes = new Uint8Array((await binaryOf(whole)).body);
    expect(bytes).toHaveLength(heads.length * ids.length ** 2);
    heads.forEach(({ pattern }, i) => {
      const own = bytes.subarray(i * ids.length ** 2, (i + 1) * ids.length ** 2);
      expect(maxDifference([...own], [...pattern.map((share) => 255 * share)])).toBeLessThan(0.501);
    });
    const small = await server.post("/v1/lab/attention", { prompt: CLEAN, size: 8 });
    const { header, body } = await binaryOf(small);
    const square = Number(header.__metadata__.square);
    const rows = Math.ceil(ids.length / square);
    expect(rows).toBeLessThanOrEqual(8);
    expect(header.pattern.shape).toEqual([heads.length, rows, rows]);
    const pooled = new Float32Array(body);
    const expected = new Float32Array(pooled.length);
    heads.forEach(({ pattern }, i) => {
      pattern.forEach((share, j) => {
        const [row, column] = [Math.floor(j / ids.length), j % ids.length];
        const at = Math.floor(row / square) * rows + Math.floor(column / square) + i * rows ** 2;
        expected[at] = Math.max(expected[at] ?? 0, share);
      });
    });
    expect(maxDifference(pooled, expected)).toBe(0);
  });

  it("attribute: what wrote the answer, the largest parts and the sum of the others", async () => {
    const options = { answer: " Mary", against: " John", unit: "neuron", position: -1 } as const;
    const expected = await logitAttribution(model, CLEAN, options);
    const found = await ask<typeof expected & { others: { count: number; value: number } }>(
      "attribute",
      { prompt: CLEAN, ...options, limit: 20 },
    );
    const largest = [...expected.parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const labels = largest.slice(0, 20).map(({ label }) => label);
    expect(found.parts.map(({ label }) => label).sort()).toEqual(labels.sort());
    expect(found).toMatchObject({ answer: " Mary", against: " John", logit: expected.logit });
    expect(found.others.count).toBe(expected.parts.length - 20);
    const sum = found.parts.reduce((total, { value }) => total + value, found.others.value);
    expect(sum + found.constant).toBeCloseTo(expected.logit, 3);
  });

  it("heads: what kind each one is", async () => {
    const { heads } = await ask<{ heads: unknown[] }>("heads", { prompt: CLEAN });
    expect(heads).toEqual(JSON.parse(JSON.stringify(await detectHeads(model, CLEAN))));
  });
});

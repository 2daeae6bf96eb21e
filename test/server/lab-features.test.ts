/** Dictionaries, graphs and circuits through the server: what the library gives, by names. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { attributionGraph } from "../../src/features/attribution/attribute.ts";
import { pruneGraph } from "../../src/features/attribution/graph.ts";
import { decoderRow, type Dictionary } from "../../src/features/dictionary.ts";
import { writeDictionary } from "../../src/features/index.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { checkCircuit, CircuitModel, edgesOf } from "../../src/interpret/index.ts";
import { pairsFor } from "../../src/interpret/pairs.ts";
import type {
  CircuitCheckAnswer,
  GraphAnswer,
  InterveneAnswer,
} from "../../src/server/worker/lab-circuits.ts";
import type { FeatureAnswer, FeaturesAnswer } from "../../src/server/worker/lab-features.ts";
import { maxDifference } from "../support/golden.ts";
import { randomTranscoder, tokenFeatures } from "../support/known-dictionaries.ts";
import { beginRun, showRun, watchRun } from "../support/server-runs.ts";
import { eventsOf, startServer, type TestServer } from "../support/server.ts";

const bundled = new URL("../../models/phi-micro", import.meta.url).pathname;
const PROMPT = "When Mary and John went to the store, John gave a book to";
const PAIR = {
  clean: PROMPT,
  corrupted: "When Mary and John went to the store, Mary gave a book to",
  ...{ answer: " Mary", against: " John" },
};
const ROWS = ["Mary went to the park.", "Anna and Mary gave a ball to Tom.", "Tom is here."].map(
  (text) => ({ text }),
);

let server: TestServer;
let model: LanguageModel;
const transcoders = new Map<number, Dictionary>();
beforeAll(async () => {
  server = await startServer();
  model = await LanguageModel.open(bundled, { mode: "fast", threads: 1 });
  const [mary = 0, john = 0] = [" Mary", " John"].map((text) => model.tokenizer.encode(text)[0]);
  const folder = path.join(server.home, "dictionaries");
  await mkdir(folder);
  await writeDictionary(path.join(folder, "names"), await tokenFeatures(model, [mary, john]), {
    more: { "labels.json": JSON.stringify({ 0: "Mary" }) },
  });
  const random = new Random(4);
  for (const layer of [0, 1, 2]) {
    transcoders.set(layer, randomTranscoder(model.config.width, layer, random));
    await writeDictionary(path.join(folder, `t${layer}`), transcoders.get(layer)!);
  }
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function get<T>(route: string): Promise<T> {
  const response = await fetch(server.url + route);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as T;
}

async function ask<T>(route: string, body: object): Promise<T> {
  const response = await server.post(`/v1/lab/${route}`, body);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as T;
}

/** The result of a stream. */
async function streamed<T>(route: string, body: object): Promise<{ result: T; events: object[] }> {
  const events = await eventsOf(await server.post(`/v1/lab/${route}`, body));
  const { result } = events.pop() as { result: T };
  expect(result, JSON.stringify(events.at(-1))).toBeDefined();
  return { result, events };
}

interface Listed {
  name: string;
  source: string;
  metrics: Record<string, number> | null;
  survey: string | null;
}
const list = async (): Promise<Listed[]> =>
  (await get<{ dictionaries: Listed[] }>("/v1/lab/dictionaries")).dictionaries;

describe("a dictionary of the home", () => {
  it("is listed by its name, with what its files say and not where they lie", async () => {
    const found = (await list()).find(({ name }) => name === "names");
    expect(found).toMatchObject({
      ...{ source: "home", kind: "sae", input: "hook_embed", latents: 2, architecture: "standard" },
      ...{ labels: 1, metrics: null, survey: null },
    });
    expect(JSON.stringify(found)).not.toContain(server.home);
  });

  it("says which features fire on a text, and what each writes", async () => {
    const { tokens, fired, counts } = await ask<FeaturesAnswer>("features", {
      ...{ dictionary: "names", prompt: PROMPT },
    });
    const of = (feature: number): string[] =>
      tokens.flatMap(({ token }, i) =>
        fired[i]?.some((one) => one.feature === feature) === true ? [token] : [],
      );
    expect(of(0)).toEqual([" Mary"]);
    expect(of(1)).toEqual([" John", " John"]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3);
    const mary = await ask<FeatureAnswer>("feature", { dictionary: "names", feature: 0 });
    expect(mary.values).toHaveLength(model.config.width);
    expect(Math.hypot(...mary.control)).toBeCloseTo(mary.norm, 6);
    expect(mary.promoted[0]?.logit).toBeGreaterThan(mary.suppressed[0]?.logit ?? Infinity);
    expect(mary.neighbours.map(({ feature }) => feature)).toEqual([1]);
  });

  it("is read with and measured by runs, which the list then knows", async () => {
    const asked = { dictionary: "names", rows: ROWS };
    const [survey, measured] = [
      await beginRun(server, "sae-features", asked),
      await beginRun(server, "sae-eval", asked),
    ];
    for (const { id } of [survey, measured]) {
      await watchRun(server, id);
      const run = await showRun(server, id);
      expect(run.error).toBeUndefined();
      expect(run.state).toBe("done");
    }
    const found = (await list()).find(({ name }) => name === "names");
    expect(found?.survey).toBe(survey.id);
    expect(Object.keys(found?.metrics ?? {})).toEqual(
      expect.arrayContaining(["l0", "explained_variance", "ce_loss_score", "frac_alive"]),
    );
    const { features, labels } = await get<{
      features: { feature: number; fires: string[]; density: number }[];
      labels: Record<string, string>;
    }>("/v1/lab/dictionaries/names/features");
    expect(labels).toEqual({ 0: "Mary" });
    expect(features.map(({ fires }) => fires)).toEqual([[" Mary"], []]);
    const dossier = await get<{ activations: { tokens: string[]; at: number }[]; label: string }>(
      "/v1/lab/dictionaries/names/features/0",
    );
    expect(dossier.label).toBe("Mary");
    expect(dossier.activations.map(({ tokens, at }) => tokens[at])).toEqual([" Mary"]);
    expect(dossier.activations[0]?.tokens.join("")).toContain(ROWS[1]?.text);
    const missing = await fetch(`${server.url}/v1/lab/dictionaries/names/features/2`);
    expect(missing.status).toBe(404);
  });
});

it("a dictionary is trained with live metrics under SAELens' names, and answers by the run's name", async () => {
  const { id } = await beginRun(server, "sae", {
    ...{ hook: "blocks.1.hook_resid_post", k: 4, expansionFactor: 1, trainingTokens: 640 },
    ...{ trainBatchSizeTokens: 64, contextSize: 8, roundTokens: 128, logSteps: 5, valSize: 1 },
    rows: Array.from({ length: 12 }, (_, i) => ROWS[i % ROWS.length]),
  });
  const events = await watchRun(server, id);
  expect((await showRun(server, id)).error).toBeUndefined();
  const metrics = events.flatMap(({ metrics: found }) => (found as object | undefined) ?? []);
  expect(Object.keys(metrics[0] ?? {})).toEqual(
    expect.arrayContaining(["l0", "explained_variance", "mse_loss", "dead_features"]),
  );
  const found = (await list()).find(({ name }) => name === id);
  expect(found).toMatchObject({ source: "run", metrics: { l0: 4 } });
});

describe("an attribution graph", () => {
  const names = ["t0", "t1", "t2"];

  it("is the library's, node by node, with Neuronpedia's JSON", async () => {
    const { result, events } = await streamed<GraphAnswer>("graph", {
      ...{
        prompt: PROMPT,
        transcoders: names,
        maxFeatures: 60,
        nodeThreshold: 0.95,
        interventions: 2,
      },
    });
    const graph = await attributionGraph(model, PROMPT, transcoders, { maxFeatures: 60 });
    const pruned = pruneGraph(graph, { nodeThreshold: 0.95, edgeThreshold: 0.98 });
    expect(result.nodes).toHaveLength(pruned.nodes.length);
    const weights = pruned.edges.map(({ weight }) => weight);
    expect(
      maxDifference(
        result.links.map(({ weight }) => weight),
        weights,
      ),
    ).toBeLessThan(1e-5);
    expect(events.at(-1)).toMatchObject({ done: expect.any(Number) as number });
    expect(result.check?.top).toHaveLength(2);
    const feature = result.nodes.find(({ kind }) => kind === "feature");
    expect(feature?.dictionary).toBe(`t${feature?.layer}`);
    expect(result.neuronpedia["links"]).toHaveLength(result.links.length);
  });

  it("is held against the model: features that are taken out, beside as many at random", async () => {
    const graph = await attributionGraph(model, PROMPT, transcoders, { maxFeatures: 60 });
    const chosen = graph.nodes.filter((node) => node.kind === "feature").slice(0, 2);
    const { tokens, activations } = await ask<InterveneAnswer>("graph/intervene", {
      ...{ prompt: PROMPT, transcoders: names, controls: 2 },
      features: chosen.map(({ layer, position, feature }) => ({ layer, position, feature })),
    });
    const before = chosen.map(({ activation }) => activation);
    expect(maxDifference(activations, before)).toBeLessThan(1e-5);
    const { logits } = await model.run(PROMPT, {
      edits: chosen.map(({ layer, position, feature, activation }) => ({
        ...{ op: "add", at: `blocks.${layer}.hook_mlp_out`, positions: [position] },
        ...{ value: decoderRow(transcoders.get(layer)!, feature), scale: -activation },
      })),
    });
    const values = logits[0] ?? new Float32Array();
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const [first] = tokens;
    const id = model.tokenizer.encode(first?.token ?? "")[0] ?? -1;
    expect(first?.after.logit).toBeCloseTo((values[id] ?? NaN) - mean, 4);
    expect(first?.random).toHaveLength(2);
    expect(first?.after.logit).not.toBe(first?.before.logit);
  });
});

it("a circuit is found by a run, shown, and checked at each size", async () => {
  const { id, command } = await beginRun(server, "circuit", { ...PAIR, edges: 12, method: "eap" });
  expect(command.slice(0, 3)).toEqual(["philab", "circuit", "discover"]);
  await watchRun(server, id);
  const run = await showRun(server, id);
  expect(run.error).toBeUndefined();
  expect(run.result).toMatchObject({ check: { model: expect.any(Number) as number } });
  const file = await get<{ edges: { edge: string; effect: number }[]; total: number }>(
    `/v1/lab/runs/${id}/circuit`,
  );
  const { circuits, tasks } = await get<{ circuits: { id: string }[]; tasks: string[] }>(
    "/v1/lab/circuits",
  );
  expect(circuits.map((one) => one.id)).toEqual([id]);
  expect(tasks).toContain("ioi-classic");
  const size = file.edges.length;
  const { result, events } = await streamed<CircuitCheckAnswer>("circuits/check", {
    ...{ ...PAIR, edges: file.edges, total: file.total, sizes: [1, size], controls: 1 },
  });
  expect(events).toHaveLength(2);
  using circuit = await CircuitModel.open(model);
  const made = { name: "", sha256: "" };
  const { kept } = edgesOf({ ...file, model: made }, circuit.graph, model);
  const pairs = pairsFor(model, { ...PAIR, limit: 1, seed: 0 });
  const check = await checkCircuit(circuit, pairs, kept, { controls: 1 });
  expect(result.checks[1]?.faithfulness).toBeCloseTo(check.faithfulness, 5);
  expect(result.checks[0]?.edges).toBeLessThanOrEqual(1);
});

it("what does not fit is refused, and nothing outside the lists can be named", async () => {
  await mkdir(path.join(server.home, "secret"), { recursive: true });
  await writeFile(path.join(server.home, "secret", "cfg.json"), "{}");
  for (const [status, route, body] of [
    [404, "feature", { dictionary: "none", feature: 0 }],
    [404, "feature", { dictionary: "../secret", feature: 0 }],
    [404, "feature", { dictionary: `${server.home}/dictionaries/names`, feature: 0 }],
    [404, "feature", { dictionary: "names", feature: 2 }],
    [400, "feature", { dictionary: "names", feature: -1 }],
    [404, "features", { dictionary: "nothing", prompt: PROMPT }],
    [404, "runs/sae-features", { dictionary: "/etc", rows: ROWS }],
    [400, "runs/sae-features", { dictionary: "names" }],
    [400, "runs/sae", { hook: "blocks.1.hook_resid_post", rows: ROWS, out: "/tmp/x" }],
    [400, "graph/intervene", { prompt: PROMPT, transcoders: ["names"], features: [] }],
    [
      ...[400, "graph/intervene"],
      {
        ...{ prompt: PROMPT, transcoders: ["t0"] },
        features: [{ layer: 0, position: 0, feature: 100_000 }],
      },
    ],
    [400, "runs/circuit", { task: "no-task" }],
    [400, "circuits/check", { edges: [], total: 1, sizes: [1] }],
  ] as [number, string, object][]) {
    const response = await server.post(`/v1/lab/${route}`, body);
    const text = await response.text();
    expect(response.status, `${route} ${JSON.stringify(body)}: ${text}`).toBe(status);
  }
  const graph = await eventsOf(
    await server.post("/v1/lab/graph", { prompt: PROMPT, transcoders: ["names"] }),
  );
  expect(graph.at(-1)).toMatchObject({ error: { message: /no transcoder/ } });
});

/** Circuits that are known, because they were written into the weights: every method finds them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { CircuitModel } from "../../src/interpret/circuit/circuit-model.ts";
import {
  acdc,
  auroc,
  checkCircuit,
  pruneCircuit,
  strongestEdges,
} from "../../src/interpret/circuit/discover.ts";
import { edgeEffects, type Pair } from "../../src/interpret/circuit/edges.ts";
import { connected, edgeName, edgeOf, nodesOf } from "../../src/interpret/circuit/graph.ts";
import { COMPILED_VOCABULARY, PROGRAMS, writeCompiledPhi } from "../support/compiled-phi.ts";

const folder = mkdtempSync(path.join(tmpdir(), "philab-circuits-"));
const random = new Random(11);

/** Tokens that stand twice, and what followed the last of them the first time; the counterpart has other tokens. */
function repeats(): Pair {
  const order = random.permutation(COMPILED_VOCABULARY);
  const text = (from: number): { ids: number[]; next: number } => {
    const once = [...order.subarray(from, from + 5)];
    const last = 1 + random.integer(3);
    return { ids: [...once, ...once.slice(0, last + 1)].slice(-7), next: once[last + 1]! };
  };
  const [clean, corrupted] = [text(0), text(5)];
  const length = Math.min(clean.ids.length, corrupted.ids.length);
  return {
    clean: clean.ids.slice(-length),
    corrupted: corrupted.ids.slice(-length),
    right: [clean.next],
    wrong: [corrupted.next],
  };
}

function shares(): Pair {
  const [often, seldom] = [0.8, 0.2].map((share) =>
    Array.from({ length: 8 }, () => (random.uniform() < share ? 0 : 1 + random.integer(9))),
  );
  return { clean: often!, corrupted: seldom!, right: [0], wrong: [3] };
}

const opened = await Promise.all(
  (Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[]).map(async (name) => {
    const at = path.join(folder, name);
    const { edges } = await writeCompiledPhi(at, name);
    const model = await LanguageModel.open(at, { mode: "reference", threads: 1 });
    const circuit = await CircuitModel.open(model);
    const truth = new Uint8Array(circuit.graph.edges);
    for (const edge of edges) truth[edgeOf(circuit.graph, edge)] = 1;
    const draw = name === "induction" ? repeats : shares;
    return { name, model, circuit, truth, pairs: Array.from({ length: 6 }, draw) };
  }),
);
afterAll(async () => {
  for (const { model, circuit } of opened) {
    circuit[Symbol.dispose]();
    await model[Symbol.asyncDispose]();
  }
  rmSync(folder, { recursive: true });
});

describe.each(opened)("the program $name", ({ name, model, circuit, truth, pairs }) => {
  const { graph } = circuit;

  it("computes what it says", async () => {
    for (const { clean, right } of pairs) {
      const { logits } = await model.run([...clean]);
      if (name === "induction") expect(logits[0]!.indexOf(Math.max(...logits[0]!))).toBe(right[0]);
      else {
        const share = clean.filter((id) => id === 0).length / clean.length;
        expect(logits[0]![0]).toBeCloseTo(12 * share - 4, 1);
      }
    }
  });

  it("is found by ACDC with zero ablation: areas of 1.000 for edges and for parts", async () => {
    const thresholds = [1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];
    const edges = new Float64Array(graph.edges);
    const parts = new Map([...graph.sources, "logits"].map((part) => [part, 0]));
    for (const threshold of thresholds) {
      const kept = await acdc(circuit, pairs, { threshold });
      kept.forEach((own, edge) => {
        if (own === 1) edges[edge] = threshold;
      });
      for (const part of nodesOf(graph, kept)) parts.set(part, threshold);
    }
    const wanted = nodesOf(graph, truth);
    expect(auroc(edges, truth)).toBe(1);
    const names = [...parts.keys()];
    const inside = names.map((part) => Number(wanted.has(part)));
    expect(auroc([...parts.values()], inside)).toBe(1);
    const found = await acdc(circuit, pairs, { threshold: 1e-2 });
    const namesOf = (kept: Uint8Array): string[] =>
      [...kept.keys()].filter((edge) => kept[edge] !== 0).map((edge) => edgeName(graph, edge));
    expect(namesOf(found)).toEqual(namesOf(truth));
  });

  it("is told from the rest by patching each edge, and by EAP-IG", async () => {
    const size = (effects: Float64Array): Float64Array => effects.map(Math.abs);
    const exact = await edgeEffects(circuit, pairs, { method: "exact" });
    expect(auroc(size(exact), truth)).toBeGreaterThanOrEqual(0.99);
    const estimated = await edgeEffects(circuit, pairs, { method: "eap-ig" });
    expect(auroc(size(estimated), truth)).toBeGreaterThanOrEqual(0.9);
    const { kept } = await pruneCircuit(circuit, pairs, exact, { faithfulness: 0.95 });
    expect([...kept]).toEqual([...truth]);
  });

  it("suffices and is complete under every ablation, where random circuits of its size are not", async () => {
    for (const ablation of ["resample", "zero"] as const) {
      const found = await checkCircuit(circuit, pairs, truth, { ablation, seed: 3 });
      expect(found.faithfulness, ablation).toBeCloseTo(1, 1);
      expect(Math.abs(found.restFaithfulness), ablation).toBeLessThan(0.05);
      for (const value of found.random) expect(Math.abs(value), ablation).toBeLessThan(0.3);
    }
  });

  it("is connected: nothing of it leads nowhere, and what does is taken out", () => {
    expect([...connected(graph, truth)]).toEqual([...truth]);
    const more = truth.slice();
    more[edgeOf(graph, "a0.h1->a1.h2<q>")] = 1;
    expect([...connected(graph, more)]).toEqual([...truth]);
    expect([...strongestEdges(circuit, new Float64Array(graph.edges), 0)]).toEqual(
      Array<number>(graph.edges).fill(0),
    );
  });
});

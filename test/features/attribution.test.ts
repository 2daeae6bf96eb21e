/** Attribution graphs: what they say of a run whose attention and LayerNorms are held fast is what happens there. */
import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { attributionGraph } from "../../src/features/attribution/attribute.ts";
import {
  pruneGraph,
  totalEffects,
  type AttributionGraph,
  type GraphNode,
} from "../../src/features/attribution/graph.ts";
import { checkGraph } from "../../src/features/attribution/interventions.ts";
import { neuronpediaGraph } from "../../src/features/attribution/neuronpedia.ts";
import { decoderRow, encoderRow } from "../../src/features/dictionary.ts";
import { LanguageModel } from "../../src/generate/language-model.ts";
import type { Edit } from "../../src/model/hooks/edits.ts";
import type { HookName } from "../../src/model/hooks/names.ts";
import { fixture } from "../support/golden.ts";
import { randomTranscoder } from "../support/known-dictionaries.ts";

const model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
afterAll(() => model[Symbol.asyncDispose]());
const { layers, width } = model.config;
const ids = [5, 17, 99, 4, 17, 8];
const random = new Random(4);
const transcoders = new Map(
  Array.from({ length: layers }, (_, l) => [l, randomTranscoder(width, l, random)]),
);

const graph = await attributionGraph(model, ids, transcoders);
const featureNodes = graph.nodes.filter((node) => node.kind === "feature");

/** A run in which attention, LayerNorms and MLPs are those of the plain run, and one MLP writes more. */
async function heldFast(added: { layer: number; position: number; value: Float32Array }) {
  const hooks: HookName[] = Array.from({ length: layers }, (_, l): HookName[] => [
    `blocks.${l}.attn.hook_pattern`,
    `blocks.${l}.ln1.hook_scale`,
    `blocks.${l}.hook_mlp_out`,
  ]).flat();
  hooks.push("ln_final.hook_scale");
  const read: HookName[] = Array.from(
    { length: layers },
    (_, l): HookName => `blocks.${l}.hook_ln1_out`,
  );
  const plain = await model.run(ids, { capture: [...hooks, ...read] });
  const held = hooks.map((at): Edit => ({ op: "replace", at, value: plain.get(at) }));
  const { layer, position, value } = added;
  const after = await model.run(ids, {
    capture: read,
    edits: [
      ...held,
      { op: "add", at: `blocks.${layer}.hook_mlp_out`, positions: [position], value },
    ],
  });
  return { plain, after, read };
}

describe("an attribution graph in the linear regime", () => {
  it("says what doubling a feature does to all that reads it: features within 5e-4, logits within 2e-4", async () => {
    const early = featureNodes.filter(({ layer }) => layer === 0);
    expect(early.length).toBeGreaterThan(5);
    for (const source of [early[0]!, early[3]!, early.at(-1)!]) {
      const s = graph.nodes.indexOf(source);
      const row = decoderRow(transcoders.get(0)!, source.feature);
      const value = row.map((x) => source.activation * x);
      const { plain, after, read } = await heldFast({ layer: 0, position: source.position, value });
      graph.nodes.forEach((target, t) => {
        const weight = graph.weights[t * graph.nodes.length + s]!;
        if (target.kind === "feature") {
          const at = target.position * width;
          const of = ({ values }: { values: Float32Array }): number =>
            encoderRow(transcoders.get(target.layer)!, target.feature).reduce(
              (sum, x, d) => sum + x * values[at + d]!,
              0,
            );
          const hook = read[target.layer]!;
          const change = of(after.get(hook)) - of(plain.get(hook));
          expect(Math.abs(change - weight)).toBeLessThan(5e-4);
        }
        if (target.kind === "logit") {
          const of = (logits: Float32Array): number =>
            logits[target.token]! - logits.reduce((sum, x) => sum + x, 0) / logits.length;
          expect(Math.abs(of(after.logits[0]!) - of(plain.logits[0]!) - weight)).toBeLessThan(2e-4);
        }
      });
    }
  });

  it("has no edge to a feature from its own layer or a later one, or from a later position", () => {
    const count = graph.nodes.length;
    const layerOf = (node: GraphNode): number =>
      node.kind === "token" ? -1 : node.kind === "logit" ? layers : node.layer;
    const positionOf = (node: GraphNode): number =>
      node.kind === "logit" ? ids.length - 1 : node.position;
    graph.nodes.forEach((target, t) => {
      graph.nodes.forEach((source, s) => {
        const mayBe = layerOf(source) < layerOf(target) && positionOf(source) <= positionOf(target);
        const isTarget = target.kind === "feature" || target.kind === "logit";
        if (!mayBe || !isTarget)
          expect(Math.abs(graph.weights[t * count + s]!), `${t} ← ${s}`).toBeLessThan(1e-6);
      });
    });
  });
});

describe("a pruned graph", () => {
  it("keeps logits and tokens, and only edges between what is kept, each with its weight", () => {
    const pruned = pruneGraph(graph);
    const kept = new Set(pruned.nodes);
    graph.nodes.forEach(({ kind }, i) => {
      if (kind === "token" || kind === "logit") expect(kept.has(i)).toBe(true);
    });
    expect(pruned.nodes.length).toBeLessThan(graph.nodes.length);
    for (const { source, target, weight } of pruned.edges) {
      expect(kept.has(source) && kept.has(target)).toBe(true);
      expect(weight).toBe(graph.weights[target * graph.nodes.length + source]);
    }
    const all = pruneGraph(graph, { nodeThreshold: 1, edgeThreshold: 1 });
    expect(all.edges.length).toBeGreaterThan(pruned.edges.length);
  });

  it("finds the one way of a chain, and what it is worth", () => {
    const nodes: GraphNode[] = [
      { kind: "feature", layer: 0, position: 0, feature: 1, activation: 2 },
      { kind: "feature", layer: 1, position: 0, feature: 2, activation: 4 },
      { kind: "feature", layer: 1, position: 0, feature: 3, activation: 1 },
      { kind: "token", position: 0, token: 7 },
      { kind: "logit", token: 9, probability: 1 },
    ];
    const weights = new Float32Array(25);
    const set = (target: number, source: number, value: number): void => {
      weights[target * 5 + source] = value;
    };
    set(0, 3, 2);
    set(1, 0, 3);
    set(4, 1, 5);
    set(2, 3, 1);
    set(4, 2, 0.001);
    const chain: AttributionGraph = { ids: [7], layers: 2, nodes, weights, active: 3, features: 3 };
    const { edges, nodes: kept } = pruneGraph(chain);
    expect(kept).toEqual([0, 1, 3, 4]);
    expect(edges.map(({ source, target }) => [source, target])).toEqual([
      [3, 0],
      [0, 1],
      [1, 4],
    ]);
    // Without feature 0, feature 1 reads 3 of its 4 less, and writes that share of 5 less.
    expect(totalEffects(chain, 4)[0]).toBeCloseTo((3 / 4) * 5, 6);
  });

  it("is Neuronpedia's JSON: every link between nodes that are there, every id once", () => {
    const labels = {
      slug: "a",
      model: "phi-mini",
      prompt: "",
      tokenName: String,
      nodeThreshold: 0.8,
    };
    const json = JSON.parse(JSON.stringify(neuronpediaGraph(pruneGraph(graph), labels))) as {
      metadata: Record<string, unknown>;
      nodes: { node_id: string; layer: string; ctx_idx: number; feature_type: string }[];
      links: { source: string; target: string; weight: number }[];
    };
    const names = new Set(json.nodes.map(({ node_id }) => node_id));
    expect(names.size).toBe(json.nodes.length);
    for (const { source, target } of json.links)
      expect(names.has(source) && names.has(target)).toBe(true);
    expect(json.metadata).toMatchObject({
      slug: "a",
      scan: "phi-mini",
      prompt_tokens: ids.map(String),
    });
    expect(json.nodes[0]).toMatchObject({ feature_type: "cross layer transcoder", layer: "0" });
  });
});

describe("interventions", () => {
  it("on the features that count most change more than on others, and mostly as the graph says", async () => {
    const { agreement, topEffect, randomEffect, top } = await checkGraph(model, graph, transcoders);
    expect(top).toHaveLength(8);
    expect(agreement).toBeGreaterThanOrEqual(0.75);
    expect(topEffect).toBeGreaterThan(2 * randomEffect);
  });
});

describe("what makes no graph", () => {
  it("is an autoencoder, or a transcoder of another layer", async () => {
    const other = new Map([[1, transcoders.get(0)!]]);
    await expect(attributionGraph(model, ids, other)).rejects.toThrow(/a dictionary from/);
  });

  it("keeps within the features that are asked for, and says how many fired", async () => {
    const small = await attributionGraph(model, ids, transcoders, { maxFeatures: 10 });
    expect(small).toMatchObject({ features: 10, active: graph.active });
  });
});

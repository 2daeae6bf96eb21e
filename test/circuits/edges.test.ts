/** Edges of a parallel block, against the same done with hooks: edits and gradients of the model itself. */
import { afterAll, describe, expect, it } from "vitest";
import { LanguageModel } from "../../src/generate/language-model.ts";
import { CircuitModel } from "../../src/interpret/circuit/circuit-model.ts";
import { edgeEffects, patchPath, type Pair } from "../../src/interpret/circuit/edges.ts";
import { circuitGraph, edgeName, edgeOf } from "../../src/interpret/circuit/graph.ts";
import type { HookName } from "../../src/model/hooks/names.ts";
import { fixture, maxDifference } from "../support/golden.ts";

const model = await LanguageModel.open(fixture("phi-mini"), { mode: "reference", threads: 1 });
const circuit = await CircuitModel.open(model);
afterAll(async () => {
  circuit[Symbol.dispose]();
  await model[Symbol.asyncDispose]();
});

const { graph } = circuit;
const { heads, width, layers } = model.config;
const pair: Pair = {
  clean: [3, 17, 99, 4, 17, 8],
  corrupted: [3, 21, 99, 60, 17, 5],
  right: [12],
  wrong: [40],
};
const length = pair.clean.length;
const measured = { kind: "logitDifference", right: 12, wrong: 40 } as const;

/** corrupted − clean of what a source writes, `[T, D]`. */
async function changeOf(source: string): Promise<Float32Array> {
  const [, layer, , head] = /^(?:input|[am](\d+)(\.h(\d+))?)$/.exec(source) ?? [];
  const at: HookName =
    layer === undefined
      ? "hook_embed"
      : head === undefined
        ? `blocks.${Number(layer)}.hook_mlp_out`
        : `blocks.${Number(layer)}.attn.hook_result`;
  const where = head === undefined ? {} : { heads: [Number(head)] };
  const of = async (ids: readonly number[]): Promise<Float32Array> =>
    (await model.run([...ids], { capture: [{ at, ...where }] })).get(at).values;
  const [clean, corrupted] = [await of(pair.clean), await of(pair.corrupted)];
  return corrupted.map((value, i) => value - clean[i]!);
}

function inputOf(target: string): { at: HookName; heads?: number[] } {
  const [, layer, head, port] = /^[am](\d+)(?:\.h(\d+)<(.)>)?$/.exec(target) ?? [];
  if (layer === undefined) return { at: `blocks.${layers - 1}.hook_resid_post` };
  if (port === undefined) return { at: `blocks.${Number(layer)}.hook_mlp_in` };
  return { at: `blocks.${Number(layer)}.hook_${port}_input` as HookName, heads: [Number(head)] };
}

describe("the graph of a parallel block", () => {
  it("has as many edges as it must: 886,597 in Phi-1.5, 1,591,857 in Phi-2", () => {
    const phi = { layers: 24, heads: 32, mlpWidth: 1 };
    expect(circuitGraph(phi).edges).toBe(886_597);
    expect(circuitGraph({ ...phi, layers: 32 }).edges).toBe(1_591_857);
  });

  it("names every edge, and finds it by its name", () => {
    for (let edge = 0; edge < graph.edges; edge++)
      expect(edgeOf(graph, edgeName(graph, edge))).toBe(edge);
  });

  it("has no edge from a head to the MLP of its layer, and says why", () => {
    expect(() => edgeOf(graph, "a0.h1->m0")).toThrow(
      expect.objectContaining({
        code: "bad_input",
        hint: "m0 reads the stream before a0.h1 writes to it.",
      }) as Error,
    );
    expect(() => edgeOf(graph, "a0.h1->a1.h0<x>")).toThrow(/no edge/);
    expect(() => edgeOf(graph, "a0.h1")).toThrow(/no edge/);
  });
});

describe("edges of phi-mini", () => {
  const some = [
    ...["input->a0.h0<q>", "input->m0", "a0.h1->a1.h2<k>", "m0->a1.h3<v>", "a0.h3->m1"],
    ...["m1->logits", "a1.h2->logits", "input->logits"],
  ];

  it("all kept leave the model as it is", async () => {
    const base = await circuit.sources(pair.corrupted);
    const kept = [new Uint8Array(graph.edges).fill(1)];
    const [logits] = await circuit.logits(pair.clean, { base, kept });
    const [wanted] = (await model.run([...pair.clean])).logits;
    expect(maxDifference(logits!, wanted!)).toBeLessThan(1e-5);
    const none = await circuit.logits(pair.clean, { base, kept: [new Uint8Array(graph.edges)] });
    const [other] = (await model.run([...pair.corrupted])).logits;
    expect(maxDifference(none[0]!, other!)).toBeLessThan(1e-5);
  });

  it("patched one by one do what an edit of what the target reads does", async () => {
    const effects = await edgeEffects(circuit, [pair], { method: "exact" });
    const before = (await model.run([...pair.clean], { metric: measured })).metric[0]!;
    for (const name of some) {
      const [source = "", target = ""] = name.split("->");
      const value = { shape: [length, width], values: await changeOf(source) };
      const { at, heads: chosen } = inputOf(target);
      const shaped = chosen === undefined ? value : { ...value, shape: [1, length, 1, width] };
      const where = chosen === undefined ? {} : { heads: chosen };
      const edits = [{ op: "add" as const, at, ...where, value: shaped }];
      const after = (await model.run([...pair.clean], { edits, metric: measured })).metric[0]!;
      expect(effects[edgeOf(graph, name)], name).toBeCloseTo(after - before, 4);
    }
  });

  it("estimated by EAP are products with the gradient of what the target reads", async () => {
    const effects = await edgeEffects(circuit, [pair], { method: "eap" });
    for (const name of some) {
      const [source = "", target = ""] = name.split("->");
      const change = await changeOf(source);
      const { at, heads: chosen } = inputOf(target);
      const found = await model.run([...pair.clean], { gradients: [at], metric: measured });
      const { values } = found.gradient(at);
      let sum = 0;
      const copies = chosen === undefined ? 1 : heads;
      for (let t = 0; t < length; t++)
        for (let d = 0; d < width; d++)
          sum += change[t * width + d]! * values[(t * copies + (chosen?.[0] ?? 0)) * width + d]!;
      expect(effects[edgeOf(graph, name)], name).toBeCloseTo(sum, 4);
    }
  });

  it("along a path carry what each makes of the one before", async () => {
    const found = await patchPath(circuit, pair, ["a0.h1->a1.h2<k>", "a1.h2->logits"]);
    const result = "blocks.1.attn.hook_result";
    const capture = [{ at: result, heads: [2] }] as const;
    const clean = await model.run([...pair.clean], { capture, metric: measured });
    const patched = await model.run([...pair.clean], {
      capture,
      edits: [
        {
          op: "add",
          at: "blocks.1.hook_k_input",
          heads: [2],
          value: { shape: [1, length, 1, width], values: await changeOf("a0.h1") },
        },
      ],
    });
    const before = clean.get(result).values;
    const values = patched.get(result).values.map((value, i) => value - before[i]!);
    const at = `blocks.${layers - 1}.hook_resid_post` as const;
    const edits = [{ op: "add" as const, at, value: { shape: [length, width], values } }];
    const after = await model.run([...pair.clean], { edits, metric: measured });
    expect(found).toBeCloseTo(after.metric[0]! - clean.metric[0]!, 4);
    const [edge] = [edgeOf(graph, "m0->logits")];
    const effects = await edgeEffects(circuit, [pair], { method: "exact" });
    expect(await patchPath(circuit, pair, ["m0->logits"])).toBeCloseTo(effects[edge]!, 5);
  });

  it("refuses paths that have gaps, pairs that do not align, and tokens that are not there", async () => {
    await expect(patchPath(circuit, pair, ["a0.h1->a1.h2<k>"])).rejects.toThrow(/does not lead/);
    await expect(patchPath(circuit, pair, [])).rejects.toThrow(/no edges/);
    const uneven = { ...pair, clean: [1, 2] };
    await expect(edgeEffects(circuit, [uneven])).rejects.toThrow(/2 and 6 tokens/);
    await expect(edgeEffects(circuit, [])).rejects.toThrow(/no pairs/);
    await expect(circuit.sources([1, 1e6])).rejects.toThrow(/no token/);
  });
});

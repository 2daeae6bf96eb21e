import { fileURLToPath } from "node:url";
import { expect, it, describe } from "vitest";
import { readFixture } from "../../test/support/golden.ts";
import { Random } from "../base/random.ts";
import { Backend } from "../engine/backend.ts";
import { eachGradient } from "../tensor/autograd/gradients.ts";
import { Graph } from "../tensor/graph.ts";
import { IGNORED } from "../tensor/targets.ts";
import type { Batch } from "./data/batches.ts";
import { preference, type PreferenceOptions } from "./preference.ts";
import { TrainableModel } from "./trainable-model.ts";

/** What TRL gave, by `reference/preferences.py`. */
interface Expected {
  losses: Record<
    string,
    {
      options: { loss_type: PreferenceOptions["lossType"]; beta: number; label_smoothing?: number };
      loss: number;
      metrics: Record<string, number>;
      gradients: Record<string, number>;
    }
  >;
  input_ids: number[][];
  attention_mask: number[][];
  completion_mask: number[][];
}

const expected = readFixture<Expected>("preferences.json");
const PHI_MICRO = fileURLToPath(new URL("../../models/phi-micro", import.meta.url));
const backend = new Backend({ device: "cpu", threads: 1 });

/** The policy of the fixture: a bias that is moved, and weights that are stretched. */
function move(model: TrainableModel): void {
  for (const [name, tensor] of model.parameters) {
    if (name === "lm_head.bias")
      tensor.write(tensor.read().map((value, i) => value + 0.05 * Math.sin(i)));
    if (name.endsWith("mlp.fc2.weight")) tensor.write(tensor.read().map((value) => value * 1.05));
  }
}

/** Batch of the fixture; `padding` pairs of it are empty. */
function batchOf({ padding = 0 } = {}): Batch {
  const pairs = expected.input_ids.length / 2;
  const length = expected.input_ids[0]?.length ?? 0;
  const order = [0, 1].flatMap((half) => [
    ...Array.from({ length: pairs }, (_, i) => half * pairs + i),
    ...Array<undefined>(padding).fill(undefined),
  ]);
  const all = (value: (sequence: number, at: number) => number, empty: number): Int32Array =>
    Int32Array.from(
      order.flatMap((sequence) =>
        Array.from({ length }, (_, at) => (sequence === undefined ? empty : value(sequence, at))),
      ),
    );
  const at = (list: number[][], sequence: number, i: number): number => list[sequence]?.[i] ?? 0;
  const targets = all(
    (s, i) =>
      at(expected.completion_mask, s, i + 1) === 1 ? at(expected.input_ids, s, i + 1) : IGNORED,
    IGNORED,
  );
  return {
    sequences: order.length,
    length,
    ids: all((s, i) => at(expected.input_ids, s, i), 0),
    targets,
    positions: all((_, i) => i, 0),
    documents: all((s, i) => at(expected.attention_mask, s, i) - 1, -1),
    tokens: expected.attention_mask.flat().reduce((sum, n) => sum + n, 0),
    learned: targets.filter((id) => id !== IGNORED).length,
    epoch: 0,
    index: 0,
  };
}

interface Found {
  loss: number;
  metrics: Record<string, number>;
  gradients: Record<string, number>;
}

async function compute(
  batch: Batch,
  options: Omit<PreferenceOptions, "perRow">,
  { moved, of = [] }: { moved: boolean; of?: readonly string[] },
): Promise<Found> {
  using model = await TrainableModel.load(PHI_MICRO, backend);
  using reference = await TrainableModel.load(PHI_MICRO, backend);
  if (moved) move(model);
  using graph = new Graph(backend, { maxNodes: 8192 });
  const objective = preference(model, reference.weights, { ...options, perRow: false });
  const { loss, metrics = {}, fill } = objective.record(graph, batch, { training: true });
  const gradients = new Map<string, { read(): Float32Array }>();
  eachGradient(
    loss,
    of.map((name) => model.parameters.get(name)!),
    (gradient, i) => {
      graph.output(gradient);
      gradients.set(of[i]!, gradient);
    },
  );
  graph.output(loss, ...Object.values(metrics));
  graph.allocate();
  fill(batch, { total: objective.weigh(batch), random: new Random(0) });
  await graph.compute();
  const norm = (values: Float32Array): number =>
    Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  const values = Object.entries(metrics).map(([name, share]) => [name, share.read()[0]!] as const);
  return {
    loss: loss.read()[0]!,
    metrics: Object.fromEntries(values),
    gradients: Object.fromEntries([...gradients].map(([name, g]) => [name, norm(g.read())])),
  };
}

describe("preference losses, metrics and gradients are TRL's", () => {
  it.each(Object.keys(expected.losses))("%s", async (name) => {
    const { options, loss, metrics, gradients } = expected.losses[name]!;
    const given = {
      lossType: options.loss_type,
      beta: options.beta,
      labelSmoothing: options.label_smoothing ?? 0,
    };
    const of = Object.keys(gradients);
    const found = await compute(batchOf(), given, { moved: true, of });
    expect(Math.abs(found.loss / loss - 1)).toBeLessThan(1e-5);
    expect(Object.keys(found.metrics).sort()).toEqual(Object.keys(metrics).sort());
    for (const [metric, value] of Object.entries(metrics))
      expect(Math.abs(found.metrics[metric]! - value), metric).toBeLessThan(
        2e-5 * Math.max(1, Math.abs(value)),
      );
    for (const [parameter, value] of Object.entries(gradients))
      expect(Math.abs(found.gradients[parameter]! / value - 1), parameter).toBeLessThan(2e-4);
  });
});

it("a model that is still its reference has the loss log 2, and no rewards", async () => {
  const options = { lossType: "sigmoid", beta: 0.1, labelSmoothing: 0 } as const;
  const { loss, metrics } = await compute(batchOf(), options, { moved: false });
  expect(loss.toFixed(6)).toBe("0.693147");
  expect(metrics["rewards/margins"]).toBe(0);
  expect(metrics["rewards/accuracies"]).toBe(0);
});

it("pairs that only fill a batch up count for nothing", async () => {
  const options = { lossType: "sigmoid", beta: 0.1, labelSmoothing: 0 } as const;
  const full = await compute(batchOf(), options, { moved: true });
  const padded = await compute(batchOf({ padding: 1 }), options, { moved: true });
  expect(padded.loss).toBeCloseTo(full.loss, 6);
  for (const [name, value] of Object.entries(full.metrics))
    expect(padded.metrics[name]).toBeCloseTo(value, 5);
});

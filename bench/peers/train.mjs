/**
 * A training step of philab behind JSON lines, from the build in `dist/`: the peer of `train_torch.py`.
 *
 *   open    { model, batch, length, threads }   a model with random weights, AdamW, and the graph of a step
 *   step    { ids }                             loss, gradients and update → { loss, ms }
 *   profile { ids }                             the same, one operation at a time → times by operation and shape
 *   memory
 */
import { performance } from "node:perf_hooks";
import { Backend } from "../../dist/engine/backend.js";
import { attendWithin } from "../../dist/model/attention.js";
import { configFromJson } from "../../dist/model/config.js";
import { phi } from "../../dist/model/phi.js";
import { Graph } from "../../dist/tensor/graph.js";
import { crossEntropy } from "../../dist/tensor/ops/index.js";
import { Optimizer } from "../../dist/tensor/optimizers.js";
import { countedTargets, IGNORED } from "../../dist/tensor/targets.js";
import { TrainableModel } from "../../dist/train/trainable-model.js";
import { attentionMask } from "../../dist/train/data/mask.js";
import { memory, serve } from "./json-lines.mjs";

let step;
let profile;

async function open({ model: json, batch, length, threads }) {
  const backend = new Backend({ device: "cpu", threads });
  const config = configFromJson(json, "the bench's model");
  const model = TrainableModel.initialize(config, backend);
  const matrices = [...model.parameters.values()].filter(({ rank }) => rank === 2);
  const vectors = [...model.parameters.values()].filter(({ rank }) => rank === 1);
  const group = (parameters, weightDecay) => ({
    parameters,
    learningRate: 1e-3,
    settings: { optimizer: "adamw", betas: [0.9, 0.98], eps: 1e-7, weightDecay },
  });
  const optimizer = new Optimizer(backend, [group(matrices, 0.1), group(vectors, 0)]);
  const graph = new Graph(backend, { maxNodes: 8192 });
  const rows = batch * length;
  const input = (dtype, name, shape = [rows]) => graph.input(dtype, shape, name);
  const [ids, positions, targets] = ["ids", "positions", "targets"].map((n) => input("i32", n));
  const counts = input("f32", "counts");
  const mask = input("f32", "mask", [1, 1, length, length]);
  const attend = attendWithin({ batch, mask }, { fused: false });
  const logits = phi(model.weights, config, { ids, positions, attend }, { mode: "reference" });
  const loss = crossEntropy(logits, targets, counts);
  optimizer.accumulateFrom(loss);
  graph.output(loss);
  graph.allocate();
  const documents = new Int32Array(rows);
  const options = { perRow: false, dtype: "f32" };
  mask.write(attentionMask({ sequences: batch, length, documents }, options));
  positions.write(Int32Array.from({ length: rows }, (_, i) => i % length));

  const fill = (tokens) => {
    const next = tokens.map((_, i) => ((i + 1) % length === 0 ? IGNORED : tokens[i + 1]));
    const wanted = countedTargets(next, { vocabSize: config.vocabSize });
    ids.write(Int32Array.from(tokens));
    targets.write(wanted.ids);
    counts.write(wanted.weights);
  };
  step = async ({ ids: tokens }) => {
    const started = performance.now();
    fill(tokens);
    await graph.compute();
    const { gradientNorm } = await optimizer.step({ maxNorm: 1 });
    return { loss: loss.read()[0], gradientNorm, ms: performance.now() - started };
  };
  profile = async ({ ids: tokens }) => {
    fill(tokens);
    const times = graph.profile();
    const started = performance.now();
    await optimizer.step({ maxNorm: 1 });
    const shapes = [];
    return {
      times: [...times, { operation: "optimiser", shapes, ms: performance.now() - started }],
    };
  };
  return { parameters: model.parameters.size, nodes: graph.nodeCount, memory: memory() };
}

await serve({
  open,
  step: (request) => step(request),
  profile: (request) => profile(request),
  memory: async () => memory(),
});

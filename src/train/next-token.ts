/** The objective of pre-training and of learning answers: predict the next token, where it is to be learned. */
import { crossEntropy } from "../tensor/ops/index.ts";
import { IGNORED } from "../tensor/targets.ts";
import { recordForward, type ForwardOptions } from "./forward.ts";
import type { Objective, Trainee } from "./objective.ts";

/** Mean −log p(next token) over the learned tokens of a step, in nats. */
export function nextToken(trainee: Trainee, options: ForwardOptions): Objective {
  return {
    weigh: ({ learned }) => learned,
    record(graph, shape, { training }) {
      const rows = shape.sequences * shape.length;
      const model = trainee.inGraph(graph, { rows, training });
      const forward = recordForward(graph, model, trainee.config, shape, options);
      const targets = graph.input("i32", [rows], "targets");
      const weights = graph.input("f32", [rows], "weights");
      return {
        loss: crossEntropy(forward.logits, targets, weights),
        fill(batch, { total, random }) {
          forward.fill(batch, random);
          targets.write(batch.targets.map((id) => (id === IGNORED ? 0 : id)));
          weights.write(Float32Array.from(batch.targets, (id) => (id === IGNORED ? 0 : 1 / total)));
        },
      };
    },
  };
}

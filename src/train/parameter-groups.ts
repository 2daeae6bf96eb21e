/** Which parameters are moved how: no decay on biases and norms, Muon for the matrices between layers only. */
import type { ParameterGroup } from "../tensor/optimizers.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OptimizerSettings } from "../tensor/update-rules.ts";
import type { LoopOptions } from "./options.ts";

export type OptimizerOptions = Pick<
  LoopOptions,
  "optim" | "learningRate" | "weightDecay" | "adamBeta1" | "adamBeta2" | "adamEpsilon"
>;

/** Embeddings and the head are matrices, too, but tables of rows: Muon is not for them (Jordan et al. 2024). */
const HIDDEN = /^model\.layers\./;

export function parameterGroups(
  parameters: ReadonlyMap<string, Tensor>,
  options: OptimizerOptions,
): ParameterGroup[] {
  const { optim, learningRate } = options;
  const groups = new Map<string, ParameterGroup & { parameters: Tensor[] }>();
  for (const [name, tensor] of parameters) {
    const weightDecay = tensor.rank > 1 ? options.weightDecay : 0;
    const kind = optim === "muon" && !(tensor.rank > 1 && HIDDEN.test(name)) ? "adamw" : optim;
    const key = `${kind} ${weightDecay}`;
    const group = groups.get(key) ?? {
      parameters: [],
      learningRate,
      settings: settingsOf(kind, weightDecay, options),
    };
    group.parameters.push(tensor);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function settingsOf(
  optimizer: OptimizerOptions["optim"],
  weightDecay: number,
  { adamBeta1, adamBeta2, adamEpsilon }: OptimizerOptions,
): OptimizerSettings {
  switch (optimizer) {
    case "adamw":
      return { optimizer, betas: [adamBeta1, adamBeta2], eps: adamEpsilon, weightDecay };
    case "sgd":
      return { optimizer, weightDecay };
    case "muon":
      // Learning rates as for AdamW do for it, too.
      return { optimizer, weightDecay, adjustLearningRate: "match_rms_adamw" };
  }
}

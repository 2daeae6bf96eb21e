/** What every operation asks of its inputs before ggml, whose own assertions would end the process. */
import { LabError } from "../../base/errors.ts";
import { DTYPES } from "../../engine/dtypes.ts";
import type { Graph } from "../graph.ts";
import { describeShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

/** The graph that an operation joins: that of its first input which has one. */
export function graphOf(op: string, inputs: readonly Tensor[]): Graph {
  const graphs = new Set(inputs.map((t) => t.graph).filter((g) => g !== undefined));
  const [graph] = graphs;
  if (graph === undefined)
    throw new LabError("bad_input", `${op}: none of its inputs belongs to a graph`, {
      hint: "Bring a weight into the graph with `graph.use(weight)`.",
    });
  if (graphs.size > 1) throw new LabError("bad_input", `${op}: its inputs belong to two graphs`);
  return graph;
}

export function refuse(op: string, inputs: readonly Tensor[], reason: string): never {
  throw new LabError("bad_input", `${op}(${inputs.map(describeShape).join(", ")}): ${reason}`);
}

export function requireFloat32(op: string, ...inputs: readonly Tensor[]): void {
  for (const input of inputs) if (input.dtype !== "f32") refuse(op, inputs, "needs f32 values");
}

/** Whether the values of each row lie side by side. */
export function rowsAreDense(tensor: Tensor): boolean {
  return tensor.dim(-1) === 1 || tensor.strides.at(-1) === DTYPES[tensor.dtype].blockBytes;
}

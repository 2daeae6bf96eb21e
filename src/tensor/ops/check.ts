/** What every operation asks of its inputs before ggml, whose own assertions would end the process. */
import { LabError } from "../../base/errors.ts";
import type { Pointer } from "../../engine/api.ts";
import { DTYPES, isQuantized, type DType } from "../../engine/dtypes.ts";
import type { Graph } from "../graph.ts";
import { describeShape } from "../shape.ts";
import { contiguousStrides, type Tensor } from "../tensor.ts";

/** The graph that an operation joins: that of its first input which has one. */
export function graphOf(op: string, inputs: readonly Tensor[]): Graph {
  const graphs = new Set(inputs.map((t) => t.graph).filter((g) => g !== undefined));
  const [graph] = graphs;
  if (graph === undefined)
    throw new LabError("bad_input", `${op}: none of its inputs belongs to a graph`, {
      hint: "Bring a weight into the graph with `graph.use(weight)`.",
    });
  if (graphs.size > 1) throw new LabError("bad_input", `${op}: its inputs belong to two graphs`);
  graph.join(inputs);
  return graph;
}

export function refuse(op: string, inputs: readonly Tensor[], reason: string): never {
  throw new LabError("bad_input", `${op}(${inputs.map(describeShape).join(", ")}): ${reason}`);
}

/**
 * A tensor that outlives the graph is changed where it lies: a graphics card that lacks the operation cannot hand it to the
 * processor, and ggml would end the process.
 */
export function requireInPlace(
  op: string,
  { backend }: Graph,
  { pointer, inputs }: { pointer: Pointer; inputs: readonly Tensor[] },
): void {
  if (backend.fallback !== undefined && !backend.supports(pointer))
    refuse(op, inputs, `${backend.device.kind} cannot do this; compute with --device cpu`);
}

export function requireFloat32(op: string, ...inputs: readonly Tensor[]): void {
  for (const input of inputs) if (input.dtype !== "f32") refuse(op, inputs, "needs f32 values");
}

/** A number that ggml receives as a 32-bit float. */
export function requireFinite(
  op: string,
  inputs: readonly Tensor[],
  name: string,
  value: number,
): void {
  if (!Number.isFinite(Math.fround(value))) refuse(op, inputs, `${name} is ${value}`);
}

/**
 * Whether the values of each row lie side by side. Strict also for rows of one value, whose stride ggml's kernels
 * compare with the element's size although they never use it.
 */
export function rowsAreDense(tensor: Tensor): boolean {
  return tensor.strides.at(-1) === DTYPES[tensor.dtype].blockBytes;
}

/** Whether every stride, also of axes of size 1, is that of a fresh tensor. */
export function isPacked(tensor: Tensor): boolean {
  const expected = contiguousStrides(tensor.dtype, tensor.shape);
  return tensor.strides.every((stride, i) => stride === expected[i]);
}

/** Types that are stored but have no arithmetic in ggml. */
const WITHOUT_DECODER: readonly DType[] = ["f64", "i8", "i16", "i32", "i64", "q8_1", "q8_k"];

/** Types that ggml can read back as f32 values. */
export function isDecodable(dtype: DType): boolean {
  return !WITHOUT_DECODER.includes(dtype);
}

/** Quantised types whose rows the processor's backend cannot produce: they need an importance matrix or a search. */
const WITHOUT_ENCODER: readonly DType[] = [
  "iq1_s",
  "iq1_m",
  "iq2_xxs",
  "iq2_xs",
  "iq2_s",
  "iq3_xxs",
  "iq3_s",
];

/** Types into which ggml can convert f32 rows inside a graph. */
export function isEncodable(dtype: DType): boolean {
  return (
    dtype === "f32" ||
    dtype === "f16" ||
    dtype === "bf16" ||
    (isQuantized(dtype) && isDecodable(dtype) && !WITHOUT_ENCODER.includes(dtype))
  );
}

/** Repacked weights keep their values in an order that only products understand. */
export function requireReadable(op: string, x: Tensor): void {
  if (!x.readable)
    throw new LabError("unsupported", `${op}(${describeShape(x)}): these weights are repacked`, {
      hint: "Open the model with `repack: false`.",
    });
}

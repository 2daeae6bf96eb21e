/** Log-probabilities of chosen tokens as part of a graph, so that logits `[K, V]` never leave it. */
import type { Graph } from "../tensor/graph.ts";
import { argmax, logSumExp, reshape, sub, takeRows } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./model-config.ts";

/** A token whose log-probability is wanted, after a row of the wanted logits (counted over all lists). */
export interface LogProbTarget {
  row: number;
  id: number;
}

/** How likely tokens are, without their logits. */
export interface LogProbs {
  /** Natural logarithm of each target's probability; NaN or infinite where the logits are no finite numbers. */
  logprobs: Float32Array;
  /** The likeliest token after each wanted row. */
  likeliest: Int32Array;
}

/** The tensors of a graph that computes scores. */
export interface TokenScores {
  /** Which targets: places in the flattened logits, and rows of them; i32 `[M]` each. */
  places: Tensor;
  rows: Tensor;
  logprobs: Tensor; // [M, 1]
  likeliest: Tensor; // i32 [K]
}

/** Adds to the graph of `logits` `[K, V]` what gives the log-probabilities of `count` targets. */
export function tokenScores(logits: Tensor, count: number): TokenScores {
  const graph = logits.graph as Graph;
  const places = graph.input("i32", [count], "target places");
  const rows = graph.input("i32", [count], "target rows");
  const chosen = takeRows(reshape(logits, [-1, 1]), places); // [M, 1]
  const logprobs = sub(chosen, takeRows(logSumExp(logits), rows)); // [M, 1]
  const likeliest = argmax(logits); // [K]
  graph.output(logprobs);
  graph.output(likeliest);
  return { places, rows, logprobs, likeliest };
}

/** Fills the targets in, computes the graph and reads the scores. */
export async function readScores(
  graph: Graph,
  { places, rows, logprobs, likeliest }: TokenScores,
  {
    targets,
    config: { vocabSize },
    signal,
  }: { targets: readonly LogProbTarget[]; config: ModelConfig; signal?: AbortSignal },
): Promise<LogProbs> {
  places.write(Int32Array.from(targets, ({ row, id }) => row * vocabSize + id));
  rows.write(Int32Array.from(targets, ({ row }) => row));
  await graph.compute(signal === undefined ? {} : { signal });
  return { logprobs: logprobs.read(), likeliest: likeliest.readInts() };
}

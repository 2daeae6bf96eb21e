/**
 * What attention of a circuit's passes is made of. B variants of one text, T positions, N heads, H head size, D width.
 */
import type { PhiConfig } from "../../model/config.ts";
import type { Graph } from "../../tensor/graph.ts";
import {
  contiguous,
  matmulTransposed,
  permute,
  reshape,
  rope,
  softmax,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Linear } from "./weights.ts";

export interface Places {
  positions: Tensor; // i32 [B·T]
  mask: Tensor; // [1, 1, T, T]
}

/** A port's weights head by head: views, `[N, H, D]` and `[N, 1, H]`. */
export function portOfHeads(
  graph: Graph,
  { weight, bias }: Linear,
  { heads, headSize }: PhiConfig,
): Linear {
  return {
    weight: reshape(graph.use(weight), [heads, headSize, weight.dim(1)]),
    bias: reshape(graph.use(bias), [heads, 1, headSize]),
  };
}

/** What each head writes with, a view: `[N, D, H]`. */
export function outOfHeads(
  graph: Graph,
  { weight }: Linear,
  { heads, headSize }: PhiConfig,
): Tensor {
  return permute(reshape(graph.use(weight), [weight.dim(0), heads, headSize]), [1, 0, 2]);
}

/** What heads take from where they look: queries, keys and values, each `[B, T, N, H]` → z `[B, N, T, H]`. */
export function attend(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  { positions, mask }: Places,
  config: PhiConfig,
): Tensor {
  const turn = {
    dims: config.rotaryDims,
    theta: config.ropeTheta,
    contextLength: config.contextLength,
  };
  const turned = (x: Tensor): Tensor => {
    const rows = reshape(contiguous(x), [-1, config.heads, config.headSize]); // [B·T, N, H]
    return permute(reshape(rope(rows, positions, turn), x.shape), [0, 2, 1, 3]); // [B, N, T, H]
  };
  const scores = matmulTransposed(turned(q), turned(k)); // [B, N, T, S]
  const pattern = softmax(scores, { mask, scale: 1 / Math.sqrt(config.headSize) });
  return matmulTransposed(pattern, permute(v, [0, 2, 3, 1]));
}

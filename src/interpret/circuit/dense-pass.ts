/**
 * A forward pass whose parts are computed once for all heads, and which keeps what edges are estimated from.
 *
 * B starts of one text, T positions, N heads, H head size, D width.
 */
import {
  add,
  contiguous,
  gelu,
  linear,
  meanLast,
  permute,
  reshape,
  scale,
  slice,
  sqr,
  sqrt,
  standardize,
  sub,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { attend, type Places } from "./attend.ts";
import type { CircuitParts } from "./circuit-model.ts";

export interface DenseLayer {
  /** x̂, the stream without mean and scale, `[B, T, D]`. */
  unit: Tensor;
  /** σ, `[B, T, 1]` */
  deviation: Tensor;
  /** Queries before their rotation, keys, values: `[B·T, N·H]`. */
  ports: readonly [Tensor, Tensor, Tensor];
  /** What heads bring, before they write it: `[B, N, T, H]`. */
  z: Tensor;
  /** The MLP's copy of the stream, and what it adds: `[B, T, D]`. */
  mlpRead: Tensor | undefined;
  mlpOut: Tensor | undefined;
}

export interface DensePass {
  start: Tensor; // [B, T, D]
  layers: readonly DenseLayer[];
  /** The stream that leaves the last block, `[B, T, D]`. */
  end: Tensor;
  /** What the head reads after the last token, `[B, D]`. */
  last: Tensor;
}

export function recordDensePass(
  { weights, config }: Pick<CircuitParts, "weights" | "config">,
  { start, ...places }: Places & { start: Tensor },
): DensePass {
  const { heads, headSize, layerNormEps: eps } = config;
  const [variants, length, width] = start.shape as [number, number, number];
  const layers: DenseLayer[] = [];
  let stream = start; // [B, T, D]
  for (const { ports, out, mlp } of weights.blocks) {
    const unit = standardize(stream, eps);
    const rows = reshape(unit, [-1, width]);
    const read = (i: 0 | 1 | 2): Tensor => linear(rows, ports[i].weight, ports[i].bias);
    const qkv = [read(0), read(1), read(2)] as const; // [B·T, N·H]
    const [q, k, v] = qkv.map((x) => reshape(x, [variants, length, heads, headSize]));
    const z = attend([q, k, v] as [Tensor, Tensor, Tensor], places, config);
    const merged = reshape(contiguous(permute(z, [0, 2, 1, 3])), [variants * length, -1]);
    let sum = reshape(linear(merged, out.weight, out.bias), start.shape);
    let [mlpRead, mlpOut]: (Tensor | undefined)[] = [];
    if (mlp !== undefined) {
      mlpRead = scale(stream, 1); // a copy, to which a gradient of its own comes back
      const hidden = gelu(linear(standardize(mlpRead, eps), mlp.fc1.weight, mlp.fc1.bias));
      mlpOut = linear(hidden, mlp.fc2.weight, mlp.fc2.bias);
      sum = add(sum, mlpOut);
    }
    const centred = sub(stream, meanLast(stream));
    const deviation = sqrt(scale(meanLast(sqr(centred)), 1, eps));
    layers.push({ unit, deviation, ports: qkv, z, mlpRead, mlpOut });
    stream = add(stream, sum);
  }
  const end = scale(stream, 1);
  const final = contiguous(slice(end, { axis: 1, start: length - 1, length: 1 }));
  return { start, layers, end, last: standardize(reshape(final, [variants, width]), eps) };
}

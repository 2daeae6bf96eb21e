/**
 * A forward pass in which every edge of a circuit's graph can carry another value than the one of this run: what target g reads is
 *
 *   x_g = stream + Σ_u ablated[g, u] · (base_u − own_u)
 *
 * with own_u what source u writes in this run, and base_u another value of it: 0, a mean, or that of another prompt.
 *
 * B variants of one text, T positions, N heads, H head size, D width, S sources so far, G targets of a kind, V vocabulary.
 */
import type { PhiConfig } from "../../model/config.ts";
import { maskValues } from "../../model/mask.ts";
import { Graph } from "../../tensor/graph.ts";
import {
  add,
  broadcastTo,
  concat,
  contiguous,
  gelu,
  linear,
  matmul,
  matmulTransposed,
  permute,
  reshape,
  slice,
  standardize,
  sub,
  sumTo,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CircuitGraph } from "./graph.ts";
import { attend, outOfHeads, portOfHeads, type Places } from "./attend.ts";
import type { CircuitBlock, CircuitWeights } from "./weights.ts";

export interface PassShape {
  variants: number;
  length: number;
  /**
   * - `ablated`: edges carry other values where the masks say so
   * - `plain`: nothing is told apart
   */
  edges: "ablated" | "plain";
}

export interface RecordedPass {
  /** What the streams begin with, `[B, 1, T, D]`. */
  start: Tensor;
  /** Of queries, keys, values and MLP of each layer, and of the logits: 1 where an edge carries the base, `[B, G, S]`. Empty unless `ablated`. */
  masks: readonly Tensor[];
  /** `[S, 1, T, D]`; undefined unless `ablated`. */
  base: Tensor | undefined;
  /** What sources write, in their order, `[B, 1 or N, T, D]`. */
  written: readonly Tensor[];
  /** After the last token, `[B, V]`. */
  logits: Tensor;
  /** Writes what is the same in every run. Call it once the graph has memory. */
  prepare: () => void;
}

/** Records it. @param options.heads - whether what single heads write is wanted */
export function recordCircuitPass(
  graph: Graph,
  {
    weights,
    config,
    sources,
  }: { weights: CircuitWeights; config: PhiConfig; sources: CircuitGraph },
  { variants, length, edges }: PassShape,
): RecordedPass {
  const { width, heads, layerNormEps: eps } = config;
  const start = graph.input("f32", [variants, 1, length, width], "start");
  const positions = graph.input("i32", [variants * length], "positions");
  const mask = graph.input("f32", [1, 1, length, length], "mask");
  const base =
    edges === "ablated"
      ? graph.input("f32", [sources.sources.length, 1, length, width], "base")
      : undefined;
  const masks: Tensor[] = [];
  const written: Tensor[] = [];
  /** base − own of all sources so far, `[B, S, T·D]` */
  let differences: Tensor | undefined;
  let sourceCount = 0;
  const write = (values: Tensor): void => {
    written.push(values);
    if (base === undefined) return;
    const count = values.dim(1);
    const other = slice(base, { axis: 0, start: sourceCount, length: count }); // [n, 1, T, D]
    const rows = reshape(contiguous(other), [1, count, length, width]);
    const own = reshape(sub(broadcastTo(rows, values.shape), values), [variants, count, -1]);
    differences = differences === undefined ? own : concat(differences, own, { axis: 1 });
    sourceCount += count;
  };
  /** What the targets of a layer read. */
  const copies = (stream: Tensor, targets: number): Tensor => {
    let copy = broadcastTo(stream, [variants, targets, length, width]);
    if (differences !== undefined) {
      const chosen = graph.input("f32", [variants, targets, differences.dim(1)], "edges");
      masks.push(chosen);
      copy = add(copy, reshape(matmul(chosen, differences), copy.shape));
    }
    return copy;
  };

  let stream = start; // [B, 1, T, D]
  write(stream);
  for (const block of weights.blocks) {
    const h = edges === "plain" ? standardize(stream, eps) : undefined;
    const part = (count: number): Tensor =>
      h === undefined
        ? standardize(copies(stream, count), eps) // [B, count, T, D]
        : broadcastTo(h, [variants, count, length, width]);
    const ports = [part(heads), part(heads), part(heads)] as const;
    const results = attention(ports, block, { graph, config, positions, mask }); // [B, N, T, D]
    let sum = add(sumTo(results, stream.shape), block.out.bias);
    let mlpOut: Tensor | undefined;
    if (block.mlp !== undefined) {
      const { fc1, fc2 } = block.mlp;
      const post = gelu(linear(part(1), fc1.weight, fc1.bias));
      mlpOut = linear(post, fc2.weight, fc2.bias); // [B, 1, T, D]
      sum = add(sum, mlpOut);
    }
    write(results);
    if (mlpOut !== undefined) write(mlpOut);
    stream = add(stream, sum);
  }
  const end = contiguous(slice(copies(stream, 1), { axis: 2, start: length - 1, length: 1 }));
  const last = standardize(reshape(end, [variants, width]), eps);
  return {
    ...{ start, masks, base, written },
    logits: linear(last, weights.head.weight, weights.head.bias),
    prepare: () => {
      positions.write(Int32Array.from({ length: variants * length }, (_, i) => i % length));
      mask.write(maskValues(mask, (row, cell) => cell <= row));
    },
  };
}

/** What each head adds, `[B, N, T, D]`, of what its queries, keys and values read, `[B, N, T, D]` each. */
function attention(
  reads: readonly [Tensor, Tensor, Tensor],
  block: CircuitBlock,
  { graph, config, ...places }: Places & { graph: Graph; config: PhiConfig },
): Tensor {
  const port = (i: 0 | 1 | 2): Tensor => {
    const { weight, bias } = portOfHeads(graph, block.ports[i], config);
    return permute(add(matmulTransposed(reads[i], weight), bias), [0, 2, 1, 3]); // [B, T, N, H]
  };
  const z = attend([port(0), port(1), port(2)], places, config); // [B, N, T, H]
  return matmulTransposed(z, outOfHeads(graph, block.out, config));
}

/** More than a pass records, with its gradients: room in headers, not in values. */
export function circuitNodes({ layers }: PhiConfig): number {
  return 512 + 512 * layers;
}

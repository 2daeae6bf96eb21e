/**
 * Carries directions back through blocks whose attention patterns and LayerNorm scales are those of one run.
 *
 * M directions, T positions, N heads, H head size, D width, A rows that are read along the way.
 */
import type { LanguageModel } from "../../generate/language-model.ts";
import type { Run } from "../../generate/run.ts";
import { openWeights } from "../../interpret/weights.ts";
import { Graph } from "../../tensor/graph.ts";
import {
  add,
  contiguous,
  matmul,
  matmulTransposed,
  meanLast,
  mul,
  permute,
  reshape,
  sub,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A block as it is in one run. */
export interface FrozenBlock {
  norm: Float32Array; // [D]
  /** 1/√(variance + eps), [T] */
  scales: Float32Array;
  /** `[N, S, T]`: transposed patterns. */
  patterns: Float32Array;
  values: Float32Array; // [N·H, D]
  output: Float32Array; // [D, N·H]
  /** What is written by the MLP: rows `[A, D]`. */
  written: Float32Array;
}

/** The frozen blocks of a run, which must have captured `hook_pattern` and `ln1.hook_scale` everywhere. */
export async function freeze(
  model: LanguageModel,
  run: Run,
  written: readonly Float32Array[],
): Promise<FrozenBlock[]> {
  const { layers, heads } = model.config;
  const length = run.ids[0]?.length ?? 0;
  const view = await openWeights(model);
  const blocks: FrozenBlock[] = [];
  for (let l = 0; l < layers; l++) {
    const { norm, v, dense } = await view.block(l);
    const { values } = run.get(`blocks.${l}.attn.hook_pattern`);
    const patterns = new Float32Array(values.length);
    for (let n = 0; n < heads; n++)
      for (let t = 0; t < length; t++)
        for (let s = 0; s < length; s++)
          patterns[(n * length + s) * length + t] = values[(n * length + t) * length + s] as number;
    blocks.push({
      ...{ norm: norm.weight, patterns, values: v.weight, output: dense.weight },
      scales: run.get(`blocks.${l}.ln1.hook_scale`).values.map((scale) => 1 / scale),
      written: written[l] as Float32Array,
    });
  }
  return blocks;
}

/**
 * What directions of the stream that leaves block `blocks.length − 1` read of each block's written rows, and of the stream that
 * enters the first: `[M, T, A]` by layer, and `[M, T, T]` of the `embeddings`.
 */
export async function readBack(
  model: LanguageModel,
  blocks: readonly FrozenBlock[],
  { directions, embeddings }: { directions: Float32Array; embeddings: Float32Array },
): Promise<{ layers: Float32Array[]; tokens: Float32Array }> {
  const { width, heads, headSize } = model.config;
  const length = embeddings.length / width;
  const count = directions.length / width / length;
  return model.runnerFor().lend(async () => {
    using graph = new Graph(model.backend, { maxNodes: 64 + 96 * Math.max(1, blocks.length) });
    const writers: (() => void)[] = [];
    const input = (shape: number[], values: Float32Array): Tensor => {
      const tensor = graph.input("f32", shape);
      writers.push(() => {
        tensor.write(values);
      });
      return tensor;
    };
    let gradient = input([count, length, width], directions); // [M, T, D]
    const found: Tensor[] = [];
    for (const block of [...blocks].reverse()) {
      const rows = block.written.length / width;
      found.unshift(matmulTransposed(gradient, input([rows, width], block.written))); // [M, T, A]
      const written = matmul(
        reshape(gradient, [-1, width]),
        input([width, heads * headSize], block.output),
      ); // [M·T, N·H]
      const byHead = permute(reshape(written, [count, length, heads, headSize]), [0, 2, 3, 1]);
      const patterns = input([heads, length, length], block.patterns);
      const heard = matmulTransposed(contiguous(byHead), patterns); // [M, N, H, S]
      const values = reshape(contiguous(permute(heard, [0, 3, 1, 2])), [-1, heads * headSize]);
      const read = mul(
        matmul(values, input([heads * headSize, width], block.values)),
        input([width], block.norm),
      ); // [M·S, D]
      const centred = reshape(sub(read, meanLast(read)), [count, length, width]);
      gradient = add(gradient, mul(centred, input([1, length, 1], block.scales)));
    }
    const tokens = matmulTransposed(gradient, input([length, width], embeddings)); // [M, T, T]
    graph.output(tokens, ...found);
    graph.allocate();
    for (const write of writers) write();
    await graph.compute();
    return { layers: found.map((tensor) => tensor.read()), tokens: tokens.read() };
  });
}

/** What an adapter makes of the rows of a weight: W + s·B·A, and in DoRA the lengths of these rows. */
import { invariant } from "../base/errors.ts";
import { Backend } from "../engine/backend.ts";
import { Graph } from "../tensor/graph.ts";
import { add, outerProduct } from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LowRankSource, LowRankValues } from "./adapter-source.ts";
import type { ParameterSource } from "./parameters.ts";
import { recode, type RowChange } from "./recode.ts";

/** The graph of one sum. */
interface Sum {
  key: string;
  graph: Graph;
  w: Tensor; // [n, K]
  left: Tensor; // [r, n]
  right: Tensor; // [r, K]
  sum: Tensor; // [n, K]
}

/** Adds s·B·A to rows of a weight. n rows, K inputs of a layer, r rank. */
export class RowMerger implements Disposable {
  /** One thread: the sum takes as long as its values take from memory and back. */
  readonly #backend = new Backend({ device: "cpu", threads: 1 });
  #queue: Promise<unknown> = Promise.resolve();
  #sum: Sum | undefined;

  /** Rows of W, from `firstRow` on, become those of W + s·B·A, or of m/‖W + s·B·A‖ ⊙ (W + s·B·A) in DoRA. */
  change(source: LowRankSource, { a, b, magnitude }: LowRankValues): RowChange {
    const { module, rank, scale } = source;
    const { inputs } = module;
    return async (rows, firstRow) => {
      const count = rows.length / inputs;
      const factors = transposed(
        b.subarray(firstRow * rank, (firstRow + count) * rank),
        rank,
        scale,
      );
      await this.#inTurn(() => this.#add(rows, { a, factors, rank }));
      if (magnitude === undefined) return;
      for (let i = 0; i < count; i++) {
        const row = rows.subarray(i * inputs, (i + 1) * inputs);
        const gain = (magnitude[firstRow + i] as number) / lengthOf(row);
        for (let j = 0; j < row.length; j++) (row[j] as number) *= gain;
      }
    };
  }

  /**
   * What DoRA does to the outputs of a layer (`LowRank.dora`): gain m/‖W + s·B·A‖ and shift b·(1 − gain), from the layer's
   * weight W and bias b on disk.
   */
  async dora(
    source: LowRankSource,
    values: LowRankValues,
    base: { weight: ParameterSource; bias: ParameterSource },
  ): Promise<{ gain: Float32Array; shift: Float32Array }> {
    const { magnitude, ...plain } = values;
    invariant(magnitude !== undefined, "an adapter with DoRA has magnitudes");
    const { inputs, outputs } = source.module;
    const gain = new Float32Array(outputs);
    let row = 0;
    for await (const rows of valuesOf(base.weight, this.change(source, plain)))
      for (let at = 0; at < rows.length; at += inputs, row++)
        gain[row] = (magnitude[row] as number) / lengthOf(rows.subarray(at, at + inputs));
    const shift = new Float32Array(outputs);
    let i = 0;
    for await (const biases of valuesOf(base.bias))
      for (const bias of biases) {
        shift[i] = bias * (1 - (gain[i] as number));
        i++;
      }
    return { gain, shift };
  }

  /** `rows += factorsᵀ·a`, with `a` [r, K] and `factors` [r, n]. */
  async #add(
    rows: Float32Array,
    { a, factors, rank }: { a: Float32Array; factors: Float32Array; rank: number },
  ): Promise<void> {
    const { graph, w, left, right, sum } = this.#sumOf(
      factors.length / rank,
      a.length / rank,
      rank,
    );
    w.write(rows);
    left.write(factors);
    right.write(a);
    await graph.compute();
    rows.set(sum.read());
  }

  /** The graph for chunks of one size, of which there are many in a row. */
  #sumOf(count: number, inputs: number, rank: number): Sum {
    const key = `${count} ${inputs} ${rank}`;
    if (this.#sum?.key === key) return this.#sum;
    this.#sum?.graph[Symbol.dispose]();
    this.#sum = undefined;
    const graph = new Graph(this.#backend, { maxNodes: 8 });
    const w = graph.input("f32", [count, inputs]);
    const left = graph.input("f32", [rank, count]);
    const right = graph.input("f32", [rank, inputs]);
    const sum = add(w, outerProduct(left, right)); // [n, K]
    graph.output(sum);
    graph.allocate();
    this.#sum = { key, graph, w, left, right, sum };
    return this.#sum;
  }

  /** The backend computes one graph at a time. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  [Symbol.dispose](): void {
    this.#sum?.graph[Symbol.dispose]();
    this.#backend[Symbol.dispose]();
  }
}

/** `scale · bᵀ`: `[n, r]` → `[r, n]` */
function transposed(b: Float32Array, rank: number, scale: number): Float32Array {
  const count = b.length / rank;
  const turned = new Float32Array(b.length);
  for (let i = 0; i < count; i++)
    for (let k = 0; k < rank; k++) turned[k * count + i] = scale * (b[i * rank + k] as number);
  return turned;
}

function lengthOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

/** The values of a parameter as f32, a chunk of rows at a time. */
async function* valuesOf(
  parameter: ParameterSource,
  change?: RowChange,
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const bytes of recode(parameter, "f32", { change }))
    yield new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

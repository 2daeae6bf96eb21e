/**
 * The effects of all edges estimated from gradients, for little more than two forward passes and one backward.
 *
 * All heads of a layer read the same x; only what comes back to it differs. So the stream, its norm and the projections are
 * computed once for all, and nothing of the size of targets × stream but what the products with the heads' weights give:
 *
 *   ∂m/∂x_n = (d_n·W_n − x̂ · mean(d_n · q_n)) / σ       x̂ = (x − mean(x))/σ,  q_n = x̂·W_nᵀ,  d_n = ∂m/∂q_n
 *
 * since the norm is folded into W_n, whose rows are centred. The second part is a product with x̂, and is taken off as one.
 *
 * B starts of one text, T positions, N heads, H head size, D width, S sources, V vocabulary.
 */
import { LabError } from "../../base/errors.ts";
import { maskValues } from "../../model/mask.ts";
import { gradients } from "../../tensor/autograd/gradients.ts";
import { Graph } from "../../tensor/graph.ts";
import {
  assign,
  contiguous,
  div,
  matmul,
  matmulTransposed,
  mul,
  permute,
  reshape,
  scale,
  slice,
  sub,
  sumAll,
  sumLast,
  sumTo,
  takeRows,
} from "../../tensor/ops/index.ts";
import { TensorStore } from "../../tensor/store.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { TaskPair } from "../tasks/task.ts";
import { outOfHeads, portOfHeads } from "./attend.ts";
import type { CircuitModel, CircuitParts } from "./circuit-model.ts";
import { recordDensePass, type DenseLayer, type DensePass } from "./dense-pass.ts";
import type { Linear } from "./weights.ts";

/** Where gradients are taken: in the clean run, or at the middles of equal steps from the clean embeddings to the corrupted. */
export type Starts = "clean" | { steps: number };

/** The change of the logit difference by each edge, in the order of `circuit.graph`. */
export async function estimatedEdges(
  circuit: CircuitModel,
  { clean, corrupted, right, wrong }: Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">,
  starts: Starts,
): Promise<Float64Array> {
  const { vocabSize } = circuit.config;
  const tokens = [...right, ...wrong];
  const none = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (none !== undefined) throw new LabError("bad_input", `there is no token ${none}`);
  const [from, to] = [circuit.embeddings(clean), circuit.embeddings(corrupted)];
  const steps = starts === "clean" ? 1 : starts.steps;
  const key = `estimate ${clean.length} ${tokens.length} ${starts === "clean" ? starts : steps}`;
  const shape = { length: clean.length, tokens: tokens.length, starts };
  return circuit.withRecorded(
    key,
    (parts) => recordEstimate(parts, shape),
    async ({ graph, inputs, scores }) => {
      inputs.clean.write(from);
      inputs.corrupted.write(to);
      inputs.between?.write(between(from, to, steps));
      inputs.tokens.write(Int32Array.from(tokens));
      inputs.shares.write(
        Float32Array.from(tokens, (_, i) =>
          i < right.length ? 1 / right.length : -1 / wrong.length,
        ),
      );
      await graph.compute();
      // Targets one after another, each with the sources before it: the order of edges.
      const result = new Float64Array(circuit.graph.edges);
      let edge = 0;
      for (const tensor of scores)
        for (const value of tensor.read()) result[edge++] = value / steps;
      return result;
    },
  );
}

/** The middles of `steps` equal parts of the way, `[steps, T, D]`. */
function between(from: Float32Array, to: Float32Array, steps: number): Float32Array {
  const found = new Float32Array(steps * from.length);
  for (let step = 0; step < steps; step++) {
    const share = (step + 0.5) / steps;
    for (let i = 0; i < from.length; i++)
      found[step * from.length + i] = (1 - share) * (from[i] as number) + share * (to[i] as number);
  }
  return found;
}

interface RecordedEstimate extends Disposable {
  graph: Graph;
  inputs: {
    clean: Tensor; // [1, T, D]
    corrupted: Tensor;
    /** `[B, T, D]`; undefined where the gradient is taken in the clean run. */
    between: Tensor | undefined;
    tokens: Tensor;
    shares: Tensor;
  };
  /** Σ over starts, targets of one kind `[n, S]` after another. */
  scores: readonly Tensor[];
}

function recordEstimate(
  { backend, weights, config, sources }: CircuitParts,
  { length, tokens, starts }: { length: number; tokens: number; starts: Starts },
): RecordedEstimate {
  const { width, layers } = config;
  const variants = starts === "clean" ? 1 : starts.steps;
  const graph = new Graph(backend, { maxNodes: 1024 * (1 + layers) });
  const store = new TensorStore(1);
  const dispose = (): void => {
    graph[Symbol.dispose]();
    store[Symbol.dispose]();
  };
  try {
    const [stored] = store.create(backend.bufferType, [
      { name: "changes", dtype: "f32", shape: [sources.sources.length, length * width] },
    ]) as [Tensor];
    const changes = graph.use(stored); // [S, T·D]
    const text = (count: number, name: string): Tensor =>
      graph.input("f32", [count, length, width], name);
    const inputs = {
      clean: text(1, "clean"),
      corrupted: text(1, "corrupted"),
      between: starts === "clean" ? undefined : text(variants, "between"),
      tokens: graph.input("i32", [tokens], "tokens"),
      shares: graph.input("f32", [1, tokens], "shares"),
    };
    const positions = graph.input("i32", [variants * length], "positions");
    const mask = graph.input("f32", [1, 1, length, length], "mask");
    const dense = (start: Tensor): DensePass => {
      const places = slice(positions, { axis: 0, start: 0, length: start.dim(0) * length });
      return recordDensePass({ weights, config }, { start, positions: places, mask });
    };
    const [corrupted, clean] = [dense(inputs.corrupted), dense(inputs.clean)];
    recordChanges(graph, { weights, config, changes }, { clean, corrupted });
    const pass = inputs.between === undefined ? clean : dense(inputs.between);
    // The logit difference is a product with one direction: no logit of another token is computed.
    const direction = matmul(inputs.shares, takeRows(weights.head.weight, inputs.tokens)); // [1, D]
    const loss = sumAll(mul(pass.last, direction));
    const read = pass.layers.flatMap(({ ports, mlpRead }) =>
      mlpRead === undefined ? ports : [...ports, mlpRead],
    );
    const slopes = gradients(loss, [...read, pass.end]);
    const scores = recordScores(graph, { weights, config, changes }, { pass, slopes });
    graph.output(...scores);
    graph.allocate();
    positions.write(Int32Array.from({ length: variants * length }, (_, i) => i % length));
    mask.write(maskValues(mask, (row, cell) => cell <= row));
    return { graph, inputs, scores, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

type Recording = Pick<CircuitParts, "weights" | "config"> & { changes: Tensor };

/** Puts corrupted − clean of what every source writes into `changes`. */
function recordChanges(
  graph: Graph,
  { weights, config, changes }: Recording,
  { clean, corrupted }: Record<"clean" | "corrupted", DensePass>,
): void {
  let source = 0;
  const put = (values: Tensor): void => {
    const rows = reshape(values, [-1, changes.dim(1)]);
    const place = slice(changes, { axis: 0, start: source, length: rows.dim(0) });
    graph.require(assign(place, rows));
    source += rows.dim(0);
  };
  put(sub(corrupted.start, clean.start));
  weights.blocks.forEach((block, l) => {
    const [before, after] = [clean.layers[l] as DenseLayer, corrupted.layers[l] as DenseLayer];
    put(matmulTransposed(sub(after.z, before.z), outOfHeads(graph, block.out, config)));
    if (before.mlpOut !== undefined && after.mlpOut !== undefined)
      put(sub(after.mlpOut, before.mlpOut));
  });
}

/** @param given.slopes - with respect to the ports and what the MLP reads of each layer, and last to the end of the stream */
function recordScores(
  graph: Graph,
  { weights, config, changes }: Recording,
  { pass, slopes }: { pass: DensePass; slopes: readonly Tensor[] },
): Tensor[] {
  const { heads, headSize, width } = config;
  const [variants, length] = pass.start.shape as [number, number, number];
  const remaining = slopes.values();
  const next = (): Tensor => remaining.next().value as Tensor;
  let sources = 1;
  const earlier = (): Tensor => slice(changes, { axis: 0, start: 0, length: sources }); // [S, T·D]
  /** Of what reads the stream itself, `[B, T, D]` → `[1, S]`. */
  const whole = (slope: Tensor): Tensor =>
    matmulTransposed(reshape(sumTo(slope, [1, length, width]), [1, -1]), earlier());
  const scores: Tensor[] = [];
  weights.blocks.forEach((block, l) => {
    const { ports, unit, deviation, mlpRead } = pass.layers[l] as DenseLayer;
    // change · x̂ at each position, [S, T·B]
    const rows = permute(reshape(earlier(), [sources, length, width]), [1, 0, 2]); // [T, S, D]
    const along = matmulTransposed(rows, permute(unit, [1, 0, 2])); // [T, S, B]
    const flat = reshape(contiguous(permute(along, [1, 0, 2])), [sources, -1]);
    ports.forEach((port, i) => {
      const { weight, bias } = portOfHeads(graph, block.ports[i] as Linear, config);
      const split = (x: Tensor): Tensor => reshape(x, [variants, length, heads, headSize]);
      const d = split(div(reshape(next(), [variants, length, -1]), deviation)); // [B, T, N, H]
      const read = matmul(permute(d, [0, 2, 1, 3]), weight); // [B, N, T, D]
      const summed = reshape(sumTo(read, [1, heads, length, width]), [heads, -1]); // [N, T·D]
      const straight = matmulTransposed(summed, earlier()); // [N, S]
      const own = sub(split(port), permute(bias, [1, 0, 2])); // [B, T, N, H]
      const share = scale(sumLast(mul(d, own)), 1 / width); // [B, T, N, 1]
      const shares = reshape(contiguous(permute(share, [2, 1, 0, 3])), [heads, -1]); // [N, T·B]
      scores.push(sub(straight, matmulTransposed(shares, flat)));
    });
    if (mlpRead !== undefined) scores.push(whole(next()));
    sources += heads + (mlpRead === undefined ? 0 : 1);
  });
  scores.push(whole(next()));
  return scores;
}

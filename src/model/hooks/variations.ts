/**
 * Many variants of one text, each with edits of its own: a pass over what can differ. A variant begins at the first layer
 * that is edited, with the residual stream that the text has there; and since attention looks back only, at the first
 * position that is edited: keys and values before it are the text's.
 *
 * V variants, T tokens of the text, Q query positions (the last Q of T), R rows of all variants together, D model width.
 */
import { LabError } from "../../base/errors.ts";
import type { Backend } from "../../engine/backend.ts";
import type { Executor } from "../../engine/executor.ts";
import { Graph } from "../../tensor/graph.ts";
import { takeRows } from "../../tensor/ops/index.ts";
import { TensorStore } from "../../tensor/store.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { attendToText } from "../attention.ts";
import type { ModelConfig } from "../model-config.ts";
import type { HookPoint } from "../hook-points.ts";
import { maskValues } from "../mask.ts";
import { forward } from "../forward.ts";
import { EditApplier } from "./apply.ts";
import type { Capture } from "./capture.ts";
import { EditedCells } from "./edited-cells.ts";
import type { PlannedEdit } from "./edits.ts";
import { MetricReader, type PlannedMetric } from "./metric.ts";
import { keyHook, partsOf, POSITION_HOOK } from "./names.ts";
import type { PassModel } from "./pass.ts";
import type { Captured } from "./read.ts";
import { resolvePositions, type RowLayout } from "./rows.ts";

/** Where a variant begins to differ from its text. */
export interface Start {
  layer: number;
  position: number;
}

/**
 * Where edits begin to have an effect in a text of `length` tokens; undefined where they have none.
 *
 * @throws LabError `bad_input` for positions outside the text
 */
export function startOf(
  edits: readonly PlannedEdit[],
  length: number,
  config: ModelConfig,
): Start | undefined {
  const starts = edits.map(({ hook, positions }): Start => {
    const { layer, kind } = partsOf(hook);
    // A variant begins with the stream of the text, which in GPT-2 is the sum of two of these.
    if (config.architecture === "gpt2" && (kind === "hook_embed" || kind === POSITION_HOOK))
      throw new LabError("unsupported", `${hook}: sweeps of GPT-2 do not edit it`, {
        hint: "Edit blocks.0.hook_resid_pre, the sum of hook_embed and hook_pos_embed.",
      });
    const outside = kind === "hook_embed" ? 0 : config.layers - 1;
    const places = positions === undefined ? [0] : resolvePositions(positions, length, hook);
    return { layer: layer ?? outside, position: Math.min(...places) };
  });
  if (starts.length === 0) return undefined;
  return {
    layer: Math.min(...starts.map(({ layer }) => layer)),
    position: Math.min(...starts.map(({ position }) => position)),
  };
}

/** What a text must have kept for its variants from a layer on. */
export function textCaptures(config: ModelConfig, from: number): Capture[] {
  return Array.from({ length: config.layers - from }, (_, i): Capture[] => [
    `blocks.${from + i}.hook_resid_pre`,
    keyHook(from + i, config),
    `blocks.${from + i}.attn.hook_v`,
  ]).flat();
}

/** The streams, keys and values of a text, in memory that graphs read. */
export class TextState implements Disposable {
  readonly length: number;
  readonly #store: TensorStore;
  readonly #tensors: ReadonlyMap<HookPoint, Tensor>;

  constructor(backend: Backend, captured: readonly Captured[], length: number) {
    this.length = length;
    this.#store = new TensorStore(captured.length);
    const specs = captured.map(({ hook, values }) => ({
      name: hook,
      dtype: "f32" as const,
      shape: [length, values.length / length],
    }));
    try {
      const tensors = this.#store.create(backend.bufferType, specs);
      captured.forEach(({ values }, i) => tensors[i]?.write(values));
      this.#tensors = new Map(captured.map(({ hook }, i) => [hook, tensors[i] as Tensor]));
    } catch (error) {
      this.#store[Symbol.dispose]();
      throw error;
    }
  }

  /** `[T, D]` or `[T, N·H]`, as part of a graph. */
  in(graph: Graph, hook: HookPoint): Tensor {
    const tensor = this.#tensors.get(hook);
    if (tensor === undefined) throw new LabError("internal", `internal: the text has no ${hook}`);
    return graph.use(tensor);
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** Variants that begin at one layer, computed together. */
export interface VariantBatch {
  layer: number;
  /** Of each variant: the position at which it begins. */
  positions: readonly number[];
  /** The edits of all; `prompts` of each names its variants. */
  edits: readonly PlannedEdit[];
  /** For as many prompts as there are variants, all of them the text. */
  metric: PlannedMetric;
}

/** The metric of each variant, `[V]`. */
export async function runVariants(
  model: PassModel,
  text: TextState,
  { layer, positions, edits, metric }: VariantBatch,
  { executor, signal }: { executor: Executor; signal?: AbortSignal },
): Promise<Float32Array> {
  const { weights, config, backend, mode, adapterNodes } = model;
  const { length } = text;
  const count = positions.length;
  const first = Math.min(...positions);
  const queries = length - first; // Q
  const rows = positions.flatMap((start, prompt) =>
    Array.from({ length: length - start }, (_, i) => ({ prompt, position: start + i })),
  );
  const starts = positions.map((_, v) => rows.findIndex(({ prompt }) => prompt === v));
  const rowOf = (v: number, t: number): number =>
    (starts[v] as number) + t - (positions[v] as number);
  const wanted = metric.positions.flatMap((list, v) => list.map((t) => rowOf(v, t)));
  // A position before a variant's own is padding: its query is some row, and nobody reads what it gets.
  const padded = positions.flatMap((start, prompt) =>
    Array.from({ length: queries }, (_, i) =>
      first + i < start ? undefined : { prompt, position: first + i },
    ),
  );
  const layout: RowLayout = {
    rows,
    cut: { rows: wanted, after: "attention" },
    arrangement: { kind: "within", length: queries, tokens: padded },
    lengths: positions.map(() => length),
  };
  const cells = new EditedCells(edits, { layout, config, within: true });
  const nodes = 96 + 96 * (config.layers - layer) + adapterNodes + cells.nodes;
  using graph = new Graph(backend, { maxNodes: nodes, executor });
  const list = (n: number): Tensor => graph.input("i32", [n]);
  const [places, queryRows, keyRows, back] = [
    list(rows.length),
    list(count * queries),
    list(count * length),
    list(rows.length),
  ] as const;
  const logitRows = list(wanted.length);
  const mask = graph.input(mode === "fast" ? "f16" : "f32", [1, 1, queries, length], "mask");
  const attend = attendToText(
    {
      count,
      text: (l) => ({
        k: text.in(graph, keyHook(l, config)),
        v: text.in(graph, `blocks.${l}.attn.hook_v`),
      }),
      queries: queryRows,
      keys: keyRows,
      rows: back,
      mask,
    },
    { fused: mode === "fast" },
  );
  const editor = new EditApplier(graph, cells);
  const stream = takeRows(text.in(graph, `blocks.${layer}.hook_resid_pre`), places); // [R, D]
  const logits = forward(
    weights,
    config,
    {
      ids: places,
      positions: places,
      attend,
      logitRows,
      start: { layer, stream: editor.apply("hook_embed", stream) },
    },
    { mode, tap: editor.tap },
  );
  const reader = new MetricReader(graph, logits, metric);
  graph.allocate();
  places.write(Int32Array.from(rows, ({ position }) => position));
  queryRows.write(
    Int32Array.from(padded, (token) =>
      token === undefined ? 0 : rowOf(token.prompt, token.position),
    ),
  );
  keyRows.write(
    Int32Array.from({ length: count * length }, (_, i) => {
      const [v, t] = [Math.floor(i / length), i % length];
      return t < (positions[v] as number) ? t : length + rowOf(v, t);
    }),
  );
  back.write(Int32Array.from(rows, ({ prompt, position }) => prompt * queries + position - first));
  logitRows.write(Int32Array.from(wanted));
  mask.write(maskValues(mask, (row, cell) => cell <= first + row));
  reader.write(metric, (v, t) => wanted.indexOf(rowOf(v, t)));
  await editor.compute(cells, signal === undefined ? {} : { signal });
  return reader.values.read();
}

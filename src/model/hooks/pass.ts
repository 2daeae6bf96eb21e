/**
 * A forward pass over whole prompts, without a cache, in a graph that keeps what was asked for. It can be computed again
 * for other prompts of the same lengths.
 *
 * B prompts, T tokens of the longest, R = B·T rows: shorter prompts are padded at their end, where no token of theirs
 * looks.
 */
import type { Mode } from "../../base/settings.ts";
import type { Backend } from "../../engine/backend.ts";
import { Graph } from "../../tensor/graph.ts";
import { gradients } from "../../tensor/autograd/gradients.ts";
import { scale, sumAll, takeRows } from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { attendWithin } from "../attention.ts";
import type { ModelConfig } from "../model-config.ts";
import type { About, HookPoint, Tap } from "../hook-points.ts";
import { maskValues } from "../mask.ts";
import { forward, type ModelWeights } from "../forward.ts";
import { EditApplier } from "./apply.ts";
import type { PlannedCapture } from "./capture.ts";
import { EditedCells } from "./edited-cells.ts";
import type { PlannedEdit } from "./edits.ts";
import { MetricReader, type PlannedMetric } from "./metric.ts";
import { isAfterLastAttention, isOptional, partsOf } from "./names.ts";
import { CaptureReader, type Captured } from "./read.ts";
import type { RowLayout } from "./rows.ts";

/** What a pass computes with. */
export interface PassModel {
  weights: ModelWeights;
  config: ModelConfig;
  backend: Backend;
  mode: Mode;
  /** Operations that an adapter adds. */
  adapterNodes: number;
}

export interface PassRequest {
  prompts: readonly (readonly number[])[];
  captures: readonly PlannedCapture[];
  edits: readonly PlannedEdit[];
  metric?: PlannedMetric | undefined;
  /** Of which values the metric's gradient is wanted, and what of it. */
  gradients: readonly PlannedCapture[];
}

/** A request whose rows are laid out. */
export interface LaidOutRequest extends PassRequest {
  length: number;
  layout: RowLayout;
  cells: EditedCells;
}

export interface PassResult {
  captured: Captured[];
  /** The metric of each prompt, where one was asked for. */
  metric: Float32Array | undefined;
  /** Of each prompt's metric with respect to its values. */
  gradients: Captured[];
  /** Logits `[B, V]` of the token after each prompt. */
  logits: Float32Array;
}

export class Pass implements Disposable {
  readonly #graph: Graph;
  readonly #ids: Tensor;
  readonly #logits: Tensor;
  readonly #editor: EditApplier;
  readonly #reader: CaptureReader;
  readonly #gradients: CaptureReader;
  readonly #metric: MetricReader | undefined;

  constructor(model: PassModel, request: LaidOutRequest) {
    const { weights, config, backend, mode } = model;
    const { prompts, captures, layout, cells, length, metric } = request;
    const { cut } = layout;
    const ends = prompts.map((ids, b) => b * length + ids.length - 1);
    this.#graph = new Graph(backend, { maxNodes: maxNodes(model, request) });
    const graph = this.#graph;
    try {
      const rows = layout.rows.length;
      this.#ids = graph.input("i32", [rows], "ids");
      const positions = graph.input("i32", [rows], "positions");
      const mask = graph.input(mode === "fast" ? "f16" : "f32", [1, 1, length, length], "mask");
      const logitRows = cut && graph.input("i32", [cut.rows.length], "logit rows");
      const places = graph.input("i32", [ends.length], "ends");
      const reader = new CaptureReader(captures, { graph, config, layout });
      const slopes = new CaptureReader(request.gradients, { graph, config, layout });
      const editor = new EditApplier(graph, cells);
      [this.#reader, this.#gradients, this.#editor] = [reader, slopes, editor];
      const used = new Map<HookPoint, Tensor>();
      const tap: Tap = Object.assign(
        (point: HookPoint, value: Tensor, about?: About) => {
          let edited = editor.apply(point, value, about);
          // Copies of the stream are used only where they differ from it, and have no gradient otherwise.
          if (slopes.wants(point) && isOptional(point) && edited === value)
            edited = scale(value, 1);
          if (slopes.wants(point)) used.set(point, edited);
          // An edited value is no longer the sum of its heads.
          reader.take(point, edited, edited === value ? about : {});
          return edited;
        },
        {
          wants: (point: HookPoint) =>
            reader.wants(point) || editor.wants(point) || slopes.wants(point),
        },
      );
      const attend = attendWithin({ batch: prompts.length, mask }, { fused: mode === "fast" });
      const logits = forward(
        weights,
        config,
        {
          ids: this.#ids,
          positions,
          attend,
          ...(logitRows === undefined ? {} : { logitRows }),
          wholeLastBlock: cut?.after === "blocks",
        },
        { mode, tap },
      ); // [R or K, V]
      this.#logits = takeRows(logits, places); // [B, V]
      graph.output(this.#logits);
      this.#metric = metric && new MetricReader(graph, logits, metric);
      if (this.#metric !== undefined && used.size > 0) {
        const found = gradients(sumAll(this.#metric.values), [...used.values()]);
        [...used.keys()].forEach((point, i) => {
          slopes.take(point, found[i] as Tensor);
        });
      }
      graph.allocate();
      positions.write(Int32Array.from({ length: rows }, (_, row) => row % length));
      mask.write(maskValues(mask, (row, cell) => cell <= row));
      logitRows?.write(Int32Array.from(cut?.rows ?? []));
      places.write(Int32Array.from(ends, (end) => cut?.rows.indexOf(end) ?? end));
      reader.prepare();
      slopes.prepare();
    } catch (error) {
      graph[Symbol.dispose]();
      throw error;
    }
  }

  /** Bytes of all values in the graph. */
  get sizeBytes(): number {
    return this.#graph.executor.sizeBytes;
  }

  /** Computes it for a request of the same form. */
  async run(request: LaidOutRequest, options: { signal?: AbortSignal } = {}): Promise<PassResult> {
    const { prompts, captures, cells, length, layout, metric } = request;
    const ids = new Int32Array(prompts.length * length);
    prompts.forEach((prompt, b) => {
      ids.set(prompt, b * length);
    });
    this.#ids.write(ids);
    this.#reader.write(captures);
    this.#gradients.write(request.gradients);
    const { cut } = layout;
    if (metric !== undefined)
      this.#metric?.write(metric, (b, position) => {
        const row = b * length + position;
        return cut?.rows.indexOf(row) ?? row;
      });
    await this.#editor.compute(cells, options);
    return {
      captured: this.#reader.read(captures),
      metric: this.#metric?.values.read(),
      gradients: this.#gradients.read(request.gradients),
      logits: this.#logits.read(),
    };
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
  }
}

/**
 * Finds the rows of a request.
 *
 * @throws LabError `bad_input` for edits of prompts and positions that are not there
 */
export function layOut(request: PassRequest, config: ModelConfig): LaidOutRequest {
  const { prompts, captures, edits, metric } = request;
  const lengths = prompts.map((ids) => ids.length);
  const length = Math.max(...lengths);
  const ends = lengths.map((n, b) => b * length + n - 1);
  const measured = metric?.positions.flatMap((list, b) => list.map((p) => b * length + p)) ?? [];
  // A gradient has a row wherever its value has one.
  const kept = [...captures, ...request.gradients.map(({ hook }) => ({ hook }))];
  const cut = cutOf(kept, { wanted: [...ends, ...measured], length, config });
  const layout = layoutOf(lengths, length, cut);
  const cells = new EditedCells(edits, { layout, config, within: true });
  return { ...request, length, layout, cells };
}

/**
 * Which rows go on after the last attention or, where values of the last block are wanted of others too, after the
 * blocks: those whose logits are `wanted`, and those of which late values are; undefined for all.
 */
function cutOf(
  captures: readonly Pick<PlannedCapture, "hook" | "selected">[],
  {
    wanted: always,
    length,
    config,
  }: { wanted: readonly number[]; length: number; config: ModelConfig },
): RowLayout["cut"] {
  const rowsOf = ({ selected }: Pick<PlannedCapture, "selected">): number[] | undefined =>
    selected?.flatMap((positions, b) => positions.map((p) => b * length + p));
  const wanted = new Set(always);
  const late = captures.filter(({ hook }) => isAfterLastAttention(hook, config));
  for (const capture of late) {
    if (partsOf(capture.hook).layer !== undefined) continue;
    const rows = rowsOf(capture);
    if (rows === undefined) return undefined;
    for (const row of rows) wanted.add(row);
  }
  const whole = late.some((capture) => rowsOf(capture)?.every((row) => wanted.has(row)) !== true);
  return { rows: [...wanted].sort((a, b) => a - b), after: whole ? "blocks" : "attention" };
}

function layoutOf(lengths: readonly number[], length: number, cut: RowLayout["cut"]): RowLayout {
  const rows = lengths.flatMap((own, prompt) =>
    Array.from({ length }, (_, position) => (position < own ? { prompt, position } : undefined)),
  );
  const arrangement = { kind: "within", length, tokens: rows } as const;
  return { rows, arrangement, lengths, ...(cut === undefined ? {} : { cut }) };
}

/** Bounds the operations of a pass: ggml wants to know before. */
function maxNodes(
  { config, adapterNodes }: PassModel,
  { captures, cells, gradients }: LaidOutRequest,
): number {
  const captured = [...captures, ...gradients].reduce(
    (sum, { hook }) => sum + (hook.endsWith("hook_result") ? 24 * config.heads : 24),
    0,
  );
  const forward = 64 + 160 * config.layers + adapterNodes + captured + cells.nodes;
  return gradients.length === 0 ? forward : 6 * forward;
}

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
import { takeRows } from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { attendWithin } from "../attention.ts";
import type { PhiConfig } from "../config.ts";
import type { About, HookPoint, Tap } from "../hook-points.ts";
import { phi, type PhiWeights } from "../phi.ts";
import type { PlannedCapture } from "./capture.ts";
import { isAfterLastAttention, partsOf } from "./names.ts";
import { CaptureReader, type Captured } from "./read.ts";
import type { RowLayout } from "./rows.ts";

/** What a pass computes with. */
export interface PassModel {
  weights: PhiWeights;
  config: PhiConfig;
  backend: Backend;
  mode: Mode;
  /** Operations that an adapter adds. */
  adapterNodes: number;
}

export interface PassRequest {
  prompts: readonly (readonly number[])[];
  captures: readonly PlannedCapture[];
}

export interface PassResult {
  captured: Captured[];
  /** Logits `[B, V]` of the token after each prompt. */
  logits: Float32Array;
}

const NEGATIVE_INFINITY = { f16: 0xfc00, f32: -Infinity };

export class Pass implements Disposable {
  readonly #graph: Graph;
  readonly #ids: Tensor;
  readonly #logits: Tensor;
  readonly #reader: CaptureReader;
  readonly #length: number;

  constructor(model: PassModel, { prompts, captures }: PassRequest) {
    const { weights, config, backend, mode } = model;
    const lengths = prompts.map((ids) => ids.length);
    const length = Math.max(...lengths);
    const ends = lengths.map((n, b) => b * length + n - 1);
    const cut = cutOf(captures, { ends, length, config });
    const layout = layoutOf(lengths, length, cut);
    const maskType = mode === "fast" ? "f16" : "f32";
    this.#length = length;
    this.#graph = new Graph(backend, { maxNodes: maxNodes(model, captures) });
    const graph = this.#graph;
    try {
      const rows = layout.rows.length;
      this.#ids = graph.input("i32", [rows], "ids");
      const positions = graph.input("i32", [rows], "positions");
      const mask = graph.input(maskType, [1, 1, length, length], "mask");
      const logitRows = cut && graph.input("i32", [cut.rows.length], "logit rows");
      const places = graph.input("i32", [ends.length], "ends");
      const reader = new CaptureReader(captures, { graph, config, layout });
      this.#reader = reader;
      const tap: Tap = Object.assign(
        (point: HookPoint, value: Tensor, about?: About) => {
          reader.take(point, value, about);
          return value;
        },
        { wants: (point: HookPoint) => reader.wants(point) },
      );
      const attend = attendWithin({ batch: prompts.length, mask }, { fused: mode === "fast" });
      const logits = phi(
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
      graph.allocate();
      positions.write(Int32Array.from({ length: rows }, (_, row) => row % length));
      mask.write(causalMask(length, maskType));
      logitRows?.write(Int32Array.from(cut?.rows ?? []));
      places.write(Int32Array.from(ends, (end) => cut?.rows.indexOf(end) ?? end));
      reader.prepare();
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
  async run(
    { prompts, captures }: PassRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<PassResult> {
    const ids = new Int32Array(prompts.length * this.#length);
    prompts.forEach((prompt, b) => {
      ids.set(prompt, b * this.#length);
    });
    this.#ids.write(ids);
    this.#reader.write(captures);
    await this.#graph.compute(options);
    return { captured: this.#reader.read(captures), logits: this.#logits.read() };
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
  }
}

/**
 * Which rows go on after the last attention or, where values of the last block are wanted of others too, after the
 * blocks: the last of each prompt, and those of which late values are wanted; undefined for all.
 */
function cutOf(
  captures: readonly PlannedCapture[],
  { ends, length, config }: { ends: readonly number[]; length: number; config: PhiConfig },
): RowLayout["cut"] {
  const rowsOf = ({ selected }: PlannedCapture): number[] | undefined =>
    selected?.flatMap((positions, b) => positions.map((p) => b * length + p));
  const wanted = new Set(ends);
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
  const arrangement = { kind: "within", length } as const;
  return { rows, arrangement, lengths, step: 0, ...(cut === undefined ? {} : { cut }) };
}

/** Bounds the operations of a pass: ggml wants to know before. */
function maxNodes(
  { config, adapterNodes }: PassModel,
  captures: readonly PlannedCapture[],
): number {
  const captured = captures.reduce(
    (sum, { hook }) => sum + (hook.endsWith("hook_result") ? 24 * config.heads : 24),
    0,
  );
  return 64 + 160 * config.layers + adapterNodes + captured;
}

/** 0 where a token may look, −∞ where not: `[T, T]`. */
function causalMask(length: number, type: "f16" | "f32"): Uint16Array | Float32Array {
  const values = new (type === "f16" ? Uint16Array : Float32Array)(length * length);
  for (let t = 0; t < length; t++)
    values.fill(NEGATIVE_INFINITY[type], t * length + t + 1, (t + 1) * length);
  return values;
}

/**
 * Captures in a graph: selects and reduces values where they are made, and copies the results out when it was computed.
 *
 * B prompts, P selected positions, N heads, n selected rows, W the last axis.
 */
import { invariant } from "../../base/errors.ts";
import type { Graph } from "../../tensor/graph.ts";
import {
  concat,
  contiguous,
  matmulTransposed,
  outerProduct,
  reshape,
  sqr,
  sqrt,
  sumLast,
  takeRows,
  topK,
} from "../../tensor/ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ModelConfig } from "../model-config.ts";
import type { About, HookPoint } from "../hook-points.ts";
import type { PlannedCapture } from "./capture.ts";
import { tailOf } from "./names.ts";
import { cellsOf, type RowLayout } from "./rows.ts";

/** A value that was kept. */
export interface Captured {
  readonly name: string;
  readonly hook: HookPoint;
  /** What each axis counts: `prompt`, `position`, `head`, `query`, `value`, `direction`, `rank`. */
  readonly axes: readonly string[];
  readonly shape: readonly number[];
  /** Row-major; rows of padding, behind the end of a shorter prompt, are 0. */
  readonly values: Float32Array;
  /** With `topK`: where the values stand, in the shape of `values`. */
  readonly ids?: Int32Array;
  /** The positions that were asked for; all where undefined. */
  readonly positions?: readonly (readonly number[])[];
  readonly heads?: readonly number[];
}

interface Kept {
  planned: PlannedCapture;
  values: Tensor;
  ids?: Tensor;
}

export class CaptureReader {
  readonly #graph: Graph;
  readonly #config: ModelConfig;
  readonly #layout: RowLayout;
  readonly #byHook = new Map<HookPoint, PlannedCapture[]>();
  readonly #kept = new Map<string, Kept>();
  /** What the graph reads and never changes; written when it has memory. */
  readonly #constants: { input: Tensor; values: Int32Array | Float32Array }[] = [];
  /** Directions may change from run to run. */
  readonly #directions: { name: string; input: Tensor }[] = [];

  constructor(
    planned: readonly PlannedCapture[],
    { graph, config, layout }: { graph: Graph; config: ModelConfig; layout: RowLayout },
  ) {
    this.#graph = graph;
    this.#config = config;
    this.#layout = layout;
    for (const capture of planned)
      this.#byHook.set(capture.hook, [...(this.#byHook.get(capture.hook) ?? []), capture]);
  }

  wants(point: HookPoint): boolean {
    return this.#byHook.has(point);
  }

  /** Records what is wanted of a value. */
  take(point: HookPoint, value: Tensor, { head }: About = {}): void {
    for (const planned of this.#byHook.get(point) ?? []) {
      const { reduce } = planned;
      const inParts = reduce === "norm" || (typeof reduce === "object" && "project" in reduce);
      const made: { values: Tensor; ids?: Tensor } =
        head !== undefined && inParts
          ? { values: this.#eachHead(planned, head) }
          : this.#make(planned, this.#select(planned, value));
      const values = contiguous(reshape(made.values, planned.shape));
      this.#graph.output(values, ...(made.ids === undefined ? [] : [made.ids]));
      this.#kept.set(planned.name, { planned, ...made, values });
    }
  }

  /** Heads one after another, so that what all of them add never lies in memory together. */
  #eachHead(planned: PlannedCapture, head: (n: number) => Tensor): Tensor {
    const heads = planned.heads ?? Array.from({ length: this.#config.heads }, (_, n) => n);
    const { heads: _, ...whole } = planned;
    const columns = heads.map((n) => {
      const { values } = this.#make(planned, this.#select(whole, head(n)));
      return reshape(values, [-1, 1, values.dim(-1)]); // [n, 1, K]
    });
    return columns.reduce((a, b) => concat(a, b, { axis: 1 })); // [n, N, K]
  }

  /** Rows `[n, W]` of the selected positions, heads and units. */
  #select(planned: PlannedCapture, value: Tensor): Tensor {
    const { hook, heads, selected, units } = planned;
    const width = value.dim(-1);
    let rows = value;
    if (selected !== undefined || heads !== undefined) {
      const tail = tailOf(hook, this.#config);
      const byHead = tail === "pattern" || (heads !== undefined && value.rank === 3);
      const table = reshape(contiguous(value), byHead ? [-1, width] : [value.dim(0), -1]);
      rows = takeRows(table, this.#constant(this.#ids(planned, byHead)));
    }
    rows = reshape(rows, [-1, width]);
    if (units === undefined) return rows;
    const count = rows.dim(0);
    const places = Int32Array.from({ length: count * units.length }, (_, i) => {
      const unit = units[i % units.length] as number;
      return Math.floor(i / units.length) * width + unit;
    });
    const singles = reshape(contiguous(rows), [count * width, 1]);
    return reshape(takeRows(singles, this.#constant(places)), [count, units.length]);
  }

  /** Numbers of the selected rows in a value's table, in the order of the selection. */
  #ids({ hook, heads, selected }: PlannedCapture, byHead: boolean): Int32Array {
    const { lengths } = this.#layout;
    const inPattern = tailOf(hook, this.#config) === "pattern";
    const allHeads = Array.from({ length: this.#config.heads }, (_, n) => n);
    const wanted = heads ?? (inPattern ? allHeads : undefined);
    const longest = Math.max(...lengths);
    const key = (prompt: number, position: number, head = 0): number =>
      (prompt * longest + position) * this.#config.heads + head;
    const options = byHead ? { heads: wanted } : {};
    const cells = cellsOf(hook, this.#layout, this.#config, options);
    const found = new Map(cells.map((c) => [key(c.prompt, c.position, c.head), c.index]));
    // Positions behind the end of a shorter prompt are set to 0 when they are read: any row will do.
    const at = (prompt: number, position: number, head?: number): number =>
      found.get(key(prompt, position, head)) ?? 0;
    const everywhere = Array.from({ length: longest }, (_, p) => p);
    return Int32Array.from(
      lengths.flatMap((_, b) => {
        const positions = selected?.[b] ?? everywhere;
        if (!byHead || wanted === undefined) return positions.map((p) => at(b, p));
        return inPattern
          ? wanted.flatMap((n) => positions.map((p) => at(b, p, n)))
          : positions.flatMap((p) => wanted.map((n) => at(b, p, n)));
      }),
    );
  }

  #make(planned: PlannedCapture, rows: Tensor): { values: Tensor; ids?: Tensor } {
    const { reduce } = planned;
    if (reduce === undefined) return { values: rows };
    if (reduce === "norm") return { values: sqrt(sumLast(sqr(rows))) };
    if (reduce === "mean") return { values: this.#mean(rows, planned) };
    if ("topK" in reduce) return topK(rows, reduce.topK);
    const directions = this.#graph.input("f32", [reduce.project.length, rows.dim(1)]);
    this.#directions.push({ name: planned.name, input: directions });
    return { values: matmulTransposed(rows, directions) };
  }

  /** Means over the positions of each prompt: `[B·P·N, W]` → `[B, N·W]`. */
  #mean(rows: Tensor, planned: PlannedCapture): Tensor {
    const { lengths } = this.#layout;
    const { selected } = planned;
    const prompts = lengths.length;
    const positions = selected?.[0]?.length ?? Math.max(...lengths);
    const shares = new Float32Array(prompts * positions * prompts);
    lengths.forEach((length, b) => {
      const counted = selected?.[b]?.length ?? length;
      for (let p = 0; p < counted; p++) shares[(b * positions + p) * prompts + b] = 1 / counted;
    });
    const weights = this.#constant(shares, [prompts * positions, prompts]);
    return outerProduct(weights, reshape(rows, [prompts * positions, -1]));
  }

  #constant(values: Int32Array | Float32Array, shape: readonly number[] = [values.length]): Tensor {
    const input = this.#graph.input(values instanceof Int32Array ? "i32" : "f32", shape);
    this.#constants.push({ input, values });
    return input;
  }

  /** Writes what selections read, once, when the graph has its memory. */
  prepare(): void {
    for (const { input, values } of this.#constants) input.write(values);
  }

  /** Writes the directions of captures of the same form as those that the graph was built for. */
  write(planned: readonly PlannedCapture[]): void {
    for (const { name, input } of this.#directions) {
      const reduce = planned.find((capture) => capture.name === name)?.reduce;
      invariant(typeof reduce === "object" && "project" in reduce, `${name} has directions`);
      input.write(Float32Array.from(reduce.project.flatMap((direction) => [...direction])));
    }
  }

  /** Copies the values of the last computation, in the order of the captures. */
  read(asked: readonly PlannedCapture[]): Captured[] {
    return asked.map(({ name }) => {
      const kept = this.#kept.get(name);
      invariant(kept !== undefined, `the pass never came by ${name}`);
      const { planned, values, ids } = kept;
      const { hook, axes, shape, selected, heads } = planned;
      const read = values.read();
      this.#clearPadding(planned, read);
      const sorted =
        ids === undefined
          ? { values: read }
          : sortRanks(read, ids.readInts(), shape.at(-1) as number);
      return {
        name,
        hook,
        axes,
        shape,
        ...sorted,
        ...(selected === undefined ? {} : { positions: selected }),
        ...(heads === undefined ? {} : { heads }),
      };
    });
  }

  /** Rows behind the end of a shorter prompt hold what the padding became. */
  #clearPadding({ axes, shape, selected }: PlannedCapture, values: Float32Array): void {
    const { lengths } = this.#layout;
    const axis = Math.max(axes.indexOf("position"), axes.indexOf("query"));
    if (selected !== undefined || axis < 0) return;
    const longest = shape[axis] as number;
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const middle = shape.slice(1, axis).reduce((a, b) => a * b, 1);
    lengths.forEach((length, b) => {
      for (let m = 0; length < longest && m < middle; m++) {
        const start = (b * middle + m) * longest;
        values.fill(0, (start + length) * inner, (start + longest) * inner);
      }
    });
  }
}

/** ggml gives the largest values in no particular order: each row from the largest down. */
function sortRanks(
  values: Float32Array,
  ids: Int32Array,
  k: number,
): { values: Float32Array; ids: Int32Array } {
  const order = Array.from({ length: k }, (_, i) => i);
  const [sortedValues, sortedIds] = [new Float32Array(values.length), new Int32Array(ids.length)];
  for (let start = 0; start < values.length; start += k) {
    const value = (i: number): number => values[start + i] as number;
    const ranks = [...order].sort(
      (a, b) => value(b) - value(a) || (ids[start + a] as number) - (ids[start + b] as number),
    );
    ranks.forEach((from, to) => {
      sortedValues[start + to] = value(from);
      sortedIds[start + to] = ids[start + from] as number;
    });
  }
  return { values: sortedValues, ids: sortedIds };
}

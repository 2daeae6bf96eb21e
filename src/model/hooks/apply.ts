/**
 * Edits in a graph: each takes the rows that it changes out of a value, makes others of them, and puts these back. Rows
 * that no edit changes keep their bits.
 *
 * n rows that are edited, W width of a row, K directions.
 */
import { invariant, LabError } from "../../base/errors.ts";
import type { Graph } from "../../tensor/graph.ts";
import {
  add,
  broadcastTo,
  clamp,
  contiguous,
  fill,
  matmulTransposed,
  mul,
  putRows,
  reshape,
  scale,
  sub,
  takeRows,
} from "../../tensor/ops/index.ts";
import { describeShape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { About, HookPoint, Tap } from "../hook-points.ts";
import type { EditedCells, EditGroup } from "./edited-cells.ts";
import type { CallbackPlace } from "./edits.ts";
import type { EditValue } from "./edit-value.ts";

/** What a graph reads for a group of edits. */
type Writer = (group: EditGroup, cells: EditedCells) => void;

interface Callback {
  rows: Tensor;
  result: Tensor;
  place: { hook: HookPoint; sequence: number | undefined; group: number };
}

export class EditApplier {
  readonly #graph: Graph;
  readonly #cells: EditedCells;
  /** In the order of the groups of each place. */
  readonly #writers: {
    hook: HookPoint;
    sequence: number | undefined;
    group: number;
    write: Writer;
  }[] = [];
  readonly #callbacks: Callback[] = [];

  constructor(graph: Graph, cells: EditedCells) {
    this.#graph = graph;
    this.#cells = cells;
  }

  /** What the forward pass calls where nothing but edits is wanted. */
  get tap(): Tap {
    return Object.assign(
      (point: HookPoint, value: Tensor, about?: About) => this.apply(point, value, about),
      { wants: (point: HookPoint) => this.wants(point) },
    );
  }

  wants(point: HookPoint): boolean {
    return this.#cells.has(point);
  }

  /** The value with its edits. */
  apply(hook: HookPoint, value: Tensor, { sequence }: About = {}): Tensor {
    return this.#cells
      .at(hook, sequence)
      .reduce((x, group, i) => this.#edited(x, group, { hook, sequence, group: i }), value);
  }

  #edited(value: Tensor, group: EditGroup, place: Callback["place"]): Tensor {
    const width = value.dim(-1);
    const later = (write: Writer): void => {
      this.#writers.push({ ...place, write });
    };
    const table = reshape(contiguous(value), [-1, width]); // [rows, W]
    const { cells } = group;
    if (cells === "all") return reshape(this.#changed(table, group, { place, later }), value.shape);
    const ids = this.#graph.input("i32", [cells.length]);
    later((now) => {
      ids.write(Int32Array.from(listed(now), ({ index }) => index));
    });
    const rows = this.#changed(takeRows(table, ids), group, { place, later });
    return reshape(putRows(scale(table, 1), rows, ids), value.shape);
  }

  /** Rows `[n, W]` as the edit leaves them. */
  #changed(
    rows: Tensor,
    group: EditGroup,
    { place, later }: { place: Callback["place"]; later: (write: Writer) => void },
  ): Tensor {
    const { edit } = group;
    const width = rows.dim(1);
    const { units } = edit;
    if (units === undefined) return this.#made(rows, group, { place, later });
    // The units stand in whole rows, and a column of 0 and 1 chooses between old and new.
    const chosen = this.#graph.input("f32", [1, width]);
    const kept = this.#graph.input("f32", [1, width]);
    later(() => {
      const isUnit = new Set(units);
      chosen.write(Float32Array.from({ length: width }, (_, j) => (isUnit.has(j) ? 1 : 0)));
      kept.write(Float32Array.from({ length: width }, (_, j) => (isUnit.has(j) ? 0 : 1)));
    });
    const made = this.#made(rows, group, { place, later });
    return add(mul(rows, kept), mul(made, chosen));
  }

  #made(
    rows: Tensor,
    group: EditGroup,
    { place, later }: { place: Callback["place"]; later: (write: Writer) => void },
  ): Tensor {
    const { edit } = group;
    const { hook } = place;
    const numbers = (): Tensor => {
      const one = group.cells === "all";
      const input = this.#graph.input("f32", [one ? 1 : rows.dim(0), rows.dim(1)]);
      later((now, cells) => {
        input.write(
          one
            ? cells.wholeRow(now.edit, rows.dim(1))
            : cells.values(hook, listed(now), rows.dim(1)),
        );
      });
      return input;
    };
    switch (edit.op) {
      case "zero":
        return fill(rows, 0);
      case "replace":
        return broadcastTo(numbers(), rows.shape);
      case "add":
        return add(rows, numbers());
      case "scale":
        return scale(rows, edit.factor);
      case "clamp":
        return clamp(rows, edit);
      case "projectOut":
        return this.#withoutDirections(rows, edit, later);
      case "graph": {
        const made = edit.apply(rows);
        if (made.dtype !== "f32" || !sameShape(made.shape, rows.shape))
          throw new LabError(
            "bad_input",
            `${hook}: the edit made ${describeShape(made)} of ${describeShape(rows)}`,
          );
        return made;
      }
      case "callback": {
        const read = contiguous(scale(rows, 1));
        this.#graph.output(read);
        const result = this.#graph.input("f32", rows.shape);
        later(() => {
          result.write(new Float32Array(rows.size));
        });
        this.#callbacks.push({ rows: read, result, place });
        return result;
      }
    }
  }

  /** x − scale · (x·dᵀ)·d for an orthonormal basis d of the directions. */
  #withoutDirections(
    rows: Tensor,
    edit: { directions: EditValue; scale: number },
    later: (write: Writer) => void,
  ): Tensor {
    const [count, width] = [edit.directions.values.length / rows.dim(1), rows.dim(1)];
    const d = this.#graph.input("f32", [count, width]);
    const turned = this.#graph.input("f32", [width, count]);
    later(({ edit }) => {
      invariant(edit.op === "projectOut", "an edit of the same form");
      const basis = orthonormal(edit.directions.values, width);
      d.write(basis);
      turned.write(
        Float32Array.from(
          basis,
          (_, i) => basis[(i % count) * width + Math.floor(i / count)] as number,
        ),
      );
    });
    const shares = scale(matmulTransposed(rows, d), edit.scale); // [n, K]
    return sub(rows, matmulTransposed(shares, turned)); // [n, W]
  }

  /**
   * Writes which rows are edited and with what, and computes the graph; once more after each callback, with what it
   * returned.
   *
   * @param cells - of the form that the graph was built for
   */
  async compute(cells: EditedCells, options: { signal?: AbortSignal }): Promise<void> {
    for (const { hook, sequence, group, write } of this.#writers) {
      const now = cells.at(hook, sequence)[group];
      invariant(now !== undefined, `an edit of ${hook}`);
      write(now, cells);
    }
    await this.#graph.compute(options);
    for (const { rows, result, place } of this.#callbacks) {
      const { hook, sequence, group } = place;
      const now = cells.at(hook, sequence)[group];
      invariant(now?.edit.op === "callback", "a callback");
      const shape = [rows.dim(0), rows.dim(1)] as const;
      const about: CallbackPlace = {
        hook,
        shape,
        rows:
          now.cells === "all"
            ? []
            : now.cells.map(({ prompt, position, head }) => ({
                prompt,
                position,
                ...(head === undefined ? {} : { head }),
              })),
      };
      const made = now.edit.apply(rows.read(), about);
      if (
        !(made instanceof Float32Array) ||
        made.length !== rows.size ||
        !made.every(Number.isFinite)
      )
        throw new LabError(
          "bad_input",
          `${hook}: the callback returned no ${rows.size} finite numbers`,
          {
            hint: "It must return a Float32Array of the length that it is given.",
          },
        );
      result.write(made);
      await this.#graph.compute(options);
    }
  }
}

function listed({ cells }: EditGroup): Exclude<EditGroup["cells"], "all"> {
  invariant(cells !== "all", "an edit of the same form");
  return cells;
}

/** Gram–Schmidt in double precision; directions that the ones before span are dropped to 0. */
function orthonormal(directions: Float32Array, width: number): Float32Array {
  const basis: Float64Array[] = [];
  for (let start = 0; start < directions.length; start += width) {
    const d = Float64Array.from(directions.subarray(start, start + width));
    const before = Math.hypot(...d);
    for (let pass = 0; pass < 2; pass++)
      for (const b of basis) {
        const share = b.reduce((sum, x, i) => sum + x * (d[i] as number), 0);
        b.forEach((x, i) => (d[i] = (d[i] as number) - share * x));
      }
    const length = Math.hypot(...d);
    basis.push(d.map((x) => (length > 1e-9 * before ? x / length : 0)));
  }
  return Float32Array.from(basis.flatMap((b) => [...b]));
}

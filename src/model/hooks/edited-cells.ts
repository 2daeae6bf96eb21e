/**
 * Which rows of a graph each edit changes, and the numbers that it needs there.
 *
 * n rows that are edited, W width of a row, S key positions.
 */
import { invariant, LabError } from "../../base/errors.ts";
import type { ModelConfig } from "../model-config.ts";
import type { HookPoint } from "../hook-points.ts";
import type { EditValue } from "./edit-value.ts";
import type { PlannedEdit } from "./edits.ts";
import { headsAt, tailOf } from "./names.ts";
import { cellsOf, positionFilter, type Cell, type RowLayout } from "./rows.ts";

/** Operations of a group of edits at most; functions over tensors may need many. */
const GROUP_NODES = 256;

export interface EditedCell extends Cell {
  edit: PlannedEdit;
}

/** Edits of one kind at one place, of which no two change the same row. */
export interface EditGroup {
  /** The first of them: what is done. */
  edit: PlannedEdit;
  /** The rows, each with the edit that brings its numbers; or `all`. */
  cells: readonly EditedCell[] | "all";
}

/** What is edited where, for one arrangement of rows. */
export class EditedCells {
  readonly lengths: readonly number[];
  readonly #byPlace = new Map<string, readonly EditGroup[]>();
  readonly #hooks = new Map<HookPoint, PlannedEdit[]>();
  readonly #layout: RowLayout;
  readonly #config: ModelConfig;

  /**
   * @param within - whether positions must lie in the prompts: not where texts grow
   * @throws LabError `bad_input` for prompts and positions that are not there, and values that do not fit them
   */
  constructor(
    edits: readonly PlannedEdit[],
    { layout, config, within }: { layout: RowLayout; config: ModelConfig; within: boolean },
  ) {
    this.#layout = layout;
    this.#config = config;
    this.lengths = layout.lengths;
    for (const edit of edits) {
      assertPrompts(edit, layout.lengths.length);
      this.#hooks.set(edit.hook, [...(this.#hooks.get(edit.hook) ?? []), edit]);
    }
    const { arrangement } = layout;
    for (const [hook, own] of this.#hooks) {
      const sequences =
        arrangement.kind === "apart" && tailOf(hook, config) === "pattern"
          ? arrangement.sequences.map((_, i) => i)
          : [undefined];
      for (const sequence of sequences) {
        const groups = this.#group(hook, own, { sequence, within });
        if (groups.length > 0) this.#byPlace.set(placeOf(hook, sequence), groups);
      }
    }
  }

  /** The groups at a place, in their order. */
  at(hook: HookPoint, sequence?: number): readonly EditGroup[] {
    return this.#byPlace.get(placeOf(hook, sequence)) ?? [];
  }

  has(hook: HookPoint): boolean {
    const { arrangement } = this.#layout;
    if (this.#byPlace.has(hook)) return true;
    if (arrangement.kind === "within") return false;
    return arrangement.sequences.some((_, i) => this.#byPlace.has(placeOf(hook, i)));
  }

  /** Bounds the operations that the edits record. */
  get nodes(): number {
    return [...this.#byPlace.values()].flat().length * GROUP_NODES;
  }

  /** What the graph depends on: kinds and numbers of rows, not which rows and what is done to them. */
  get form(): string {
    const groups = [...this.#byPlace].map(([place, list]) => [
      place,
      ...list.map(({ edit, cells }) => [formOf(edit), cells === "all" ? cells : cells.length]),
    ]);
    return JSON.stringify(groups);
  }

  #group(
    hook: HookPoint,
    edits: readonly PlannedEdit[],
    { sequence, within }: { sequence: number | undefined; within: boolean },
  ): EditGroup[] {
    const groups: { edit: PlannedEdit; cells: EditedCell[] | "all"; prompts: Set<number> }[] = [];
    for (const edit of edits) {
      if (appliesEverywhere(edit)) {
        groups.push({ edit, cells: "all", prompts: new Set() });
        continue;
      }
      const cells = this.#cells(hook, edit, { sequence, within });
      if (cells.length === 0) continue;
      const prompts = new Set(cells.map(({ prompt }) => prompt));
      const last = groups.at(-1);
      const joins =
        last !== undefined &&
        last.cells !== "all" &&
        joinsWith(last.edit, edit) &&
        [...prompts].every((prompt) => !last.prompts.has(prompt));
      if (joins && last.cells !== "all") {
        last.cells.push(...cells);
        for (const prompt of prompts) last.prompts.add(prompt);
      } else groups.push({ edit, cells, prompts });
    }
    return groups;
  }

  #cells(
    hook: HookPoint,
    edit: PlannedEdit,
    { sequence, within }: { sequence: number | undefined; within: boolean },
  ): EditedCell[] {
    const tail = tailOf(hook, this.#config);
    const all = Array.from({ length: headsAt(hook, this.#config) }, (_, n) => n);
    const heads = tail !== "pattern" && tail.length === 1 ? undefined : (edit.heads ?? all);
    const { positions, prompts, steps } = edit;
    const filters = this.lengths.map((length) =>
      positions === undefined
        ? undefined
        : positionFilter(positions, length, { what: hook, within }),
    );
    const value = valueOf(edit);
    return cellsOf(hook, this.#layout, this.#config, { heads, sequence })
      .filter(({ prompt, position }) => {
        const step = Math.max(0, position - (this.lengths[prompt] ?? 0) + 1);
        return (
          prompts?.includes(prompt) !== false &&
          filters[prompt]?.(position) !== false &&
          step >= (steps?.from ?? 0) &&
          step < (steps?.to ?? Infinity) &&
          // A value for some positions, and no word about which: it is for these.
          (positions !== undefined ||
            value === undefined ||
            rowOf(value, { prompt, position }, hook, this.#config) !== undefined)
        );
      })
      .map((cell) => ({ ...cell, edit }));
  }

  /** The numbers of an edit that changes every row alike: `[1, W]`. */
  wholeRow(edit: PlannedEdit, width: number): Float32Array {
    const value = valueOf(edit);
    invariant(value !== undefined, "an edit with values");
    const factor = edit.op === "add" ? edit.scale : 1;
    const row = new Float32Array(width);
    value.values.forEach((x, j) => (row[edit.units?.[j] ?? j] = factor * x));
    return row;
  }

  /** The numbers of a group with rows of its own: `[n, W]`, of the values of its edits. */
  values(hook: HookPoint, cells: readonly EditedCell[], width: number): Float32Array {
    const config = this.#config;
    const filler = hook.endsWith("hook_attn_scores") ? -Infinity : 0;
    const found = new Float32Array(cells.length * width).fill(filler);
    cells.forEach((cell, i) => {
      const value = valueOf(cell.edit);
      invariant(value !== undefined, "an edit with values");
      const start = rowOf(value, cell, hook, config);
      if (start === undefined)
        throw new LabError(
          "bad_input",
          `${hook}: the value has nothing for position ${cell.position}`,
          {
            hint: "Select the positions that it has, or leave `positions` out.",
          },
        );
      const size = value.shape.at(-1) as number;
      const { edit } = cell;
      const row = value.values.subarray(start, start + Math.min(size, width));
      const factor = edit.op === "add" ? edit.scale : 1;
      if (edit.units === undefined && factor === 1) found.set(row, i * width);
      else row.forEach((x, j) => (found[i * width + (edit.units?.[j] ?? j)] = factor * x));
    });
    return found;
  }
}

function placeOf(hook: HookPoint, sequence: number | undefined): string {
  return sequence === undefined ? hook : `${hook} ${sequence}`;
}

export function valueOf(edit: PlannedEdit): EditValue | undefined {
  return edit.op === "replace" || edit.op === "add" ? edit.value : undefined;
}

/** What the operations of an edit depend on, its numbers aside. */
function formOf(edit: PlannedEdit): string {
  const units = edit.units?.join() ?? "";
  switch (edit.op) {
    case "zero":
    case "replace":
    case "add":
      return `${edit.op} ${units}`;
    case "scale":
      return `scale ${edit.factor} ${units}`;
    case "clamp":
      return `clamp ${edit.min} ${edit.max} ${units}`;
    case "projectOut":
      return `projectOut ${edit.scale} ${edit.directions.shape.join()}`;
    case "graph":
    case "callback":
      return `${edit.op} ${numberOf(edit.apply)} ${units}`;
  }
}

/** Whether two edits of different rows can be made in one go: their numbers then lie in one tensor. */
function joinsWith(a: PlannedEdit, b: PlannedEdit): boolean {
  return a.op !== "projectOut" && formOf(a) === formOf(b);
}

const numbers = new WeakMap<object, number>();
let next = 0;

function numberOf(value: object): number {
  const number = numbers.get(value) ?? next++;
  numbers.set(value, number);
  return number;
}

/** Whether every row is changed alike. */
function appliesEverywhere(edit: PlannedEdit): boolean {
  const { positions, prompts, steps, heads } = edit;
  const selects = [positions, prompts, steps, heads].some((part) => part !== undefined);
  return !selects && (valueOf(edit)?.shape.length ?? 1) === 1;
}

function assertPrompts({ prompts, hook }: PlannedEdit, count: number): void {
  const wrong = prompts?.find((prompt) => prompt >= count);
  if (wrong !== undefined)
    throw new LabError("bad_input", `${hook}: there is no prompt ${wrong}`, {
      hint: `There are ${count}, from 0.`,
    });
}

/** Where the row of a token (and head) starts in a value; undefined where the value has none for its position. */
function rowOf(
  value: EditValue,
  { prompt, position, head = 0 }: { prompt: number; position: number; head?: number },
  hook: HookPoint,
  config: ModelConfig,
): number | undefined {
  const tail = tailOf(hook, config);
  const places =
    tail === "pattern"
      ? (["prompt", "head", "position"] as const)
      : tail.length === 2
        ? (["prompt", "position", "head"] as const)
        : (["prompt", "position"] as const);
  const sizes = value.shape.slice(0, -1);
  let row = 0;
  for (const [i, size] of sizes.entries()) {
    const place = places[i + places.length - sizes.length];
    const own =
      place === "prompt"
        ? prompt
        : place === "head"
          ? headOf(value, head)
          : positionOf(value, prompt, position);
    if (size > 1 && own >= size && place !== "position")
      throw new LabError(
        "bad_input",
        `${hook}: the value [${value.shape.join(", ")}] has no ${place} ${own}`,
      );
    const at = size === 1 && (place !== "position" || value.positions === undefined) ? 0 : own;
    if (at < 0 || at >= size) return undefined;
    row = row * size + at;
  }
  return row * (value.shape.at(-1) as number);
}

function headOf({ heads }: EditValue, head: number): number {
  if (heads === undefined) return head;
  const at = heads.indexOf(head);
  return at < 0 ? Infinity : at;
}

function positionOf({ positions }: EditValue, prompt: number, position: number): number {
  if (positions === undefined) return position;
  const lists = positions as readonly (number | readonly number[])[];
  const list = Array.isArray(lists[0])
    ? (lists[prompt] ?? (lists.length === 1 ? lists[0] : []))
    : positions;
  return (list as readonly number[]).indexOf(position);
}

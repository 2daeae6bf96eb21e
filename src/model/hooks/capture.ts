/**
 * What a run is to keep: which values, which part of each, and what is made of it inside the graph. Nothing is kept that
 * is not listed here.
 *
 * B prompts, T query positions, S key positions, N heads, P selected positions.
 */
import { LabError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { ModelConfig } from "../model-config.ts";
import type { HookPoint } from "../hook-points.ts";
import { hasHeads, resolveHook, tailOf, type HookName } from "./names.ts";
import { assertHeads, resolvePositions, type Positions } from "./rows.ts";

/**
 * What is made of a value before it leaves the graph:
 * - `norm`: the length of its last axis
 * - `mean`: over the positions that were selected
 * - `project`: products with directions `[K, …last axis]`
 * - `topK`: the largest values of the last axis, and where they stand
 */
export type Reduction =
  "norm" | "mean" | { project: readonly (readonly number[] | Float32Array)[] } | { topK: number };

export interface CaptureOptions {
  /** Some positions, negative ones from each prompt's end; all by default. */
  positions?: Positions;
  /** Some heads; all by default. */
  heads?: readonly number[];
  /** Some values of the last axis, such as neurons. */
  units?: readonly number[];
  reduce?: Reduction;
  /** The name under which it is found; the hook's by default, with `.norm`, `.mean`, … where it is reduced. */
  as?: string;
}

/** A hook, with `*` for every layer, and what of it. */
export type Capture = HookName | ({ at: HookName } & CaptureOptions);

/** A capture whose name, part and shape are known. */
export interface PlannedCapture extends CaptureOptions {
  name: string;
  hook: HookPoint;
  /** Positions of each prompt; undefined for all. */
  selected?: readonly (readonly number[])[];
  axes: readonly string[];
  shape: readonly number[];
  sizeBytes: number;
}

/** What a run will keep, known before it runs. */
export interface Plan {
  captures: readonly { name: string; shape: readonly number[]; sizeBytes: number }[];
  /** Bytes of all values that are kept. */
  sizeBytes: number;
}

/**
 * @param lengths - tokens of each prompt
 * @throws LabError `bad_input` for hooks, layers, positions, heads and units that do not exist, directions that do not
 *   fit, and names given twice
 */
export function planCaptures(
  captures: readonly Capture[],
  config: ModelConfig,
  lengths: readonly number[],
): PlannedCapture[] {
  const planned = captures.flatMap((capture) => {
    const options = typeof capture === "string" ? { at: capture } : capture;
    const points = resolveHook(options.at, config);
    if (options.as !== undefined && points.length > 1)
      throw new LabError(
        "bad_input",
        `${options.at} stands for several hooks: they cannot all be called ${options.as}`,
      );
    return points.map((hook) => planOne(hook, options, config, lengths));
  });
  const names = new Set<string>();
  for (const { name } of planned) {
    if (names.has(name))
      throw new LabError("bad_input", `two captures are called ${name}`, {
        hint: "Give one of them a name of its own with `as`.",
      });
    names.add(name);
  }
  return planned;
}

function planOne(
  hook: HookPoint,
  options: CaptureOptions,
  config: ModelConfig,
  lengths: readonly number[],
): PlannedCapture {
  const { positions, heads, units, reduce, as } = options;
  if (heads !== undefined) {
    if (!hasHeads(hook, config)) throw new LabError("bad_input", `${hook} has no heads to select`);
    assertHeads(heads, config, hook);
  }
  const selected = positions && lengths.map((length) => resolvePositions(positions, length, hook));
  const counts = new Set(selected?.map((list) => list.length));
  if (counts.size > 1)
    throw new LabError(
      "bad_input",
      `${hook}: the positions are more in one prompt than in another`,
      {
        hint: "Count them from the end (-1), or give prompts of one length.",
      },
    );
  const tail = tailOf(hook, config);
  const [count = Math.max(...lengths)] = counts;
  const prompts = { prompt: lengths.length };
  const before: Record<string, number> =
    tail === "pattern"
      ? { ...prompts, head: heads?.length ?? config.heads, query: count }
      : {
          ...prompts,
          position: count,
          ...(tail.length === 2 ? { head: heads?.length ?? (tail[0] as number) } : {}),
        };
  const width = tail === "pattern" ? Math.max(...lengths) : (tail.at(-1) as number);
  assertUnits(units, width, hook);
  const last = units?.length ?? width;
  const sizes = { ...before, ...lastAxis(hook, reduce, last) };
  if (reduce === "mean") {
    if (tail === "pattern")
      throw new LabError(
        "unsupported",
        `${hook}: the mean over positions is not made for scores and patterns`,
      );
    delete (sizes as Record<string, number>)["position"];
  }
  const shape = Object.values(sizes);
  const perValue = typeof reduce === "object" && "topK" in reduce ? 8 : 4;
  return {
    ...options,
    name: as ?? hook + (reduce === undefined ? "" : `.${reductionName(reduce)}`),
    hook,
    ...(selected === undefined ? {} : { selected }),
    axes: Object.keys(sizes),
    shape,
    sizeBytes: shape.reduce((a, b) => a * b, perValue),
  };
}

function reductionName(reduce: Reduction): string {
  return typeof reduce === "string" ? reduce : "project" in reduce ? "project" : "topK";
}

/** The last axis after a reduction, none where it is gone. */
function lastAxis(
  hook: HookPoint,
  reduce: Reduction | undefined,
  size: number,
): Record<string, number> {
  if (reduce === undefined || reduce === "mean") return { value: size };
  if (reduce === "norm") return {};
  if ("project" in reduce) {
    const wrong = reduce.project.find((direction) => direction.length !== size);
    if (wrong !== undefined || reduce.project.length === 0)
      throw new LabError(
        "bad_input",
        `${hook}: ${wrong === undefined ? "no directions" : `a direction of ${wrong.length} values`} for rows of ${size}`,
      );
    if (!reduce.project.every((direction) => direction.every(Number.isFinite)))
      throw new LabError("bad_input", `${hook}: a direction has a value that is no finite number`);
    return { direction: reduce.project.length };
  }
  const { topK } = reduce;
  if (!Number.isInteger(topK) || topK < 1 || topK > size)
    throw new LabError("bad_input", `${hook}: the ${topK} largest of ${size} values`);
  return { rank: topK };
}

function assertUnits(units: readonly number[] | undefined, width: number, hook: HookPoint): void {
  const wrong = units?.find((unit) => !Number.isInteger(unit) || unit < 0 || unit >= width);
  if (wrong !== undefined || units?.length === 0)
    throw new LabError(
      "bad_input",
      wrong === undefined ? `${hook}: no units are given` : `${hook}: there is no unit ${wrong}`,
      { hint: `Its last axis has ${width} values, 0…${width - 1}.` },
    );
}

export function planOf(planned: readonly PlannedCapture[]): Plan {
  return {
    captures: planned.map(({ name, shape, sizeBytes }) => ({ name, shape, sizeBytes })),
    sizeBytes: planned.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

const SMALL_BYTES = 2 ** 24;

/** Throws `out_of_memory` with the numbers where the values cannot be held: in the graph, and once more as a copy. */
export function assertFits({ captures, sizeBytes }: Plan): void {
  if (sizeBytes < SMALL_BYTES) return; // asking the system takes longer than the rest of planning
  const available = process.availableMemory();
  if (2 * sizeBytes <= available) return;
  const largest = [...captures].sort((a, b) => b.sizeBytes - a.sizeBytes)[0];
  throw new LabError(
    "out_of_memory",
    `the captures need ${formatBytes(2 * sizeBytes)} while they are read; ${formatBytes(available)} are free`,
    {
      hint: `The largest is ${largest?.name}, ${formatBytes(largest?.sizeBytes ?? 0)}. Select positions, heads or layers, or reduce it (norm, mean, project, topK).`,
    },
  );
}

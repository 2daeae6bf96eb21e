/**
 * Activation patching (Vig et al. 2020; Meng et al. 2022; Heimersheim and Nanda 2024, arXiv 2404.15255): one value of a run is
 * replaced by that of another run, and what becomes of the answer is measured.
 *
 *   recovered = (metric(patched) − metric(corrupted)) / (metric(clean) − metric(corrupted))
 *
 * `denoise` puts clean values into the corrupted run: 1 where they suffice. `noise` puts corrupted values into the clean run:
 * 0 where they are needed. Beside every value stands a control: the same place moved as far, in a random direction.
 *
 * Weight view: raw; everything is computed by the model itself.
 */
import { Random } from "../base/random.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { HookName } from "../model/hooks/names.ts";
import type { Captured } from "../model/hooks/read.ts";
import { assertApart, measure, normalize, type Baselines, type MetricName } from "./metric.ts";
import {
  cellsOf,
  checkPairs,
  editOf,
  HEAD_SITES,
  siteHook,
  type PatchedAxes,
  type PatchSite,
} from "./sites.ts";
import type { TaskPair } from "./tasks/task.ts";
import { measureVariants } from "./variants.ts";

export interface PatchOptions {
  site: PatchSite;
  /** Over positions, over heads (at all positions), or over both. Streams and outputs have positions only. */
  over?: PatchedAxes;
  direction?: "denoise" | "noise";
  metric?: MetricName;
  layers?: readonly number[];
  /** Whether every patch is accompanied by a random one of its size. */
  control?: boolean;
  /** Of the random directions. */
  seed?: number;
  signal?: AbortSignal | undefined;
  onProgress?: (done: number, total: number) => void;
  /** Called once, when what is not patched has been measured. */
  onBegin?: (begun: Pick<PatchSweep, "axes" | "shape" | "layers" | "baselines">) => void;
  /** Called with values that will not change any more; with several pairs they come while the last is swept. */
  onValues?: (found: readonly PatchedValue[]) => void;
}

/** A value before the sweep is whole. */
export interface PatchedValue {
  of: "values" | "control";
  /** Its place, row-major by the sweep's axes. */
  index: number;
  value: number;
}

export interface PatchSweep {
  site: PatchSite;
  direction: "denoise" | "noise";
  metric: MetricName;
  axes: string[];
  shape: number[];
  layers: readonly number[];
  /** What was recovered, row-major by `axes`: 0 as corrupted, 1 as clean. Means over the pairs. */
  values: Float64Array;
  /** The same for a random change of equal size; undefined without controls. */
  control: Float64Array | undefined;
  /** The metric of the runs that nothing was done to. */
  baselines: Baselines;
}

/**
 * @throws LabError `bad_input` for pairs of unequal lengths, for pairs that measure the same clean and corrupted, and for
 *   sites without the axis that is asked for
 */
export async function patchSweep(
  model: LanguageModel,
  pairs: readonly Pick<TaskPair, "clean" | "corrupted" | "right" | "wrong">[],
  options: PatchOptions,
): Promise<PatchSweep> {
  const { site, direction = "denoise", metric = "logit_diff", control = true, seed = 0 } = options;
  const { config } = model;
  const over = options.over ?? (HEAD_SITES.includes(site) ? "head" : "position");
  const layers = options.layers ?? Array.from({ length: config.layers }, (_, l) => l);
  const positions = checkPairs(pairs, { site, over });
  const cells = cellsOf({ layers, over, positions, heads: config.heads });
  const random = new Random(seed);
  const total = pairs.length * cells.length * (control ? 2 : 1);
  let done = 0;
  const sizes = { layer: layers.length, position: positions, head: config.heads };
  const axes = ["layer", ...over.split("+")];
  const shape = axes.map((axis) => sizes[axis as keyof typeof sizes]);

  const sums = { values: new Float64Array(cells.length), control: new Float64Array(cells.length) };
  const baselines: Baselines = { clean: 0, corrupted: 0 };
  for (const pair of pairs) {
    const [from, into] =
      direction === "denoise" ? [pair.clean, pair.corrupted] : [pair.corrupted, pair.clean];
    const capture = layers.map((l): HookName => siteHook(site, l));
    const source = await model.run(from, { capture, ...signalOf(options) });
    const target = await model.run(into, { capture: control ? capture : [], ...signalOf(options) });
    const measured = (logits: Float32Array | undefined): number =>
      measure(logits ?? new Float32Array(), pair, metric) / pairs.length;
    const [clean, corrupted] = direction === "denoise" ? [source, target] : [target, source];
    baselines.clean += measured(clean.logits[0]);
    baselines.corrupted += measured(corrupted.logits[0]);
    const isLast = pair === pairs.at(-1);
    if (isLast) {
      assertApart(baselines);
      options.onBegin?.({ axes, shape, layers, baselines: { ...baselines } });
    }
    const run = async (
      of: PatchedValue["of"],
      valueOf: (hook: HookName) => Captured,
    ): Promise<void> => {
      const sum = sums[of];
      const found = await measureVariants(
        model,
        { ids: into, answers: pair, metric },
        cells.map((cell) => [editOf(cell, site, valueOf)]),
        {
          ...signalOf(options),
          onDone: (count, fresh) => {
            options.onProgress?.(done + count, total);
            if (!isLast) return;
            const final = (i: number, value: number): number =>
              normalize((sum[i] as number) + value / pairs.length, baselines);
            options.onValues?.(
              fresh.map(({ variant: index, value }) => ({ of, index, value: final(index, value) })),
            );
          },
        },
      );
      done += cells.length;
      found.forEach((value, i) => (sum[i] = (sum[i] as number) + value / pairs.length));
    };
    await run("values", (hook) => source.get(hook));
    if (!control) continue;
    const moved = new Map(
      capture.map((hook) => [hook, movedAtRandom(target.get(hook), source.get(hook), random)]),
    );
    await run("control", (hook) => moved.get(hook) as Captured);
  }
  const recovered = (sum: Float64Array): Float64Array =>
    sum.map((value) => normalize(value, baselines));
  return {
    site,
    direction,
    metric,
    axes,
    shape,
    layers,
    values: recovered(sums.values),
    control: control ? recovered(sums.control) : undefined,
    baselines,
  };
}

/** What a change from `from` to `to` is, in a random direction: each row moved as far as the patch would move it. */
function movedAtRandom(from: Captured, to: Captured, random: Random): Captured {
  const width = from.shape.at(-1) as number;
  const values = from.values.slice();
  const isPattern = from.hook.endsWith("hook_pattern");
  for (let start = 0; start < values.length; start += width) {
    const step = Array.from({ length: width }, (_, i) => {
      const [a, b] = [from.values[start + i] as number, to.values[start + i] as number];
      return { wanted: b - a, random: isPattern && a === 0 && b === 0 ? 0 : random.normal() };
    });
    const length = (part: "wanted" | "random"): number => Math.hypot(...step.map((s) => s[part]));
    const factor = length("random") === 0 ? 0 : length("wanted") / length("random");
    step.forEach((s, i) => (values[start + i] = (values[start + i] as number) + factor * s.random));
  }
  return { ...from, values };
}

function signalOf({ signal }: PatchOptions): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

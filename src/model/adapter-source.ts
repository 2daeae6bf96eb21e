/**
 * An adapter brought to a model: its modules under today's names, with shapes that fit. Adapters made for an older layout
 * of Phi (`Wqkv`) or for llama.cpp (`blk.0.attn_qkv`) are taken apart: queries, keys and values share A, and each has
 * its rows of B.
 */
import { LabError } from "../base/errors.ts";
import { readTensor } from "../checkpoint/open.ts";
import type { TensorEntry } from "../checkpoint/types.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import { loraConfig, type LoraConfig } from "./adapter-config.ts";
import type { StoredAdapter, StoredModule } from "./adapter-file.ts";
import { targetedModules } from "./adapter-targets.ts";
import type { PhiConfig } from "./config.ts";
import { LAYOUTS, locate, type Layout, type RowRange } from "./layouts.ts";
import { linearModules, type LinearModule } from "./lora.ts";

/** The learned numbers of one module, row-major. */
export interface LowRankValues {
  a: Float32Array; // [r, K]
  b: Float32Array; // [M, r]
  magnitude?: Float32Array; // [M]
}

export interface LowRankSource {
  readonly module: LinearModule;
  readonly rank: number;
  readonly scale: number;
  /** @throws LabError `corrupt_file` for values that are no finite numbers */
  read: () => Promise<LowRankValues>;
}

/** An adapter that fits a model, wherever its numbers lie. */
export interface AdapterSource {
  readonly path: string;
  readonly config: LoraConfig;
  /** By today's module names, in the order of the model's parameters. */
  readonly modules: ReadonlyMap<string, LowRankSource>;
}

/**
 * @throws LabError `bad_input` for an adapter of another model, naming the first thing that does not fit, or whose target
 *   modules mean no layer; `corrupt_file` where modules that it means are missing or others are there
 */
export function fitAdapter(stored: StoredAdapter, config: PhiConfig): AdapterSource {
  const places = recogniseLayout(stored, config);
  for (const name of stored.modules.keys())
    if (!places.has(name)) throw otherModel(stored, `the model has no ${name}`);
  const modules = new Map<string, LowRankSource>();
  for (const [name, { parts, outputs }] of places) {
    const found = stored.modules.get(name);
    if (found === undefined) continue;
    requireShapes(stored, found, { outputs, inputs: parts[0]?.module.inputs ?? 0 });
    for (const { module, rows } of parts)
      modules.set(module.name, {
        module,
        rank: found.rank,
        scale: found.scale,
        read: () => readValues(found, rows),
      });
  }
  if (stored.config !== undefined) requireTargets(stored, stored.config, [...places.keys()]);
  const isToday = [...places.keys()].every(
    (name) => name === places.get(name)?.parts[0]?.module.name,
  );
  const described =
    stored.config !== undefined && isToday ? stored.config : describe(stored, modules, config);
  return { path: stored.path, config: described, modules };
}

/** A module of a layout: one linear layer of today's model, or several that share its rows. */
interface Place {
  outputs: number;
  parts: { module: LinearModule; rows: readonly RowRange[] | undefined }[];
}

/** The modules of the layout that explains most of the adapter's names. */
function recogniseLayout(stored: StoredAdapter, config: PhiConfig): Map<string, Place> {
  let best: { places: Map<string, Place>; known: number } | undefined;
  for (const layout of LAYOUTS) {
    const places = placesIn(layout, config);
    const known = [...stored.modules.keys()].filter((name) => places.has(name)).length;
    if (known > (best?.known ?? 0)) best = { places, known };
  }
  if (best !== undefined) return best.places;
  const [first = ""] = stored.modules.keys();
  throw otherModel(stored, `the model has no ${first}`);
}

function placesIn(layout: Layout, config: PhiConfig): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const module of linearModules(config)) {
    const { name, rows } = locate(layout, `${module.name}.weight`, config);
    const key = name.replace(/\.weight$/, "");
    const place = places.get(key) ?? { outputs: 0, parts: [] };
    place.outputs += module.outputs;
    place.parts.push({ module, rows });
    places.set(key, place);
  }
  return places;
}

function requireShapes(
  stored: StoredAdapter,
  { a, b, magnitude }: StoredModule,
  { outputs, inputs }: { outputs: number; inputs: number },
): void {
  const refuse = ({ name, shape }: TensorEntry, fact: string) =>
    otherModel(stored, `${name} is [${shape.join(", ")}], and the model's layer ${fact}`);
  if (a.shape[1] !== inputs) throw refuse(a, `reads ${inputs} values`);
  if (b.shape[0] !== outputs) throw refuse(b, `gives ${outputs} values`);
  if (magnitude !== undefined && (magnitude.shape.length !== 1 || magnitude.shape[0] !== outputs))
    throw refuse(magnitude, `gives ${outputs} values`);
}

function otherModel({ path, baseModel }: StoredAdapter, finding: string): LabError {
  return new LabError("bad_input", `${path} is an adapter for another model: ${finding}`, {
    hint:
      baseModel === undefined
        ? "It does not say which model it was made for."
        : `It says that it was made for ${baseModel}.`,
  });
}

/** What the configuration means and what the file holds must be the same modules. */
function requireTargets(
  { path, modules }: StoredAdapter,
  config: LoraConfig,
  names: readonly string[],
): void {
  let wanted: string[];
  try {
    wanted = targetedModules(config, names);
  } catch (error) {
    const { code, message, hint } = LabError.from(error);
    throw new LabError(code, `${path}: ${message}`, hint === undefined ? {} : { hint });
  }
  const missing = wanted.filter((name) => !modules.has(name));
  const extra = [...modules.keys()].filter((name) => !wanted.includes(name));
  const [first, finding] =
    missing.length > 0
      ? [missing[0], "its target modules mean {}, which the file has nothing for"]
      : [extra[0], "the file has {}, which its target modules do not mean"];
  if (first === undefined) return;
  const count = Math.max(missing.length, extra.length) - 1;
  const named = count === 0 ? first : `${first} and ${count} more`;
  throw new LabError("corrupt_file", `${path}: ${finding.replace("{}", named)}`, {
    hint: "Tensors and configuration belong to different adapters, or the file is incomplete.",
  });
}

async function readValues(
  { a, b, magnitude }: StoredModule,
  rows: readonly RowRange[] | undefined,
): Promise<LowRankValues> {
  return {
    a: await readFloats(a),
    b: takeRows(await readFloats(b), b.shape[1] ?? 1, rows),
    ...(magnitude === undefined
      ? {}
      : { magnitude: takeRows(await readFloats(magnitude), 1, rows) }),
  };
}

async function readFloats(entry: TensorEntry): Promise<Float32Array> {
  const count = entry.shape.reduce((n, size) => n * size, 1);
  const values = dequantizeRows(entry.dtype, await readTensor(entry), count);
  const wrong = values.find((value) => !Number.isFinite(value));
  if (wrong === undefined) return values;
  throw new LabError("corrupt_file", `${entry.file}: ${entry.name} holds ${wrong}`, {
    hint: "An adapter with such values has diverged in training or is damaged.",
  });
}

function takeRows(
  values: Float32Array,
  rowLength: number,
  rows: readonly RowRange[] | undefined,
): Float32Array {
  if (rows === undefined) return values;
  const count = rows.reduce((sum, range) => sum + range.count, 0);
  const taken = new Float32Array(count * rowLength);
  let done = 0;
  for (const { start, count } of rows) {
    taken.set(values.subarray(start * rowLength, (start + count) * rowLength), done);
    done += count * rowLength;
  }
  return taken;
}

/** A configuration in today's names for an adapter that has none, or one in other names. */
function describe(
  { config, baseModel }: StoredAdapter,
  modules: ReadonlyMap<string, LowRankSource>,
  model: PhiConfig,
): LoraConfig {
  const found = [...modules.values()].map(({ module, rank, scale }) => ({
    name: module.name,
    rank,
    alpha: Number((scale * rank).toPrecision(12)),
  }));
  const rank = mostFrequent(found.map((m) => m.rank));
  const alpha = mostFrequent(found.map((m) => m.alpha));
  const others = (key: "rank" | "alpha", usual: number): Record<string, number> =>
    Object.fromEntries(found.filter((m) => m[key] !== usual).map((m) => [m.name, m[key]]));
  return loraConfig({
    rank,
    alpha,
    dropout: config?.dropout ?? 0,
    targetModules: shortest(
      found.map(({ name }) => name),
      model,
    ),
    rankPattern: others("rank", rank),
    alphaPattern: others("alpha", alpha),
    useDora: config?.useDora ?? false,
    ...(baseModel === undefined ? {} : { baseModel }),
  });
}

/** The value that most have; the first of equals. */
export function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}

/** `q_proj` where the adapter has it in every layer, else full names. */
function shortest(names: readonly string[], model: PhiConfig): string[] {
  const last = (name: string): string => name.split(".").at(-1) ?? name;
  const all = linearModules(model);
  const isWhole = (name: string): boolean =>
    all.every((module) => last(module.name) !== last(name) || names.includes(module.name));
  return [...new Set(names.map((name) => (isWhole(name) ? last(name) : name)))];
}

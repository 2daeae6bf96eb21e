/** A model's parameters: their names and shapes, and where a checkpoint of any layout holds them. */
import { LabError } from "../base/errors.ts";
import type { Checkpoint, TensorEntry } from "../checkpoint/types.ts";
import { isQuantized } from "../engine/dtypes.ts";
import { comparisonLayouts, comparisonParameters } from "./comparison-parameters.ts";
import type { PhiConfig } from "./config.ts";
import { BLOCK_MODULES, phiLayouts, type RowRange, type StoredLayout } from "./layouts.ts";
import { architectureName, type ModelConfig } from "./model-config.ts";

export interface ParameterSpec {
  /** As in transformers' classes of today: `model.layers.0.self_attn.q_proj.weight` of `PhiForCausalLM`. */
  readonly name: string;
  /** Row-major: weights of linear modules are `[out, in]`. */
  readonly shape: readonly number[];
  /** The same numbers as the embedding: it was not learned beside it. */
  readonly tied?: boolean;
}

/** Where one parameter lies in a checkpoint. */
export interface ParameterSource {
  readonly entry: TensorEntry;
  /** The parameter's rows in `entry`, in order; absent = all of it. */
  readonly rows?: readonly RowRange[];
  readonly shape: readonly number[];
  /** Rows and columns of `entry` are exchanged. */
  readonly transposed?: boolean;
}

/**
 * What of a source is read at a time: rows of a matrix, values of a vector. A quantised vector is one row.
 *
 * @throws LabError `unsupported` for parts of a quantised vector
 */
export function rowsOf({ entry, rows, shape }: ParameterSource): {
  rowLength: number;
  ranges: readonly RowRange[];
} {
  const [first = 1] = entry.shape;
  const ranges = rows ?? [{ start: 0, count: first }];
  if (shape.length > 1) return { rowLength: shape.at(-1) ?? 1, ranges };
  if (!isQuantized(entry.dtype)) return { rowLength: 1, ranges };
  if (rows === undefined) return { rowLength: first, ranges: [{ start: 0, count: 1 }] };
  throw new LabError(
    "unsupported",
    `${entry.file}: the vector ${entry.name} is quantised as ${entry.dtype} and shared by several parameters`,
    {
      hint: "llama.cpp keeps vectors as f32; write the file again with philab convert or llama.cpp.",
    },
  );
}

/** Every parameter of a model, in the order in which PyTorch lists them. */
export function listParameters(config: ModelConfig): ParameterSpec[] {
  return config.architecture === undefined ? phiParameters(config) : comparisonParameters(config);
}

/** Whether rows of a parameter are looked up, by id or position, rather than multiplied. */
export function isTable(name: string): boolean {
  return /\.(embed_tokens|wte|wpe)\.weight$/.test(name);
}

function phiParameters(config: PhiConfig): ParameterSpec[] {
  const { layers, width: D, mlpWidth: F, vocabSize: V } = config;
  const linear = (path: string, out: number, into: number): ParameterSpec[] => [
    { name: `${path}.weight`, shape: [out, into] },
    { name: `${path}.bias`, shape: [out] },
  ];
  const norm = (path: string): ParameterSpec[] => [
    { name: `${path}.weight`, shape: [D] },
    { name: `${path}.bias`, shape: [D] },
  ];
  const block = (at: string): ParameterSpec[] =>
    BLOCK_MODULES.flatMap((module) => {
      const path = `${at}.${module}`;
      if (module === "input_layernorm") return norm(path);
      if (module === "mlp.fc1") return F === 0 ? [] : linear(path, F, D);
      if (module === "mlp.fc2") return F === 0 ? [] : linear(path, D, F);
      return linear(path, D, D);
    });
  return [
    { name: "model.embed_tokens.weight", shape: [V, D] },
    ...Array.from({ length: layers }, (_, l) => block(`model.layers.${l}`)).flat(),
    ...norm("model.final_layernorm"),
    ...linear("lm_head", V, D),
  ];
}

/** How many numbers a model has learned: 2,779,683,840 in Phi-2. */
export function countParameters(config: ModelConfig): number {
  return listParameters(config)
    .filter(({ tied }) => tied !== true)
    .reduce((sum, { shape }) => sum + shape.reduce((n, d) => n * d, 1), 0);
}

/**
 * Finds every parameter of `config` in `checkpoint`, whichever of the known layouts it has.
 *
 * @returns by Hugging Face name, in the order of `listParameters`
 * @throws LabError `corrupt_file` that names the tensors which are missing, too many or of another shape,
 *   `unsupported` where no layout is recognised or a parameter has an element type that is no number of ours
 */
export function resolveParameters(
  checkpoint: Checkpoint,
  config: ModelConfig,
): ReadonlyMap<string, ParameterSource> {
  const { tensors, path } = checkpoint;
  const parameters = listParameters(config);
  const layout = recogniseLayout(checkpoint, parameters, config);
  const sources = new Map<string, ParameterSource>();
  const used = new Set<string>();
  const missing: string[] = [];
  const misshapen: string[] = [];
  for (const { name, shape } of parameters) {
    const { rows, shape: expected = shape, transposed, ...names } = layout.locate({ name, shape });
    const stored = nameIn(checkpoint, names);
    used.add(stored);
    refuseType(checkpoint, stored);
    const entry = tensors.get(stored);
    if (entry === undefined) missing.push(stored);
    else if (!sameShape(entry.shape, expected))
      misshapen.push(`${stored} is [${entry.shape.join(", ")}], not [${expected.join(", ")}]`);
    else
      sources.set(name, {
        entry,
        shape,
        ...(rows === undefined ? {} : { rows }),
        ...(transposed === undefined ? {} : { transposed }),
      });
  }
  const problems = [
    ...report("missing", missing),
    ...report("not expected", unexpected(checkpoint, used)),
    ...report("of another shape", misshapen),
  ];
  if (problems.length > 0)
    throw new LabError("corrupt_file", `${path} (${layout.title} layout): ${problems.join("; ")}`, {
      hint: "The weights do not belong to this configuration, or the file is incomplete.",
    });
  return sources;
}

function nameIn(
  { tensors }: Checkpoint,
  { name, otherwise = name }: { name: string; otherwise?: string },
): string {
  return tensors.has(name) ? name : otherwise;
}

/** The layout that explains the most tensors. */
function recogniseLayout(
  checkpoint: Checkpoint,
  parameters: readonly ParameterSpec[],
  config: ModelConfig,
): StoredLayout {
  const { tensors, path } = checkpoint;
  const layouts =
    config.architecture === undefined ? phiLayouts(config) : comparisonLayouts(config);
  let best: { layout: StoredLayout; found: number } | undefined;
  for (const layout of layouts) {
    const names = parameters.map((parameter) => nameIn(checkpoint, layout.locate(parameter)));
    const found = new Set(names.filter((name) => tensors.has(name))).size;
    if (found > (best?.found ?? 0)) best = { layout, found };
  }
  if (best !== undefined) return best.layout;
  const first = [...tensors.keys()].slice(0, 3).join(", ");
  throw new LabError(
    "unsupported",
    `${path} holds none of ${architectureName(config.architecture)}'s tensors; it begins with ${first || "nothing"}`,
    {
      hint: `The known layouts are: ${layouts.map(({ title }) => title).join(", ")}.`,
    },
  );
}

/**
 * Integers, and the types that ggml rounds activations to inside a product: it cannot multiply weights of these, and ends
 * the process when asked to.
 */
const NO_WEIGHTS: ReadonlySet<string> = new Set(["i8", "i16", "i32", "i64", "q8_1", "q8_k"]);

function refuseType(checkpoint: Checkpoint, name: string): void {
  const others = checkpoint.format === "safetensors" ? checkpoint.otherTensors : undefined;
  const type = checkpoint.tensors.get(name)?.dtype ?? others?.get(name);
  if (type !== undefined && (NO_WEIGHTS.has(type) || others?.has(name) === true))
    throw new LabError("unsupported", `${checkpoint.path}: ${name} is stored as ${type}`, {
      hint: "Weights are read as f32, f16, bf16 or a type that ggml quantises to.",
    });
}

/** Tensors that are no parameters: masks, and rotation tables that follow from the configuration. */
const BUFFER =
  /(^|\.)(rotary_emb\..*|inv_freq|masked_bias|causal_mask|(self_)?attn\.bias|attention\.bias)$/;

function unexpected(checkpoint: Checkpoint, used: ReadonlySet<string>): string[] {
  const others = checkpoint.format === "safetensors" ? checkpoint.otherTensors.keys() : [];
  return [...checkpoint.tensors.keys(), ...others].filter((name) => {
    const isEmpty = checkpoint.tensors.get(name)?.sizeBytes === 0;
    return !used.has(name) && !isEmpty && !BUFFER.test(name);
  });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** `2 tensors are missing: a, b`, with the first three by name. */
function report(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const count = names.length === 1 ? "1 tensor is" : `${names.length} tensors are`;
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return [`${count} ${what}: ${names.slice(0, 3).join(", ")}${more}`];
}

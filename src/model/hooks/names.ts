/**
 * Names of hook points: TransformerLens's own, its Bridge's, its shorthands (`k6`, `scale4ln1`), negative layers, and
 * `*` for every layer. All of them end as a `HookPoint`.
 */
import { LabError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import { architectureName, keyValueHeadsOf, type ModelConfig } from "../model-config.ts";
import {
  BLOCK_ALIASES,
  OUTER_ALIASES,
  SEQUENTIAL_ALIASES,
  SEQUENTIAL_SHORTHANDS,
  SHORTHANDS,
} from "./aliases.ts";
import type { HookPoint, InBlock, InPhiBlock, InSequentialBlock } from "../hook-points.ts";

/** A size by its letter: positions aside, which the prompt decides. G heads of keys and values: in Phi the N of the queries. */
type Size = "N" | "G" | "H" | "D" | "F" | "V" | 1;

interface HookKind {
  /** What follows prompt and position in its shape; `pattern` stands for `[B, N, T, S]`. */
  shape: readonly Size[] | "pattern";
  meaning: string;
}

/** The hooks of Phi's blocks in the order of computation. */
export const BLOCK_HOOKS: Readonly<Record<InPhiBlock, HookKind>> = {
  hook_resid_pre: { shape: ["D"], meaning: "the residual stream that enters the block" },
  hook_attn_in: { shape: ["N", "D"], meaning: "a copy of it for each head (optional)" },
  hook_q_input: { shape: ["N", "D"], meaning: "a copy for each head's queries (optional)" },
  hook_k_input: { shape: ["N", "D"], meaning: "a copy for each head's keys (optional)" },
  hook_v_input: { shape: ["N", "D"], meaning: "a copy for each head's values (optional)" },
  hook_mlp_in: { shape: ["D"], meaning: "a copy for the MLP: equal to hook_resid_pre (optional)" },
  "ln1.hook_scale": { shape: [1], meaning: "√(variance + eps)" },
  "ln1.hook_normalized": { shape: ["D"], meaning: "(x − mean) / scale, before weight and bias" },
  hook_ln1_out: { shape: ["D"], meaning: "what attention and MLP read, after weight and bias" },
  "attn.hook_q": { shape: ["N", "H"], meaning: "queries with bias, before rotation" },
  "attn.hook_k": { shape: ["G", "H"], meaning: "keys with bias, before rotation" },
  "attn.hook_v": { shape: ["G", "H"], meaning: "values with bias" },
  "attn.hook_rot_q": { shape: ["N", "H"], meaning: "queries after rotation" },
  "attn.hook_rot_k": { shape: ["G", "H"], meaning: "keys after rotation" },
  "attn.hook_attn_scores": { shape: "pattern", meaning: "q·k/√H, −∞ where masked" },
  "attn.hook_pattern": { shape: "pattern", meaning: "softmax of the scores" },
  "attn.hook_z": { shape: ["N", "H"], meaning: "pattern · values" },
  "attn.hook_result": { shape: ["N", "D"], meaning: "z·W_O of each head, without b_O (optional)" },
  hook_attn_out: { shape: ["D"], meaning: "what attention adds: Σ result + b_O" },
  "mlp.hook_pre": { shape: ["F"], meaning: "the MLP's neurons before GELU" },
  "mlp.hook_post": { shape: ["F"], meaning: "the MLP's neurons after GELU" },
  hook_mlp_out: { shape: ["D"], meaning: "what the MLP adds" },
  hook_resid_post: { shape: ["D"], meaning: "the stream that leaves: pre + attn_out + mlp_out" },
};

/** What blocks of GPT-2 and Llama have beside them: there the MLP reads what attention has added to. */
export const SEQUENTIAL_HOOKS: Readonly<Record<InSequentialBlock, HookKind>> = {
  hook_resid_mid: { shape: ["D"], meaning: "the stream between: pre + attn_out" },
  "ln2.hook_scale": {
    shape: [1],
    meaning: "its √(variance + eps); of Llama √(mean of squares + eps)",
  },
  "ln2.hook_normalized": { shape: ["D"], meaning: "it normalised, before weight and bias" },
  hook_ln2_out: { shape: ["D"], meaning: "what the MLP reads, after weight and bias" },
  "mlp.hook_pre_linear": {
    shape: ["F"],
    meaning: "what Llama's gate lets through: hook_post = silu(hook_pre) ⊙ it",
  },
};

/** Before the blocks of GPT-2 alone. */
export const POSITION_HOOK = "hook_pos_embed";

/** The hooks before and after the blocks. */
export const OUTER_HOOKS = {
  hook_embed: { shape: ["D"], meaning: "W_E of the tokens; Phi has no position embedding" },
  "ln_final.hook_scale": { shape: [1], meaning: "√(variance + eps) of the last stream" },
  "ln_final.hook_normalized": { shape: ["D"], meaning: "it normalised, before weight and bias" },
  hook_ln_final_out: { shape: ["D"], meaning: "what the head reads, after weight and bias" },
  hook_logits: { shape: ["V"], meaning: "logits, with b_U" },
} as const satisfies Record<string, HookKind>;

type OuterHook = keyof typeof OUTER_HOOKS | typeof POSITION_HOOK;

type Layer = number | "*";
type NormShorthand = `${"scale" | "normalized"}${Layer}${"ln1" | "ln2"}`;

/** Every name that is understood, as a type: a mistyped one does not compile. */
export type HookName =
  | HookPoint
  | `blocks.*.${InBlock}`
  | `blocks.${Layer}.${keyof typeof BLOCK_ALIASES}`
  | keyof typeof OUTER_ALIASES
  | `blocks.${Layer}.${keyof typeof SEQUENTIAL_ALIASES}`
  | `${keyof typeof SHORTHANDS | keyof typeof SEQUENTIAL_SHORTHANDS}${Layer}`
  | NormShorthand;

/** The hook points that a name stands for: one, or one for each layer where it has `*`. */
export function resolveHook(name: string, config: ModelConfig): HookPoint[] {
  const outer = own(OUTER_ALIASES, name) ?? name;
  if (isOuter(outer, config)) return [outer];
  const { layer, inBlock } = parseInBlock(outer, name, config);
  const layers =
    layer === "*"
      ? Array.from({ length: config.layers }, (_, l) => l)
      : [layerOf(layer, name, config)];
  return layers.map((l): HookPoint => `blocks.${l}.${inBlock}`);
}

function isOuter(name: string, config: ModelConfig): name is OuterHook {
  if (name === POSITION_HOOK) return config.architecture === "gpt2";
  return Object.hasOwn(OUTER_HOOKS, name);
}

/** Whether the blocks of a model have a hook. */
function hasInBlock(name: string, config: ModelConfig): name is InBlock {
  switch (config.architecture) {
    case undefined:
      return Object.hasOwn(BLOCK_HOOKS, name);
    case "gpt2":
      return isSequential(name) && !/hook_rot_|_linear$/.test(name);
    case "llama":
      // Heads that share keys and values have no copy of the stream each.
      return (
        isSequential(name) &&
        (config.keyValueHeads === config.heads || !/^hook_(attn_in|[qkv]_input)$/.test(name))
      );
  }
}

function isSequential(name: string): name is InBlock {
  return Object.hasOwn(BLOCK_HOOKS, name) || Object.hasOwn(SEQUENTIAL_HOOKS, name);
}

/** Where attention reads a key that has its position: before the product with the queries. */
export function keyHook(layer: number, { architecture }: ModelConfig): HookPoint {
  return `blocks.${layer}.attn.${architecture === "gpt2" ? "hook_k" : "hook_rot_k"}`;
}

/** As `resolveHook`, for a name that must stand for one place. */
export function resolveOneHook(name: string, config: ModelConfig): HookPoint {
  const [first, second] = resolveHook(name, config);
  if (first === undefined || second !== undefined)
    throw new LabError("bad_input", `${name} stands for every layer; one is wanted here`);
  return first;
}

/** Layer and kind of a hook point; the layer is undefined outside the blocks. */
export function partsOf(point: HookPoint): {
  layer: number | undefined;
  kind: InBlock | OuterHook;
} {
  const found = /^blocks\.(\d+)\.(.+)$/.exec(point);
  if (found === null) return { layer: undefined, kind: point as OuterHook };
  return { layer: Number(found[1]), kind: found[2] as InBlock };
}

/** Sizes that follow prompt and position, or `pattern` for `[B, N, T, S]`. */
export function tailOf(point: HookPoint, config: ModelConfig): readonly number[] | "pattern" {
  const { shape } = kindOf(point);
  if (shape === "pattern") return shape;
  const { heads: N, headSize: H, width: D, mlpWidth: F, vocabSize: V } = config;
  const sizes = { N, G: keyValueHeadsOf(config), H, D, F, V };
  return shape.map((size) => (size === 1 ? 1 : sizes[size]));
}

function kindOf(point: HookPoint): HookKind {
  const { kind } = partsOf(point);
  if (kind === POSITION_HOOK) return { shape: ["D"], meaning: "" };
  return { ...OUTER_HOOKS, ...BLOCK_HOOKS, ...SEQUENTIAL_HOOKS }[kind];
}

/** Heads of a value that has them. */
export function headsAt(point: HookPoint, config: ModelConfig): number {
  const tail = tailOf(point, config);
  return tail === "pattern" ? config.heads : (tail[0] as number);
}

/** Whether a value has an axis of heads. */
export function hasHeads(point: HookPoint, config: ModelConfig): boolean {
  const tail = tailOf(point, config);
  return tail === "pattern" || tail.length === 2;
}

/** Whether a value is a copy or a share for each head, made only where it is wanted and used only where it is changed. */
export function isOptional(point: HookPoint): boolean {
  return /\.(hook_(attn|mlp)_in|hook_[qkv]_input|attn\.hook_result)$/.test(point);
}

/** Whether a value is made after the last attention, where rows whose logits nobody wants may be left out. */
export function isAfterLastAttention(point: HookPoint, config: ModelConfig): boolean {
  const { layer, kind } = partsOf(point);
  if (layer === undefined) return kind !== "hook_embed" && kind !== POSITION_HOOK;
  if (layer !== config.layers - 1) return false;
  const late: readonly string[] = [
    "attn.hook_result",
    "hook_attn_out",
    "hook_resid_mid",
    "hook_ln2_out",
    "hook_mlp_out",
    "hook_resid_post",
  ];
  return /^(mlp|ln2)\./.test(kind) || kind === "hook_mlp_in" || late.includes(kind);
}

function own<T extends string>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function parseInBlock(
  name: string,
  given: string,
  config: ModelConfig,
): { layer: string; inBlock: InBlock } {
  const [, layer, rest = ""] = /^blocks\.(-?\d+|\*)\.(.+)$/.exec(name) ?? [];
  const [, word = "", short, norm] = /^([a-z]\w*?)(-?\d+|\*)?(ln[12])?$/.exec(name) ?? [];
  const inBlock =
    layer !== undefined
      ? inBlockHook(rest, config)
      : norm !== undefined && (word === "scale" || word === "normalized")
        ? inBlockHook(`${norm}.hook_${word}`, config)
        : inBlockHook(own(SHORTHANDS, word) ?? own(SEQUENTIAL_SHORTHANDS, word) ?? "", config);
  const at = layer ?? short;
  if (inBlock === undefined) throw unknownHook(given, config);
  if (at === undefined)
    throw new LabError("bad_input", `${given} needs a layer`, {
      hint: `Say ${given}0 for the first block, ${given}-1 for the last, ${given}* for all.`,
    });
  if (config.mlpWidth === 0 && inBlock.includes("mlp"))
    throw new LabError("bad_input", `${given}: this model has attention only, no MLP`);
  return { layer: at, inBlock };
}

/** The hook that a name inside a block means: the model's own, or one that it is another name of. */
function inBlockHook(name: string, config: ModelConfig): InBlock | undefined {
  if (hasInBlock(name, config)) return name;
  const meant =
    (config.architecture === undefined ? undefined : own(SEQUENTIAL_ALIASES, name)) ??
    own(BLOCK_ALIASES, name);
  return meant !== undefined && hasInBlock(meant, config) ? meant : undefined;
}

function layerOf(text: string, name: string, { layers }: ModelConfig): number {
  const layer = Number(text) < 0 || text === "-0" ? layers + Number(text) : Number(text);
  if (layer < 0 || layer >= layers)
    throw new LabError("bad_input", `${name}: the model has ${layers} layers, 0…${layers - 1}`, {
      hint: `Negative layers count from the end: -1…-${layers}.`,
    });
  return layer;
}

function unknownHook(name: string, config: ModelConfig): LabError {
  if (config.architecture !== undefined) return foreignHook(name, config);
  if (name.includes("resid_mid"))
    return new LabError("bad_input", `${name}: Phi has no hook_resid_mid`, {
      hint: "Its blocks are parallel: attention and MLP both read hook_resid_pre, and hook_resid_post is hook_resid_pre + hook_attn_out + hook_mlp_out. There is no stream between attention and MLP.",
    });
  if (name.includes("pos_embed"))
    return new LabError("bad_input", `${name}: Phi has no position embedding`, {
      hint: "It rotates queries and keys instead: hook_rot_q and hook_rot_k.",
    });
  if (name === "hook_tokens")
    return new LabError("bad_input", "hook_tokens is no inner value: a run gives its ids back", {
      hint: "Read `run.ids`.",
    });
  const given = /^blocks\.(-?\d+|\*)\./.exec(name)?.[1] ?? "0";
  const inBlocks = [...Object.keys(BLOCK_HOOKS), ...Object.keys(BLOCK_ALIASES)];
  const all = [
    ...inBlocks.map((hook) => `blocks.${given}.${hook}`),
    ...Object.keys(OUTER_HOOKS),
    ...Object.keys(OUTER_ALIASES),
    ...Object.keys(SHORTHANDS).map((word) => `${word}${/-?\d+$/.exec(name)?.[0] ?? "0"}`),
  ];
  return new LabError("bad_input", `unknown hook ${JSON.stringify(name)}`, {
    hint:
      didYouMean(name, all) ??
      `It has hooks such as blocks.0.hook_resid_pre … blocks.${config.layers - 1}.hook_resid_post, ln_final.hook_scale, hook_logits.`,
  });
}

function foreignHook(name: string, config: ModelConfig): LabError {
  const known = [...Object.keys(BLOCK_HOOKS), ...Object.keys(SEQUENTIAL_HOOKS)];
  const given = /^blocks\.(-?\d+|\*)\./.exec(name)?.[1] ?? "0";
  const all = [
    ...known.filter((hook) => hasInBlock(hook, config)).map((hook) => `blocks.${given}.${hook}`),
    ...[POSITION_HOOK, ...Object.keys(OUTER_HOOKS)].filter((hook) => isOuter(hook, config)),
  ];
  const model = architectureName(config.architecture);
  return new LabError("bad_input", `${model} has no hook ${JSON.stringify(name)} here`, {
    hint: didYouMean(name, all) ?? `It has ${all.join(", ")}.`,
  });
}

/** Which layers an adapter changes, and with which rank and scale: PEFT's rules for names and patterns. */
import { runInNewContext } from "node:vm";
import { LabError } from "../base/errors.ts";
import { didYouMean, listOf } from "../base/suggest.ts";
import { loraScale, type LoraConfig } from "./adapter-config.ts";

/** Stands for every linear layer but the head. */
const ALL_LINEAR = "all-linear";
const HEAD = "lm_head";

/** Names of layers in other models and in older code for Phi, with today's. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  Wqkv: "q_proj, k_proj and v_proj",
  query_key_value: "q_proj, k_proj and v_proj",
  out_proj: "dense",
  o_proj: "dense",
  up_proj: "fc1",
  down_proj: "fc2",
};

/**
 * Those of `modules` that `config` means, in their order.
 *
 * @param modules - the linear layers of a model, by their full names
 * @throws LabError `bad_input` for a target that means none of them, with the names that are near: such an adapter
 *   would change less than it says
 */
export function targetedModules(config: LoraConfig, modules: readonly string[]): string[] {
  const { targetModules, excludeModules, layersToTransform } = config;
  const isTarget = matcherOf(targetModules, modules);
  const isExcluded = matcherOf(excludeModules, modules);
  const inLayers = (name: string): boolean => {
    if (layersToTransform === undefined || typeof targetModules === "string") return true;
    const layer = layerOf(name);
    return (
      targetModules.includes(name) || (layer !== undefined && layersToTransform.includes(layer))
    );
  };
  for (const target of typeof targetModules === "string" ? [] : targetModules)
    if (!modules.some((name) => isNamed(target, name))) throw unknownTarget(target, modules);
  const found = modules.filter((name) => isTarget(name) && !isExcluded(name) && inLayers(name));
  if (found.length > 0) return found;
  throw new LabError("bad_input", `the adapter changes no layer: ${describe(config)} mean none`, {
    hint: `The linear layers are ${listOf(shortNames(modules), "and")}.`,
  });
}

/** The rank of a module, and what its product is multiplied by. */
export function scaleOfModule(config: LoraConfig, module: string): { rank: number; scale: number } {
  const rank = patternValue(config.rankPattern, module) ?? config.rank;
  const alpha = patternValue(config.alphaPattern, module) ?? config.alpha;
  return { rank, scale: loraScale({ alpha, rank }, config.useRslora) };
}

/** `q_proj` names `model.layers.0.self_attn.q_proj`, and so does the full name. */
function isNamed(target: string, module: string): boolean {
  return module === target || module.endsWith(`.${target}`);
}

/** Names match at their end, a text by itself is a regular expression for all of it. */
function matcherOf(
  targets: readonly string[] | string,
  modules: readonly string[],
): (module: string) => boolean {
  if (typeof targets !== "string")
    return (module) => targets.some((target) => isNamed(target, module));
  if (targets === "") return () => false;
  if (targets === ALL_LINEAR) return (module) => module !== HEAD;
  const matches = matchAll(`^(?:${targets})$`, modules);
  return (module) => matches[modules.indexOf(module)] ?? false;
}

/** The first key of a pattern that fits the end of `module`, as in PEFT's `get_pattern_key`. */
function patternValue(
  pattern: Readonly<Record<string, number>>,
  module: string,
): number | undefined {
  const plain = /^[\w.]+$/;
  return Object.entries(pattern).find(([key]) =>
    plain.test(key) ? isNamed(key, module) : matchAll(`^(?:.*\\.)?(?:${key})$`, [module])[0],
  )?.[1];
}

const PATTERN_TIMEOUT_MS = 250;

/**
 * Whether a regular expression from an adapter's file fits each name. Python's notation and JavaScript's agree on what
 * such patterns use; where they do not, or where matching takes longer than a moment, the pattern is refused.
 */
function matchAll(pattern: string, names: readonly string[]): boolean[] {
  try {
    const expression = new RegExp(pattern.replaceAll("(?P<", "(?<"), "u");
    return runInNewContext(
      "names.map((name) => expression.test(name))",
      { names, expression },
      { timeout: PATTERN_TIMEOUT_MS },
    ) as boolean[];
  } catch (error) {
    throw new LabError(
      "unsupported",
      `the adapter's pattern ${JSON.stringify(pattern)} cannot be used: ${(error as Error).message}`,
      { hint: "List the modules by their names.", cause: error },
    );
  }
}

/** The number of a module's layer; undefined for what lies outside them. */
function layerOf(module: string): number | undefined {
  const [, layer] = /\.[^.]*\.(\d+)\./.exec(module) ?? [];
  return layer === undefined ? undefined : Number(layer);
}

function unknownTarget(target: string, modules: readonly string[]): LabError {
  const name = target.split(".").at(-1) ?? target;
  if (name === "embed_tokens")
    return new LabError("unsupported", "embed_tokens is a table, no linear layer", {
      hint: "Adapters change linear layers: leave it out of the target modules.",
    });
  const today = OTHER_NAMES[name];
  const short = shortNames(modules);
  return new LabError("bad_input", `the target module ${target} means no layer of the model`, {
    hint: [
      today === undefined ? didYouMean(target, [...short, ...modules]) : `Here it is ${today}.`,
      `The linear layers are ${listOf(short, "and")}.`,
    ]
      .filter(Boolean)
      .join(" "),
  });
}

/** The last part of each name, once. */
function shortNames(modules: readonly string[]): string[] {
  return [...new Set(modules.map((name) => name.split(".").at(-1) ?? name))];
}

function describe({ targetModules, excludeModules, layersToTransform }: LoraConfig): string {
  const parts = [`target modules ${JSON.stringify(targetModules)}`];
  if (excludeModules.length > 0) parts.push(`without ${JSON.stringify(excludeModules)}`);
  if (layersToTransform !== undefined) parts.push(`in layers ${layersToTransform.join(", ")}`);
  return parts.join(" ");
}

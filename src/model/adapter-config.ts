/**
 * What a LoRA adapter is: rank, scale and the layers it changes, and PEFT's `adapter_config.json` that says so. Fields
 * that change what is computed and are not supported are refused by name; what only concerns training or Python is
 * passed over; any other field that is set is reported.
 */
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { checkObject } from "../base/schema.ts";
import { listOf } from "../base/suggest.ts";

/** PEFT's `LoraConfig`, under its own names in camel case. */
export interface LoraConfig {
  /** r */
  readonly rank: number;
  readonly alpha: number;
  /** Probability that a value is left out in training. */
  readonly dropout: number;
  /**
   * Names of modules (`q_proj`, `mlp.fc1`, `model.layers.0.self_attn.dense`), a regular expression for whole names, or
   * `all-linear`: every linear layer but `lm_head`.
   */
  readonly targetModules: readonly string[] | string;
  /** Modules that `targetModules` means and that stay as they are. */
  readonly excludeModules: readonly string[] | string;
  /** Only these layers; absent: all. */
  readonly layersToTransform?: readonly number[];
  /** Ranks and alphas of modules that differ; keys are names or regular expressions for the ends of names. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Scale α/√r in place of α/r (rsLoRA). */
  readonly useRslora: boolean;
  /** A learned length for each row (DoRA). */
  readonly useDora: boolean;
  /** What the adapter was made for, in the words of whoever made it. */
  readonly baseModel?: string;
}

/** PEFT's own choice for Phi. */
const DEFAULT_TARGET_MODULES = ["q_proj", "v_proj", "fc1", "fc2"];

/** PEFT's defaults; `given` over them. */
export function loraConfig(given: Partial<LoraConfig> = {}): LoraConfig {
  return {
    rank: 8,
    alpha: 8,
    dropout: 0,
    targetModules: DEFAULT_TARGET_MODULES,
    excludeModules: [],
    rankPattern: {},
    alphaPattern: {},
    useRslora: false,
    useDora: false,
    ...given,
  };
}

/** What the product of A and B is multiplied by. */
export function loraScale(
  { alpha, rank }: { alpha: number; rank: number },
  useRslora: boolean,
): number {
  return alpha / (useRslora ? Math.sqrt(rank) : rank);
}

const MAX_RANK = 65_536;
const rank = z.int().min(1).max(MAX_RANK);
const alpha = z.number();
const names = z.union([z.string(), z.array(z.string())]);
const flag = z.boolean().nullish();

const schema = z.object({
  peft_type: z.string(),
  base_model_name_or_path: z.string().nullish(),
  r: rank.default(8),
  lora_alpha: alpha.default(8),
  lora_dropout: z.number().min(0).max(1).default(0),
  target_modules: names.nullish(),
  exclude_modules: names.nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  layers_pattern: names.nullish(),
  rank_pattern: z.record(z.string(), rank).nullish(),
  alpha_pattern: z.record(z.string(), alpha).nullish(),
  use_rslora: flag,
  use_dora: flag,
  bias: z.string().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});

/** Fields that are refused when they are set: with them the adapter computes something else. */
const UNSUPPORTED = [
  "modules_to_save",
  "trainable_token_indices",
  "target_parameters",
  "layer_replication",
  "alora_invocation_tokens",
  "arrow_config",
  "fan_in_fan_out",
  "kasa_config",
  "lora_bias",
  "megatron_config",
  "monteclora_config",
  "use_bdlora",
  "use_qalora",
];

/** Fields that concern training, the library or the start values of A and B. */
const WITHOUT_EFFECT = [
  "auto_mapping",
  "corda_config",
  "ensure_weight_tying",
  "eva_config",
  "inference_mode",
  "loftq_config",
  "lora_ga_config",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
  "task_type",
  "velora_config",
];

/** Ways to choose the start values of A and B that also change the weights of the model itself. */
const CHANGES_BASE = /^(pissa|olora|corda|loftq|lora_ga)/i;

/**
 * The configuration in a parsed `adapter_config.json`; `notes` names fields that are set and unknown here.
 *
 * @param what - names the file in errors
 * @throws LabError `unsupported` for other methods and for every field that philab cannot follow, `corrupt_file`
 */
export function configFromPeft(
  json: unknown,
  what: string,
): { config: LoraConfig; notes: string[] } {
  const fields = checkObject(schema, json, { what, code: "corrupt_file" });
  refuseUnsupported(json as Record<string, unknown>, fields, what);
  const known = new Set([...Object.keys(schema.shape), ...UNSUPPORTED, ...WITHOUT_EFFECT]);
  const unknown = Object.entries(json as object).filter(([k, v]) => !known.has(k) && isSet(v));
  const { layers_to_transform: layers, base_model_name_or_path: base } = fields;
  const config = loraConfig({
    rank: fields.r,
    alpha: fields.lora_alpha,
    dropout: fields.lora_dropout,
    targetModules: fields.target_modules ?? DEFAULT_TARGET_MODULES,
    excludeModules: fields.exclude_modules ?? [],
    rankPattern: fields.rank_pattern ?? {},
    alphaPattern: fields.alpha_pattern ?? {},
    useRslora: fields.use_rslora ?? false,
    useDora: fields.use_dora ?? false,
    ...(isSet(layers) ? { layersToTransform: [layers as number | number[]].flat() } : {}),
    ...(isSet(base) ? { baseModel: base as string } : {}),
  });
  const notes = unknown.map(([key]) => `${what}: the field ${key} is unknown and has no effect`);
  return { config, notes };
}

function refuseUnsupported(
  json: Record<string, unknown>,
  fields: z.output<typeof schema>,
  what: string,
): void {
  if (fields.peft_type !== "LORA")
    throw new LabError("unsupported", `${what}: an adapter of the type ${fields.peft_type}`, {
      hint: "philab applies adapters of the type LORA, with rsLoRA and DoRA.",
    });
  const found = UNSUPPORTED.filter((key) => isSet(json[key]));
  if (isSet(fields.bias) && fields.bias !== "none") found.push(`bias "${fields.bias}"`);
  if (isSet(fields.layers_pattern) && String(fields.layers_pattern) !== "layers")
    found.push("layers_pattern");
  if (found.length > 0)
    throw new LabError("unsupported", `${what} asks for ${listOf(found, "and")}: not supported`, {
      hint: "philab applies LoRA to linear layers, whose other parameters stay as they are. PEFT can merge such an adapter: merge_and_unload().",
    });
  const { init_lora_weights: init } = fields;
  if (typeof init === "string" && CHANGES_BASE.test(init))
    throw new LabError(
      "unsupported",
      `${what}: A and B were begun with ${init}, which also changes the model's own weights`,
      {
        hint: "Save it from PEFT as an ordinary adapter: save_pretrained(…, path_initial_model_for_weight_conversion=…).",
      },
    );
}

/** Whether a field says anything: null, false and empty values are PEFT's way of saying nothing. */
function isSet(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return false;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

/** The `adapter_config.json` of `config`, with every field that PEFT reads. */
export function configToPeft(config: LoraConfig): Record<string, unknown> {
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: null,
    base_model_name_or_path: config.baseModel ?? null,
    bias: "none",
    exclude_modules: isSet(config.excludeModules) ? config.excludeModules : null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: config.layersToTransform ?? null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: null,
    peft_type: "LORA",
    r: config.rank,
    rank_pattern: config.rankPattern,
    revision: null,
    target_modules: config.targetModules,
    task_type: "CAUSAL_LM",
    use_dora: config.useDora,
    use_rslora: config.useRslora,
  };
}

/**
 * The parameters of GPT-2 and Llama: Hugging Face's names, the shapes that the forward passes read, and where files hold
 * them.
 *
 * D width, F MLP width, V vocabulary, N heads, G heads of keys and values, H head size.
 */
import type { RowRange, StoredLayout, StoredParameter } from "./layouts.ts";
import type { ComparisonConfig, Gpt2Config, LlamaConfig } from "./model-config.ts";
import type { ParameterSpec } from "./parameters.ts";

const HEAD = "lm_head.weight";

const GPT2_MODULES = {
  ln_1: "attn_norm",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  ln_2: "ffn_norm",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
} as const;

const LLAMA_MODULES = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
} as const;

/** Every parameter, the head included where it is the embedding. */
export function comparisonParameters(config: ComparisonConfig): ParameterSpec[] {
  return config.architecture === "gpt2" ? gpt2Parameters(config) : llamaParameters(config);
}

export function comparisonLayouts(config: ComparisonConfig): StoredLayout[] {
  return config.architecture === "gpt2" ? GPT2_LAYOUTS : llamaLayouts(config);
}

function gpt2Parameters(config: Gpt2Config): ParameterSpec[] {
  const { layers, width: D, mlpWidth: F, vocabSize: V, contextLength } = config;
  const both = (path: string, shape: [number, ...number[]]): ParameterSpec[] => [
    { name: `${path}.weight`, shape },
    { name: `${path}.bias`, shape: [shape[0]] },
  ];
  const block = (at: string): ParameterSpec[] => [
    ...both(`${at}.ln_1`, [D]),
    ...both(`${at}.attn.c_attn`, [3 * D, D]),
    ...both(`${at}.attn.c_proj`, [D, D]),
    ...both(`${at}.ln_2`, [D]),
    ...both(`${at}.mlp.c_fc`, [F, D]),
    ...both(`${at}.mlp.c_proj`, [D, F]),
  ];
  return [
    { name: "transformer.wte.weight", shape: [V, D] },
    { name: "transformer.wpe.weight", shape: [contextLength, D] },
    ...Array.from({ length: layers }, (_, l) => block(`transformer.h.${l}`)).flat(),
    ...both("transformer.ln_f", [D]),
    { name: HEAD, shape: [V, D], tied: true },
  ];
}

function llamaParameters(config: LlamaConfig): ParameterSpec[] {
  const { layers, width: D, mlpWidth: F, vocabSize: V, keyValueHeads, headSize } = config;
  const shared = keyValueHeads * headSize; // G·H
  const shapes: Record<keyof typeof LLAMA_MODULES, number[]> = {
    "self_attn.q_proj": [D, D],
    "self_attn.k_proj": [shared, D],
    "self_attn.v_proj": [shared, D],
    "self_attn.o_proj": [D, D],
    "mlp.gate_proj": [F, D],
    "mlp.up_proj": [F, D],
    "mlp.down_proj": [D, F],
    input_layernorm: [D],
    post_attention_layernorm: [D],
  };
  const block = (at: string): ParameterSpec[] =>
    Object.entries(shapes).map(([module, shape]) => ({ name: `${at}.${module}.weight`, shape }));
  return [
    { name: "model.embed_tokens.weight", shape: [V, D] },
    ...Array.from({ length: layers }, (_, l) => block(`model.layers.${l}`)).flat(),
    { name: "model.norm.weight", shape: [D] },
    { name: HEAD, shape: [V, D], ...(config.tiedHead ? { tied: true } : {}) },
  ];
}

/** As transformers writes it, and without the prefix as OpenAI's upload has it: matrices of `Conv1D`, `[in, out]`. */
const gpt2Layout = (title: string, prefix: string): StoredLayout => ({
  title,
  locate({ name, shape }) {
    if (name === HEAD) return { name: HEAD, otherwise: `${prefix}wte.weight` };
    const stored = prefix + name.replace(/^transformer\./, "");
    const isMatrix = /\.c_\w+\.weight$/.test(name);
    return isMatrix
      ? { name: stored, shape: [...shape].reverse(), transposed: true }
      : { name: stored };
  },
});

const GPT2_LAYOUTS: StoredLayout[] = [
  gpt2Layout("Hugging Face", "transformer."),
  gpt2Layout("Hugging Face without prefix", ""),
  {
    title: "GGUF",
    locate: ({ name }) =>
      located(name, {
        block: /^transformer\.h\.(\d+)\.(.+)\.(weight|bias)$/,
        modules: GPT2_MODULES,
        outer: {
          "transformer.wte.weight": "token_embd.weight",
          "transformer.wpe.weight": "position_embd.weight",
          "transformer.ln_f.weight": "output_norm.weight",
          "transformer.ln_f.bias": "output_norm.bias",
        },
      }),
  },
];

function llamaLayouts(config: LlamaConfig): StoredLayout[] {
  return [
    {
      title: "Hugging Face",
      locate: ({ name }) =>
        name === HEAD ? { name, otherwise: "model.embed_tokens.weight" } : { name },
    },
    {
      title: "GGUF",
      locate({ name, shape }) {
        const found = located(name, {
          block: /^model\.layers\.(\d+)\.(.+)\.(weight)$/,
          modules: LLAMA_MODULES,
          outer: {
            "model.embed_tokens.weight": "token_embd.weight",
            "model.norm.weight": "output_norm.weight",
          },
        });
        if (!/\.[qk]_proj\.weight$/.test(name)) return found;
        return { ...found, rows: halvesOfPairs(shape[0] as number, config), shape };
      },
    },
  ];
}

/**
 * llama.cpp rotates values in neighbouring pairs where Hugging Face's files pair value i of a head with i + H/2, and stores
 * the rows of queries and keys accordingly: this is the way back.
 */
function halvesOfPairs(rows: number, { headSize }: LlamaConfig): RowRange[] {
  const half = headSize / 2;
  return Array.from({ length: rows }, (_, row) => {
    const inHead = row % headSize;
    const [part, pair] = [Math.floor(inHead / half), inHead % half];
    return { start: row - inHead + 2 * pair + part, count: 1 };
  });
}

function located(
  name: string,
  {
    block,
    modules,
    outer,
  }: {
    block: RegExp;
    modules: Readonly<Record<string, string>>;
    outer: Readonly<Record<string, string>>;
  },
): StoredParameter {
  if (name === HEAD) return { name: "output.weight", otherwise: "token_embd.weight" };
  const [, layer, module = "", kind] = block.exec(name) ?? [];
  if (layer === undefined) return { name: outer[name] ?? name };
  return { name: `blk.${layer}.${modules[module] ?? module}.${kind}` };
}

/**
 * The names and arrangements under which files hold Phi's parameters. Philab's own names are those of today's
 * `PhiForCausalLM`; every other layout says where each of them lies.
 *
 * D width, H head size, N heads, L layers.
 */
import type { PhiConfig } from "./config.ts";

/** The modules of one block, in the order in which PyTorch lists their parameters. */
export const BLOCK_MODULES = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.dense",
  "mlp.fc1",
  "mlp.fc2",
  "input_layernorm",
] as const;

type BlockModule = (typeof BLOCK_MODULES)[number];

/** Successive rows (entries of the first axis) of a stored tensor. */
export interface RowRange {
  readonly start: number;
  readonly count: number;
}

/** Where a parameter lies: all of a tensor, or some rows of one that holds queries, keys and values together. */
export interface StoredParameter {
  name: string;
  rows?: readonly RowRange[];
  /** Of the stored tensor, where it is not the parameter's. */
  shape?: readonly number[];
  /** Rows and columns are exchanged. */
  transposed?: boolean;
  /** The tensor that is meant where there is none of that name: the embedding for a head that is tied to it. */
  otherwise?: string;
}

/** Where the files of one program keep the parameters of a model. */
export interface StoredLayout {
  /** For messages. */
  title: string;
  locate: (parameter: { name: string; shape: readonly number[] }) => StoredParameter;
}

/** How the rows of queries, keys and values share one tensor of 3·D rows. */
type Sharing =
  /** All queries, all keys, all values. */
  | "thirds"
  /** Query, key and value of the first head, then of the second … */
  | "per head";

export interface Layout {
  /** For messages. */
  title: string;
  /** What stands for `model.embed_tokens`, `model.final_layernorm` and `lm_head`. */
  outer: (layers: number) => { embedding: string; finalNorm: string; head: string };
  block: (layer: number) => string;
  modules: Record<BlockModule, string>;
  sharing?: Sharing;
}

const current: Layout = {
  title: "Hugging Face",
  outer: () => ({
    embedding: "model.embed_tokens",
    finalNorm: "model.final_layernorm",
    head: "lm_head",
  }),
  block: (layer) => `model.layers.${layer}`,
  modules: Object.fromEntries(BLOCK_MODULES.map((name) => [name, name])) as Layout["modules"],
};

/** Transformers 4.36 only. */
const interim: Layout = {
  ...current,
  title: "Hugging Face 4.36 (query_key_value)",
  modules: { ...current.modules, ...sharedAttention("self_attn.query_key_value") },
  sharing: "per head",
};

/** Microsoft's own code for Phi-2, and for Phi-1 and 1.5 before they joined transformers. */
const phiMsft: Layout = {
  title: "phi-msft",
  outer: () => ({
    embedding: "transformer.embd.wte",
    finalNorm: "lm_head.ln",
    head: "lm_head.linear",
  }),
  block: (layer) => `transformer.h.${layer}`,
  modules: {
    ...sharedAttention("mixer.Wqkv"),
    "self_attn.dense": "mixer.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    input_layernorm: "ln",
  },
  sharing: "thirds",
};

/** The first upload of Phi-1 and Phi-1.5: one list of layers, the embedding first and the head last. */
const mixformer: Layout = {
  ...phiMsft,
  title: "mixformer-sequential",
  outer: (layers) => ({
    embedding: "layers.0.wte",
    finalNorm: `layers.${layers + 1}.ln`,
    head: `layers.${layers + 1}.linear`,
  }),
  block: (layer) => `layers.${layer + 1}`,
};

/** As llama.cpp's converter writes them today. */
export const GGUF_LAYOUT: Layout = {
  title: "GGUF",
  outer: () => ({ embedding: "token_embd", finalNorm: "output_norm", head: "output" }),
  block: (layer) => `blk.${layer}`,
  modules: {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    input_layernorm: "attn_norm",
  },
};

const ggufFused: Layout = {
  ...GGUF_LAYOUT,
  title: "GGUF with attn_qkv",
  modules: { ...GGUF_LAYOUT.modules, ...sharedAttention("attn_qkv") },
  sharing: "thirds",
};

export const LAYOUTS: readonly Layout[] = [
  current,
  interim,
  phiMsft,
  mixformer,
  GGUF_LAYOUT,
  ggufFused,
];

function sharedAttention(name: string) {
  return { "self_attn.q_proj": name, "self_attn.k_proj": name, "self_attn.v_proj": name };
}

/**
 * Where `layout` keeps the parameter that Hugging Face calls `name`.
 *
 * @param name - such as `model.layers.3.mlp.fc1.bias`
 */
export function locate(layout: Layout, name: string, config: PhiConfig): StoredParameter {
  const [, path = "", kind = ""] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
  const [, layer, module] = /^model\.layers\.(\d+)\.(.*)$/.exec(path) ?? [];
  if (layer === undefined) {
    const { embedding, finalNorm, head } = layout.outer(config.layers);
    const stored =
      path === "lm_head" ? head : path === "model.embed_tokens" ? embedding : finalNorm;
    return { name: `${stored}.${kind}` };
  }
  const stored = layout.modules[module as BlockModule];
  const rows = sharedRows(layout.sharing, module as BlockModule, config);
  return {
    name: `${layout.block(Number(layer))}.${stored}.${kind}`,
    ...(rows === undefined ? {} : { rows }),
  };
}

function sharedRows(
  sharing: Sharing | undefined,
  module: BlockModule,
  { heads, headSize, width }: PhiConfig,
): RowRange[] | undefined {
  const part = BLOCK_MODULES.indexOf(module);
  if (sharing === undefined || part > 2) return undefined;
  if (sharing === "thirds") return [{ start: part * width, count: width }];
  return Array.from({ length: heads }, (_, head) => ({
    start: (3 * head + part) * headSize,
    count: headSize,
  }));
}

/** The layouts in which Phi's files come. */
export function phiLayouts(config: PhiConfig): StoredLayout[] {
  return LAYOUTS.map((layout) => ({
    title: layout.title,
    locate({ name, shape }) {
      const stored = locate(layout, name, config);
      if (stored.rows === undefined) return stored;
      return { ...stored, shape: [3 * (shape[0] ?? 0), ...shape.slice(1)] };
    },
  }));
}

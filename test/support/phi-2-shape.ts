/**
 * Two layers of Phi-2's exact shape with weights that are computed, not stored: the same arrays, bit for bit, as
 * `reference/phi2_shape.py` gives to transformers for `test/fixtures/phi-2-shape.json`.
 *
 * The parameters are laid out one after another in the order of `phi2ShapeParameters()`, each row-major. Element number
 * `c` of that sequence hashes `c + 0x9e3779b9` with "lowbias32" (Chris Wellons); the upper eleven bits of the hash, as
 * k in [-1024, 1023], give its value: 1 + ⌊k/16⌋/256 in a LayerNorm's weight, k/8192 in a bias or an embedding, k/32768
 * in any other matrix. All values are exact in F32 and in F16.
 */

/** Phi-2's shape, cut to two layers. */
const PHI_2_SHAPE = {
  layers: 2,
  width: 2560,
  heads: 32,
  mlpWidth: 10_240,
  vocabulary: 51_200,
} as const;

type Shape = { [K in keyof typeof PHI_2_SHAPE]: number };

/** The `config.json` of this model in Hugging Face's layout. */
export const PHI_2_SHAPE_CONFIG = {
  architectures: ["PhiForCausalLM"],
  model_type: "phi",
  vocab_size: PHI_2_SHAPE.vocabulary,
  hidden_size: PHI_2_SHAPE.width,
  intermediate_size: PHI_2_SHAPE.mlpWidth,
  num_hidden_layers: PHI_2_SHAPE.layers,
  num_attention_heads: PHI_2_SHAPE.heads,
  num_key_value_heads: PHI_2_SHAPE.heads,
  hidden_act: "gelu_new",
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  partial_rotary_factor: 0.4,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  qk_layernorm: false,
  bos_token_id: 50_256,
  eos_token_id: 50_256,
} as const;

export interface ShapeParameter {
  /** Hugging Face's name. */
  name: string;
  /** Row-major. */
  shape: readonly number[];
  /** Elements in all. */
  size: number;
  /** Number of its first element in the sequence of all parameters. */
  offset: number;
  kind: "embedding" | "matrix" | "bias" | "norm";
}

/** Every parameter, in the order in which they are counted: 33 of them, 419,543,040 elements, unless another shape is given. */
export function phi2ShapeParameters({
  layers,
  width,
  mlpWidth,
  vocabulary,
}: Omit<Shape, "heads"> = PHI_2_SHAPE): ShapeParameter[] {
  const parameters: ShapeParameter[] = [];
  let offset = 0;
  const add = (name: string, shape: readonly number[], kind: ShapeParameter["kind"]): void => {
    const size = shape.reduce((n, d) => n * d, 1);
    parameters.push({ name, shape, size, offset, kind });
    offset += size;
  };
  const linear = (name: string, rows: number, columns: number): void => {
    add(`${name}.weight`, [rows, columns], "matrix");
    add(`${name}.bias`, [rows], "bias");
  };
  const norm = (name: string): void => {
    add(`${name}.weight`, [width], "norm");
    add(`${name}.bias`, [width], "bias");
  };

  add("model.embed_tokens.weight", [vocabulary, width], "embedding");
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}`;
    norm(`${prefix}.input_layernorm`);
    for (const projection of ["q_proj", "k_proj", "v_proj", "dense"])
      linear(`${prefix}.self_attn.${projection}`, width, width);
    linear(`${prefix}.mlp.fc1`, mlpWidth, width);
    linear(`${prefix}.mlp.fc2`, width, mlpWidth);
  }
  norm("model.final_layernorm");
  linear("lm_head", vocabulary, width);
  return parameters;
}

/** Elements `start` to `end` (exclusive) of a parameter; all of it where they are left out. */
export function phi2ShapeValues(
  parameter: ShapeParameter,
  start = 0,
  end = parameter.size,
): Float32Array<ArrayBuffer> {
  const { kind, offset } = parameter;
  const values = new Float32Array(end - start);
  const scale = kind === "matrix" ? 1 / 32_768 : 1 / 8192;
  for (let i = 0; i < values.length; i++) {
    let x = (offset + start + i + 0x9e3779b9) | 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x7feb352d);
    x ^= x >>> 15;
    x = Math.imul(x, 0x846ca68b);
    x ^= x >>> 16;
    const k = (x >>> 21) - 1024;
    values[i] = kind === "norm" ? 1 + (k >> 4) / 256 : k * scale;
  }
  return values;
}

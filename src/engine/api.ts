/**
 * The part of ggml's C API that philab calls, as one typed table.
 *
 * Names are ggml's own. Nothing here checks shapes or bounds: callers do (`tensor/`), because a failed assertion inside
 * ggml ends the process. Pointers are addresses (`bigint`); typed arrays are passed without copying and only for
 * the duration of a call.
 */
import koffi, { type LibraryHandle, type TypeObject } from "koffi";

/** A native address. */
export type Pointer = bigint;
export type Bytes = Pointer | ArrayBufferView;

interface CTypes {
  void: void;
  pointer: Pointer;
  /** A pointer that may be NULL. */
  optional: Pointer | null;
  bytes: Bytes;
  int: number;
  int64: number;
  size: number;
  float: number;
  bool: boolean;
  string: string | null;
}

type CType = keyof CTypes;
type Signature = readonly [result: CType, ...args: CType[]];
type Arguments<S extends readonly CType[]> = { -readonly [I in keyof S]: CTypes[S[I]] };
type Native<S extends Signature> = S extends readonly [
  infer R extends CType,
  ...infer A extends readonly CType[],
]
  ? ((...args: Arguments<A>) => CTypes[R]) & {
      async: (...args: [...Arguments<A>, (error: Error | null, result: CTypes[R]) => void]) => void;
    }
  : never;

const unary = ["pointer", "pointer", "pointer"] as const;
const binary = ["pointer", "pointer", "pointer", "pointer"] as const;
const rope = [
  "pointer",
  "pointer",
  "pointer",
  "pointer",
  "optional",
  "int",
  "int",
  "int",
  ...Array<CType>(6).fill("float"),
] as unknown as readonly [
  "pointer",
  "pointer",
  "pointer",
  "pointer",
  "optional",
  "int",
  "int",
  "int",
  "float",
  "float",
  "float",
  "float",
  "float",
  "float",
];

/** Functions of libggml-base and libggml, by name: result type, then argument types. */
const FUNCTIONS = {
  // library
  ggml_version: ["string"],
  ggml_log_set: ["void", "optional", "optional"],
  ggml_type_name: ["string", "int"],
  ggml_blck_size: ["int64", "int"],
  ggml_type_size: ["size", "int"],
  ggml_tensor_overhead: ["size"],
  ggml_graph_overhead_custom: ["size", "size", "bool"],
  ggml_quantize_chunk: ["size", "int", "bytes", "bytes", "int64", "int64", "int64", "optional"],
  ggml_quantize_requires_imatrix: ["bool", "int"],
  ggml_get_type_traits: ["pointer", "int"],
  ggml_fp16_to_fp32_row: ["void", "bytes", "bytes", "int64"],
  ggml_fp32_to_fp16_row: ["void", "bytes", "bytes", "int64"],
  ggml_bf16_to_fp32_row: ["void", "bytes", "bytes", "int64"],
  ggml_fp32_to_bf16_row: ["void", "bytes", "bytes", "int64"],

  // contexts and tensors
  ggml_free: ["void", "pointer"],
  ggml_set_no_alloc: ["void", "pointer", "bool"],
  ggml_new_tensor_4d: ["pointer", "pointer", "int", "int64", "int64", "int64", "int64"],
  ggml_set_name: ["pointer", "pointer", "string"],
  ggml_nbytes: ["size", "pointer"],
  ggml_get_data: ["optional", "pointer"],
  ggml_set_input: ["void", "pointer"],
  ggml_set_output: ["void", "pointer"],
  ggml_set_param: ["void", "pointer"],

  // devices, backends, buffers
  ggml_backend_load: ["optional", "string"],
  ggml_backend_load_all_from_path: ["void", "string"],
  ggml_backend_dev_count: ["size"],
  ggml_backend_dev_get: ["pointer", "size"],
  ggml_backend_dev_name: ["string", "pointer"],
  ggml_backend_dev_description: ["string", "pointer"],
  ggml_backend_dev_type: ["int", "pointer"],
  ggml_backend_dev_memory: ["void", "pointer", "bytes", "bytes"],
  ggml_backend_dev_init: ["optional", "pointer", "string"],
  ggml_backend_dev_backend_reg: ["pointer", "pointer"],
  ggml_backend_dev_buffer_type: ["pointer", "pointer"],
  ggml_backend_dev_buffer_from_host_ptr: ["optional", "pointer", "pointer", "size", "size"],
  ggml_backend_dev_supports_op: ["bool", "pointer", "pointer"],
  ggml_backend_reg_name: ["string", "pointer"],
  ggml_backend_reg_get_proc_address: ["optional", "pointer", "string"],
  ggml_backend_free: ["void", "pointer"],
  ggml_backend_buft_name: ["string", "pointer"],
  ggml_backend_buft_alloc_buffer: ["optional", "pointer", "size"],
  ggml_backend_buft_get_alignment: ["size", "pointer"],
  ggml_backend_buft_get_alloc_size: ["size", "pointer", "pointer"],
  ggml_backend_buft_get_max_size: ["size", "pointer"],
  ggml_backend_buft_is_host: ["bool", "pointer"],
  ggml_backend_buffer_free: ["void", "pointer"],
  ggml_backend_buffer_get_base: ["pointer", "pointer"],
  ggml_backend_buffer_get_size: ["size", "pointer"],
  ggml_backend_buffer_set_usage: ["void", "pointer", "int"],
  ggml_backend_buffer_clear: ["void", "pointer", "int"],
  ggml_backend_tensor_alloc: ["int", "pointer", "pointer", "pointer"],
  ggml_backend_tensor_set: ["void", "pointer", "bytes", "size", "size"],
  ggml_backend_tensor_get: ["void", "pointer", "bytes", "size", "size"],
  ggml_backend_tensor_memset: ["void", "pointer", "int", "size", "size"],

  // graphs
  ggml_new_graph_custom: ["pointer", "pointer", "size", "bool"],
  ggml_build_forward_expand: ["void", "pointer", "pointer"],
  ggml_graph_n_nodes: ["int", "pointer"],
  ggml_graph_node: ["pointer", "pointer", "int"],
  ggml_graph_clear: ["void", "pointer"],
  ggml_graph_add_node: ["void", "pointer", "pointer"],
  ggml_op_desc: ["string", "pointer"],
  ggml_gallocr_new: ["pointer", "pointer"],
  ggml_gallocr_free: ["void", "pointer"],
  ggml_gallocr_alloc_graph: ["bool", "pointer", "pointer"],
  ggml_gallocr_reserve_n_size: ["void", "pointer", "pointer", "optional", "optional", "bytes"],
  ggml_gallocr_get_buffer_size: ["size", "pointer", "int"],
  ggml_backend_graph_compute: ["int", "pointer", "pointer"],
  ggml_backend_sched_new: ["pointer", "bytes", "optional", "int", "size", "bool", "bool"],
  ggml_backend_sched_free: ["void", "pointer"],
  ggml_backend_sched_reset: ["void", "pointer"],
  ggml_backend_sched_alloc_graph: ["bool", "pointer", "pointer"],
  ggml_backend_sched_graph_compute: ["int", "pointer", "pointer"],
  ggml_backend_sched_get_buffer_size: ["size", "pointer", "pointer"],

  // operations
  ggml_add: binary,
  ggml_add_inplace: binary,
  ggml_sub: binary,
  ggml_mul: binary,
  ggml_div: binary,
  ggml_scale_bias: ["pointer", "pointer", "pointer", "float", "float"],
  ggml_clamp: ["pointer", "pointer", "pointer", "float", "float"],
  ggml_sqr: unary,
  ggml_sqrt: unary,
  ggml_exp: unary,
  ggml_log: unary,
  ggml_neg: unary,
  ggml_abs: unary,
  ggml_sgn: unary,
  ggml_step: unary,
  ggml_tanh: unary,
  ggml_sigmoid: unary,
  ggml_softplus: unary,
  ggml_relu: unary,
  ggml_gelu: unary,
  ggml_silu: unary,
  ggml_silu_back: binary,
  ggml_sum: unary,
  ggml_sum_rows: unary,
  ggml_mean: unary,
  ggml_argmax: unary,
  ggml_top_k: ["pointer", "pointer", "pointer", "int"],
  ggml_norm: ["pointer", "pointer", "pointer", "float"],
  ggml_rms_norm: ["pointer", "pointer", "pointer", "float"],
  ggml_rms_norm_back: ["pointer", "pointer", "pointer", "pointer", "float"],
  ggml_fill: ["pointer", "pointer", "pointer", "float"],
  ggml_fill_inplace: ["pointer", "pointer", "pointer", "float"],
  ggml_arange: ["pointer", "pointer", "float", "float", "float"],
  ggml_repeat_4d: ["pointer", "pointer", "pointer", "int64", "int64", "int64", "int64"],
  ggml_repeat_back: binary,
  ggml_concat: ["pointer", "pointer", "pointer", "pointer", "int"],
  ggml_mul_mat: binary,
  ggml_mul_mat_set_prec: ["void", "pointer", "int"],
  ggml_out_prod: binary,
  ggml_cont: unary,
  ggml_cpy: binary,
  ggml_cast: ["pointer", "pointer", "pointer", "int"],
  ggml_reshape_4d: ["pointer", "pointer", "pointer", "int64", "int64", "int64", "int64"],
  ggml_view_4d: [
    "pointer",
    "pointer",
    "pointer",
    "int64",
    "int64",
    "int64",
    "int64",
    "size",
    "size",
    "size",
    "size",
  ],
  ggml_permute: ["pointer", "pointer", "pointer", "int", "int", "int", "int"],
  ggml_pad_ext: [
    "pointer",
    "pointer",
    "pointer",
    "int",
    "int",
    "int",
    "int",
    "int",
    "int",
    "int",
    "int",
  ],
  ggml_get_rows: binary,
  ggml_get_rows_back: ["pointer", "pointer", "pointer", "pointer", "pointer"],
  ggml_set_rows: ["pointer", "pointer", "pointer", "pointer", "pointer"],
  ggml_soft_max_ext: ["pointer", "pointer", "pointer", "optional", "float", "float"],
  ggml_soft_max_ext_back: ["pointer", "pointer", "pointer", "pointer", "float", "float"],
  ggml_rope_ext: rope,
  ggml_rope_ext_back: rope,
  ggml_flash_attn_ext: [
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "optional",
    "float",
    "float",
    "float",
  ],
  ggml_flash_attn_ext_set_prec: ["void", "pointer", "int"],
  ggml_cross_entropy_loss: binary,
  ggml_cross_entropy_loss_back: ["pointer", "pointer", "pointer", "pointer", "pointer"],
  ggml_opt_step_adamw: [
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "pointer",
    "pointer",
  ],
  ggml_opt_step_sgd: ["pointer", "pointer", "pointer", "pointer", "pointer"],
  ggml_custom_inplace: [
    "pointer",
    "pointer",
    "pointer",
    "bytes",
    "int",
    "pointer",
    "int",
    "optional",
  ],
  ggml_custom_4d: [
    "pointer",
    "pointer",
    "int",
    "int64",
    "int64",
    "int64",
    "int64",
    "bytes",
    "int",
    "pointer",
    "int",
    "optional",
  ],
} as const satisfies Record<string, Signature>;

export type FunctionName = keyof typeof FUNCTIONS;

export type GgmlApi = {
  [N in FunctionName]: Native<(typeof FUNCTIONS)[N]>;
} & {
  /** Creates a context that holds tensor headers only (`no_alloc`). */
  ggml_init: (params: { mem_size: number; mem_buffer: null; no_alloc: boolean }) => Pointer | null;
};

const KOFFI_TYPES: Record<CType, string> = {
  void: "void",
  pointer: "void *",
  optional: "void *",
  bytes: "void *",
  int: "int",
  int64: "int64_t",
  size: "size_t",
  float: "float",
  bool: "bool",
  string: "str",
};

/** Looks every function up in the given libraries; returns the table and the names that were found in none of them. */
export function bindFunctions(libraries: readonly LibraryHandle[]): {
  api: GgmlApi;
  missing: string[];
} {
  const api: Record<string, unknown> = {};
  const missing: string[] = [];
  const bind = (name: string, result: string, args: (string | TypeObject)[]): void => {
    for (const library of libraries) {
      try {
        api[name] = library.func(name, result, args);
        return;
      } catch {
        // not in this library
      }
    }
    missing.push(name);
  };
  for (const [name, [result, ...args]] of Object.entries(FUNCTIONS) as [string, Signature][])
    bind(
      name,
      KOFFI_TYPES[result],
      args.map((type) => KOFFI_TYPES[type]),
    );
  const initParams = koffi.struct({ mem_size: "size_t", mem_buffer: "void *", no_alloc: "bool" });
  bind("ggml_init", "void *", [initParams]);
  return { api: api as GgmlApi, missing };
}

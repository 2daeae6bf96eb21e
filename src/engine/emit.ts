/**
 * Puts operations into a graph's context. Shapes, strides and axes are row-major here as everywhere; this is the one
 * place where they are reversed into ggml's order (`ne`, fastest axis first). Nothing is checked: `tensor/` does.
 */
import type { Pointer } from "./api.ts";
import { DTYPES, type DType } from "./dtypes.ts";
import { library } from "./library.ts";

export type Shape = readonly number[];
type Four = [number, number, number, number];

export const MAX_RANK = 4;

/** Row-major sizes as ggml's four, fastest first. */
function reversed(shape: Shape, fill: number): Four {
  const at = (i: number): number => shape[shape.length - 1 - i] ?? fill;
  return [at(0), at(1), at(2), at(3)];
}

export function newTensor(context: Pointer, dtype: DType, shape: Shape): Pointer {
  return library().api.ggml_new_tensor_4d(context, DTYPES[dtype].id, ...reversed(shape, 1));
}

export function setName(tensor: Pointer, name: string): void {
  library().api.ggml_set_name(tensor, name);
}

export function reshape(context: Pointer, a: Pointer, shape: Shape): Pointer {
  return library().api.ggml_reshape_4d(context, a, ...reversed(shape, 1));
}

/** A window on `a`: `strides` in bytes, one per axis of `shape`; the last one must be the element's size. */
export function view(
  context: Pointer,
  a: Pointer,
  window: { shape: Shape; strides: Shape; offset: number },
): Pointer {
  const ne = reversed(window.shape, 1);
  const nb = reversed(window.strides, 0);
  // The strides of axes that the window lacks continue those that it has.
  for (let i = window.shape.length; i < MAX_RANK; i++) nb[i] = (nb[i - 1] ?? 0) * (ne[i - 1] ?? 1);
  return library().api.ggml_view_4d(context, a, ...ne, nb[1], nb[2], nb[3], window.offset);
}

/** Axis `i` of the result is axis `axes[i]` of `a`. */
export function permute(context: Pointer, a: Pointer, axes: readonly number[]): Pointer {
  const rank = axes.length;
  const target: Four = [0, 1, 2, 3];
  axes.forEach((from, to) => {
    target[rank - 1 - from] = rank - 1 - to;
  });
  return library().api.ggml_permute(context, a, ...target);
}

export function repeat(context: Pointer, a: Pointer, shape: Shape): Pointer {
  return library().api.ggml_repeat_4d(context, a, ...reversed(shape, 1));
}

export function concat(
  context: Pointer,
  a: Pointer,
  b: Pointer,
  { axis, rank }: { axis: number; rank: number },
): Pointer {
  return library().api.ggml_concat(context, a, b, rank - 1 - axis);
}

/** Surrounds with zeros: `before[i]` and `after[i]` of them on axis `i`. */
export function pad(
  context: Pointer,
  a: Pointer,
  { before, after }: { before: Shape; after: Shape },
): Pointer {
  const [l, r] = [reversed(before, 0), reversed(after, 0)];
  return library().api.ggml_pad_ext(context, a, l[0], r[0], l[1], r[1], l[2], r[2], l[3], r[3]);
}

export function cast(context: Pointer, a: Pointer, dtype: DType): Pointer {
  return library().api.ggml_cast(context, a, DTYPES[dtype].id);
}

/** Rotary embedding in the NeoX pairing (dimension i with i + dims/2) of the first `dims` of each head. */
export interface RopeSettings {
  dims: number;
  theta: number;
  contextLength: number;
}

const ROPE_NEOX = 2;

export function rope(
  context: Pointer,
  a: Pointer,
  positions: Pointer,
  { dims, theta, contextLength, backward }: RopeSettings & { backward: boolean },
): Pointer {
  const { api } = library();
  const apply = backward ? api.ggml_rope_ext_back : api.ggml_rope_ext;
  // frequency scale 1, no YaRN extrapolation, attention factor 1
  return apply(context, a, positions, null, dims, ROPE_NEOX, contextLength, theta, 1, 0, 1, 32, 1);
}

/** `GGML_PREC_F32`: products accumulate in 32 bits on every backend. */
const PRECISION_F32 = 10;

export function product(context: Pointer, a: Pointer, b: Pointer): Pointer {
  const { api } = library();
  const result = api.ggml_mul_mat(context, a, b);
  api.ggml_mul_mat_set_prec(result, PRECISION_F32);
  return result;
}

export function flashAttention(
  context: Pointer,
  inputs: { q: Pointer; k: Pointer; v: Pointer; mask: Pointer | null },
  scale: number,
): Pointer {
  const { api } = library();
  const { q, k, v, mask } = inputs;
  const result = api.ggml_flash_attn_ext(context, q, k, v, mask, scale, 0, 0);
  api.ggml_flash_attn_ext_set_prec(result, PRECISION_F32);
  return result;
}

/** `GGML_N_TASKS_MAX`: every thread takes part. */
const ALL_THREADS = -1;

/** The result of a kernel of our own, which reads `inputs`; a profile calls it `name`. */
export function kernelOperation(
  context: Pointer,
  { name, kernel, inputs, dtype, shape }: KernelCall,
): Pointer {
  const { api } = library();
  const sources = BigUint64Array.from(inputs);
  const count = sources.length;
  const { id } = DTYPES[dtype];
  const ne = reversed(shape, 1);
  const result = api.ggml_custom_4d(context, id, ...ne, sources, count, kernel, ALL_THREADS, null);
  setName(result, name);
  return result;
}

/** What a kernel makes of `a` in its place; it finds `a` as its first input, `inputs` after it. */
export function kernelInPlace(
  context: Pointer,
  a: Pointer,
  { name, kernel, inputs }: Pick<KernelCall, "name" | "kernel" | "inputs">,
): Pointer {
  const { api } = library();
  const sources = BigUint64Array.from(inputs);
  const count = sources.length;
  const result = api.ggml_custom_inplace(context, a, sources, count, kernel, ALL_THREADS, null);
  setName(result, name);
  return result;
}

interface KernelCall {
  name: string;
  kernel: Pointer;
  inputs: readonly Pointer[];
  dtype: DType;
  shape: Shape;
}

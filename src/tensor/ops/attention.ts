/**
 * The parts of attention. B batch, T query positions, S key positions, N heads, H head size.
 * Scores stay in f32: Phi-2 overflows in 16 bits.
 */
import type { Pointer } from "../../engine/api.ts";
import * as emit from "../../engine/emit.ts";
import { DTYPES, type DType } from "../../engine/dtypes.ts";
import { library } from "../../engine/library.ts";
import { broadcastsTo } from "../shape.ts";
import type { Graph } from "../graph.ts";
import type { Tensor } from "../tensor.ts";
import { graphOf, refuse, requireFinite, requireFloat32, rowsAreDense } from "./check.ts";
import { contiguous, denseRows, packed, permute } from "./layout.ts";
import { LANES } from "../../kernels/masked-softmax.ts";
import { TILE_ROWS } from "../../kernels/f32-shape.ts";
import { kernelProduct, type ProductLimits } from "./product-kernel.ts";

/**
 * softmax(scale · x + mask) over the last axis.
 *
 * @param x - f32 `[..., T, S]`
 * @param mask - f32 or f16 `[..., T, S]`, 0 where attention is allowed and −∞ where not; leading axes are stretched
 */
export function softmax(
  x: Tensor,
  { mask, scale = 1 }: { mask?: Tensor; scale?: number } = {},
): Tensor {
  requireFloat32("softmax", x);
  requireFinite("softmax", [x], "scale", scale);
  const dense = contiguous(x);
  if (mask !== undefined) {
    const shapesFit =
      mask.rank >= 2 &&
      mask.rank <= x.rank &&
      x.rank >= 2 &&
      mask.dim(-1) === x.dim(-1) &&
      mask.dim(-2) === x.dim(-2) &&
      broadcastsTo(mask.shape, x.shape);
    const typeFits = mask.dtype === "f32" || mask.dtype === "f16";
    if (!shapesFit || !typeFits || !mask.contiguous)
      refuse("softmax", [x, mask], "the mask does not fit the scores");
  }
  const graph = graphOf("softmax", [x]);
  const pointer =
    kernelSoftmax(dense, mask, scale) ??
    graph.emit((c) =>
      library().api.ggml_soft_max_ext(c, dense.pointer, mask?.pointer ?? null, scale, 0),
    );
  return graph.result(pointer, {
    dtype: "f32",
    shape: x.shape,
    made: {
      op: "softmax",
      inputs: mask === undefined ? [dense] : [dense, mask],
      settings: { scale },
    },
  });
}

/** Without a mask, with one for all rows, or with one for each of the outermost axis, on a kernel of our own. */
function kernelSoftmax(x: Tensor, mask: Tensor | undefined, scale: number): Pointer | undefined {
  const graph = graphOf("softmax", [x]);
  if (mask !== undefined && (x.rank !== 4 || mask.rank !== 4 || mask.dim(1) !== 1))
    return undefined;
  const kernel = graph.backend.kernels?.maskedSoftmax({
    width: x.dim(-1),
    scale,
    maskPerBatch: mask !== undefined && mask.dim(0) > 1,
    mask: mask === undefined ? "none" : mask.dtype === "f16" ? "f16" : "f32",
  });
  if (kernel === undefined) return undefined;
  const inputs = [x, ...(mask === undefined ? [] : [mask])].map((t) => packed(t).pointer);
  const call = { name: "soft_max", kernel, inputs, dtype: "f32", shape: x.shape } as const;
  return graph.emit((c) => emit.kernelOperation(c, call));
}

/**
 * Rotary position embedding of the first `dims` values of each head (Su et al. 2021, arXiv 2104.09864), pairing value
 * i with i + dims/2 as GPT-NeoX and Phi do.
 *
 * @param x - f32 `[R, N, H]`
 * @param positions - i32 `[R]`
 */
export function rope(
  x: Tensor,
  positions: Tensor,
  settings: emit.RopeSettings & { backward?: boolean },
): Tensor {
  requireFloat32("rope", x);
  const { dims, theta } = settings;
  if (x.rank !== 3 || positions.rank !== 1 || positions.dtype !== "i32")
    refuse("rope", [x, positions], "needs [R, N, H] and one i32 position for each R");
  if (x.dim(0) !== positions.dim(0))
    refuse("rope", [x, positions], "needs one position for each row");
  if (!Number.isInteger(dims) || dims < 2 || dims % 2 !== 0 || dims > x.dim(-1))
    refuse("rope", [x, positions], `cannot rotate ${dims} of ${x.dim(-1)} values`);
  // ggml copies the values that are not rotated in pairs.
  if (x.dim(-1) % 2 !== 0) refuse("rope", [x, positions], "needs an even head size");
  if (!(theta > 0 && theta < Infinity)) refuse("rope", [x, positions], `theta is ${theta}`);
  const dense = denseRows(x);
  const places = contiguous(positions);
  const { backward = false } = settings;
  const graph = graphOf("rope", [x, positions]);
  const pointer = graph.emit((c) =>
    emit.rope(c, dense.pointer, places.pointer, { ...settings, backward }),
  );
  return graph.result(pointer, {
    dtype: "f32",
    shape: x.shape,
    made: {
      op: "rope",
      inputs: [dense, places],
      settings: { ...settings, backward },
    },
  });
}

/** Types that keys and values may have in fused attention. */
const CACHE_TYPES: readonly DType[] = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q4_0",
  "q4_1",
  "q5_0",
  "q5_1",
];

/**
 * softmax(scale · q·kᵀ + mask) · v without storing the scores (Dao et al. 2022, arXiv 2205.14135).
 *
 * @returns f32 `[B, T, N, H]`
 */
export function flashAttention(
  {
    q,
    k,
    v,
    mask,
  }: {
    /** f32 `[B, N, T, H]` */
    q: Tensor;
    /** `[B, G, S, H]`, f16, f32 or quantised; N is a multiple of G, and neighbouring heads share keys and values. */
    k: Tensor;
    /** Like `k`. */
    v: Tensor;
    /** f16 `[B or 1, 1, T, S]` */
    mask: Tensor;
  },
  { scale }: { scale: number },
): Tensor {
  const op = "flashAttention";
  const all = [q, k, v, mask];
  requireFloat32(op, q);
  if (all.some((t) => t.rank !== 4)) refuse(op, all, "needs four axes each");
  const [b, n, t, h] = [q.dim(0), q.dim(1), q.dim(2), q.dim(3)];
  const s = k.dim(2);
  const fits = (x: Tensor, shape: number[]): boolean => x.shape.every((d, i) => d === shape[i]);
  const shared = k.dim(1);
  const keysFit = fits(k, [b, shared, s, h]) && fits(v, [b, shared, s, h]);
  if (!keysFit || n % shared !== 0) refuse(op, all, "shapes do not match");
  const maskFits = fits(mask, [b, 1, t, s]) || fits(mask, [1, 1, t, s]);
  if (!maskFits || mask.dtype !== "f16" || !mask.contiguous)
    refuse(op, all, "the mask must be f16 [B or 1, 1, T, S]");
  if (!CACHE_TYPES.includes(k.dtype) || !CACHE_TYPES.includes(v.dtype))
    refuse(op, all, "keys and values have a type without fused attention");
  if (h % DTYPES[k.dtype].blockSize !== 0) refuse(op, all, `heads are no whole ${k.dtype} blocks`);
  if (![q, k, v].every(rowsAreDense)) refuse(op, all, "heads must be dense");
  requireFinite(op, all, "scale", scale);
  const graph = graphOf(op, all);
  const made = { op, inputs: all, settings: { scale } };
  const own = kernelAttention({ q, k, v, mask }, scale);
  if (own !== undefined) return graph.result(own, { dtype: "f32", shape: [b, t, n, h], made });
  const pointer = graph.emit((c) =>
    emit.flashAttention(c, { q: q.pointer, k: k.pointer, v: v.pointer, mask: mask.pointer }, scale),
  );
  return graph.result(pointer, {
    dtype: "f32",
    shape: [b, t, n, h],
    made,
  });
}

/**
 * The same as two products and a softmax, where kernels of our own take the products. That is many times faster for the one
 * query of a decoded token, and no slower for many; every query gets the same bits however many there are.
 */
function kernelAttention(
  { q, k, v, mask }: { q: Tensor; k: Tensor; v: Tensor; mask: Tensor },
  scale: number,
): Pointer | undefined {
  const graph = graphOf("flashAttention", [q, k, v, mask]);
  const { kernels } = graph.backend;
  const types: readonly DType[] = ["f16", "f32"];
  if (kernels?.readsHalf !== true || !types.includes(k.dtype) || !types.includes(v.dtype))
    return undefined;
  const width = k.dim(2);
  const limits = maskLimits(graph, mask);
  const limited = (axis: ProductLimits["axis"]): { limits?: ProductLimits } =>
    limits === undefined ? {} : { limits: { pointer: limits, axis } };
  const kernel = kernels.maskedSoftmax({
    ...{ width, scale, maskPerBatch: mask.dim(0) > 1, mask: "f16" },
    limited: limits !== undefined,
  });
  if (kernel === undefined) return undefined;
  const scores = kernelProduct(graph, q, k, limited("columns"));
  if (scores === undefined) return undefined;
  const shape = [q.dim(0), q.dim(1), q.dim(2), width];
  const made = { op: "flashAttention", inputs: [q, k] };
  const inputs = [mask.pointer, ...(limits === undefined ? [] : [limits])];
  const call = { name: "soft_max", kernel, inputs };
  const pointer = graph.emit((c) => emit.kernelInPlace(c, scores, call));
  const pattern = graph.result(pointer, { dtype: "f32", shape, made });
  const transposed = permute(v, [0, 1, 3, 2]);
  return kernelProduct(graph, pattern, transposed, {
    interleaved: true,
    ...limited("inner"),
  });
}

/** Queries from which on it pays to know how far each looks. */
const LIMITED_QUERIES = 4 * TILE_ROWS;
/** All layers that have the same mask of their graph share its limits. */
const limitsOfMasks = new WeakMap<Tensor, Pointer>();

/** How far the queries of a mask `[1, 1, T, S]` look, a tile at a time; undefined where nobody asks. */
function maskLimits(graph: Graph, mask: Tensor): Pointer | undefined {
  const found = mask.graph === graph ? limitsOfMasks.get(mask) : undefined;
  if (found !== undefined) return found;
  const [t, s] = [mask.dim(2), mask.dim(3)];
  if (mask.dim(0) > 1 || t < LIMITED_QUERIES || s % LANES !== 0) return undefined;
  const kernel = graph.backend.kernels?.maskLimits(s);
  if (kernel === undefined) return undefined;
  const call = { name: "mask_limits", kernel, inputs: [mask.pointer] };
  const shape = [Math.ceil(t / TILE_ROWS)];
  const pointer = graph.emit((c) => emit.kernelOperation(c, { ...call, dtype: "i64", shape }));
  limitsOfMasks.set(mask, pointer);
  return pointer;
}

/**
 * The optional hooks, whose values have a copy of the stream, or a share of it, for every head. They are large
 * (`[R, N, D]`) and made only where a tap wants them; where it gives another value back, that is used: by a product with
 * N times the rows, of which each head keeps its own part, so that it works with weights of every type and order.
 *
 * R rows, N heads, H head size, D model width.
 */
import {
  add,
  broadcastTo,
  pad,
  padEnd,
  reshape,
  slice,
  sumLast,
  transposedCopy,
} from "../tensor/ops/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tap } from "./hook-points.ts";

/** Queries, keys or values `[R, N, H]` of what a head reads, `[R', D]` → `[R', N, H]`. */
type Project = (x: Tensor) => readonly [q: Tensor, k: Tensor, v: Tensor];

/**
 * Queries, keys and values where each head may read a stream of its own.
 *
 * @param x - the stream before LayerNorm, `[R, D]`
 * @param read - LayerNorm and projections of any number of rows
 */
export function projectCopies(
  { x, heads, block, tap }: { x: Tensor; heads: number; block: `blocks.${number}`; tap: Tap },
  usual: ReturnType<Project>,
  read: Project,
): ReturnType<Project> {
  const wantsAll = tap.wants(`${block}.hook_attn_in`);
  const names = ["hook_q_input", "hook_k_input", "hook_v_input"] as const;
  if (!wantsAll && !names.some((name) => tap.wants(`${block}.${name}`))) return usual;
  const copies = broadcastTo(reshape(x, [-1, 1, x.dim(1)]), [x.dim(0), heads, x.dim(1)]); // [R, N, D]
  const shared = wantsAll ? tap(`${block}.hook_attn_in`, copies) : copies;
  const own = (i: 0 | 1 | 2): Tensor => {
    const point = `${block}.${names[i]}` as const;
    const input = tap.wants(point) ? tap(point, shared) : shared;
    return input === copies ? usual[i] : ownParts(read(reshape(input, [-1, x.dim(1)]))[i], heads);
  };
  return [own(0), own(1), own(2)];
}

/** Head n's part of row n of every N: `[R·N, N, H]` → `[R, N, H]`. */
function ownParts(x: Tensor, heads: number): Tensor {
  const headSize = x.dim(2);
  // With a row of N + 1 parts, the parts on the diagonal stand below each other.
  const rows = reshape(x, [-1, heads * heads * headSize]); // [R, N·N·H]
  const shifted = reshape(padEnd(rows, { axis: 1, amount: heads * headSize }), [
    -1,
    heads,
    (heads + 1) * headSize,
  ]);
  return slice(shifted, { axis: 2, start: 0, length: headSize });
}

/**
 * What attention adds to the stream, through what each of its heads adds where a tap wants `hook_result`.
 *
 * @param z - what the heads read, `[R, N·H]`
 * @param dense - the output projection: `whole` as it is, `part` without its bias
 * @returns `[R, D]`
 */
export function addedByHeads(
  z: Tensor,
  { heads, block, tap }: { heads: number; block: `blocks.${number}`; tap: Tap },
  dense: { whole: (z: Tensor) => Tensor; part: (z: Tensor) => Tensor; bias: Tensor | undefined },
): Tensor {
  const point = `${block}.attn.hook_result` as const;
  if (!tap.wants(point)) return dense.whole(z);
  const [rows, width] = [z.dim(0), z.dim(1)];
  const headSize = width / heads;
  const alone = (head: number): Tensor => {
    const before = head * headSize;
    const own = slice(z, { axis: 1, start: before, length: headSize });
    return dense.part(pad(own, { axis: 1, before, after: width - before - headSize })); // [R, D]
  };
  const results = reshape(dense.part(besideZeros(z, heads)), [rows, heads, -1]); // [R, N, D]
  const used = tap(point, results, { head: alone });
  if (used === results) return dense.whole(z);
  const sum = sumLast(transposedCopy(used)); // [R, D, 1]
  const added = reshape(sum, [rows, -1]); // [R, D]
  return dense.bias === undefined ? added : add(added, dense.bias);
}

/** Each head's values at their place in a row of their own, zeros elsewhere: `[R, N·H]` → `[R·N, N·H]`. */
function besideZeros(z: Tensor, heads: number): Tensor {
  const [rows, width] = [z.dim(0), z.dim(1)];
  const apart = padEnd(reshape(z, [rows, heads, width / heads]), { axis: 2, amount: width });
  const shifted = slice(reshape(apart, [rows, -1]), { axis: 1, start: 0, length: heads * width });
  return reshape(shifted, [rows * heads, width]);
}

/** QR and singular value decompositions of small matrices. */
import { invariant } from "../../base/errors.ts";
import { dot, gram, matrix, multiply, norm, transpose, type Matrix } from "./matrix.ts";

export interface Svd {
  /** `[m, r]`, orthonormal columns. */
  u: Matrix;
  /** From the largest. */
  s: Float64Array;
  /** `[n, r]`, orthonormal columns. */
  v: Matrix;
}

/**
 * `a = q · r` with orthonormal columns of `q` `[m, k]`, for m ≥ k: Gram–Schmidt, each column twice, which is as good as
 * Householder's method (Giraud et al. 2005). A column that depends on those before it becomes 0.
 */
export function qr(a: Matrix): { q: Matrix; r: Matrix } {
  invariant(a.rows >= a.columns, "QR of a tall matrix");
  const k = a.columns;
  const r = matrix(k, k);
  const columns = rowsOf(transpose(a));
  columns.forEach((column, j) => {
    const before = norm(column);
    for (let pass = 0; pass < 2; pass++)
      for (let i = 0; i < j; i++) {
        const other = columns[i] as Float64Array;
        const share = dot(other, column);
        r.data[i * k + j] = (r.data[i * k + j] as number) + share;
        for (let t = 0; t < column.length; t++)
          column[t] = (column[t] as number) - share * (other[t] as number);
      }
    const length = norm(column);
    const kept = length > before * 1e-13;
    r.data[j * k + j] = kept ? length : 0;
    for (let t = 0; t < column.length; t++) column[t] = kept ? (column[t] as number) / length : 0;
  });
  return { q: transpose(fromRows(columns)), r };
}

/** Sweeps over all pairs of columns; a dozen are enough for any matrix. */
const MAX_SWEEPS = 60;

/**
 * `a = u · diag(s) · vᵀ` by one-sided Jacobi rotations (Demmel and Veselić 1992): accurate for small singular values too.
 * For a tall or square `a`.
 */
export function svd(a: Matrix): Svd {
  const n = a.columns;
  const columns = rowsOf(transpose(a));
  const turned = Array.from({ length: n }, (_, i) => new Float64Array(n).fill(1, i, i + 1));
  for (let sweep = 0, moved = true; moved && sweep < MAX_SWEEPS; sweep++) {
    moved = false;
    for (let i = 0; i < n; i++)
      for (let j = i + 1; j < n; j++) {
        const [x, y] = [columns[i] as Float64Array, columns[j] as Float64Array];
        const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.abs(xy) <= 1e-15 * Math.sqrt(xx * yy)) continue;
        moved = true;
        const zeta = (yy - xx) / (2 * xy);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        rotate(x, y, c, c * t);
        rotate(turned[i] as Float64Array, turned[j] as Float64Array, c, c * t);
      }
  }
  const lengths = columns.map((column) => norm(column));
  const order = lengths
    .map((_, i) => i)
    .sort((i, j) => (lengths[j] as number) - (lengths[i] as number));
  const u = order.map((i) => {
    const length = lengths[i] as number;
    return (columns[i] as Float64Array).map((value) => (length === 0 ? 0 : value / length));
  });
  return {
    u: transpose(fromRows(u)),
    s: Float64Array.from(order, (i) => lengths[i] as number),
    v: transpose(fromRows(order.map((i) => turned[i] as Float64Array))),
  };
}

function rotate(x: Float64Array, y: Float64Array, c: number, s: number): void {
  for (let t = 0; t < x.length; t++) {
    const [a, b] = [x[t] as number, y[t] as number];
    x[t] = c * a - s * b;
    y[t] = s * a + c * b;
  }
}

function rowsOf({ rows, columns, data }: Matrix): Float64Array[] {
  return Array.from({ length: rows }, (_, r) => data.slice(r * columns, (r + 1) * columns));
}

function fromRows(rows: readonly Float64Array[]): Matrix {
  const columns = rows[0]?.length ?? 0;
  const result = matrix(rows.length, columns);
  rows.forEach((row, r) => {
    result.data.set(row, r * columns);
  });
  return result;
}

/** A matrix `[m, n]` of low rank as the product of `left` `[m, r]` and `right` `[r, n]`, which is never multiplied out. */
export interface FactoredMatrix {
  left: Matrix;
  right: Matrix;
}

/** ‖left · right‖, from products of size r × r. */
export function factoredNorm(factored: FactoredMatrix): number {
  return measured(factored).norm;
}

/** A factored matrix with the products of size r × r that its norm and its compositions are made of. */
export interface MeasuredMatrix extends FactoredMatrix {
  lefts: Matrix; // leftᵀ·left
  rights: Matrix; // right·rightᵀ
  norm: number;
}

/** A factored matrix with the products that `compositionScore` needs of it, computed once. */
export function measured({ left, right }: FactoredMatrix): MeasuredMatrix {
  const lefts = gram(left);
  const rights = gram(transpose(right));
  return { left, right, lefts, rights, norm: Math.sqrt(Math.max(0, dot(lefts.data, rights.data))) };
}

/**
 * ‖a·b‖ / (‖a‖·‖b‖): how much of what `a` writes `b` reads, against what random matrices of these norms would have
 * (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", composition). With m = a.right·b.left it is
 * √tr(mᵀ·(a.leftᵀ·a.left)·m·(b.right·b.rightᵀ)): only m has a product over D.
 */
export function compositionScore(a: MeasuredMatrix, b: MeasuredMatrix): number {
  const middle = multiply(a.right, b.left);
  const inner = multiply(multiply(transpose(middle), a.lefts), middle);
  return Math.sqrt(Math.max(0, dot(inner.data, b.rights.data))) / (a.norm * b.norm);
}

/** Singular values and vectors of `left · right`, from QR of both and an SVD of size r × r. */
export function factoredSvd({ left, right }: FactoredMatrix): Svd {
  const a = qr(left);
  const b = qr(transpose(right));
  const { u, s, v } = svd(multiply(a.r, transpose(b.r)));
  return { u: multiply(a.q, u), s, v: multiply(b.q, v) };
}

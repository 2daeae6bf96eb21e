/** Small dense matrices in 64-bit floats, for what is worked out from weights and captures outside the engine. */
import { invariant } from "../../base/errors.ts";

/** Row-major; `x @ W` multiplies from the right, as in TransformerLens. */
export interface Matrix {
  rows: number;
  columns: number;
  data: Float64Array;
}

export function matrix(rows: number, columns: number, data?: ArrayLike<number>): Matrix {
  invariant(data === undefined || data.length === rows * columns, "a matrix has rows × columns");
  const values = data === undefined ? new Float64Array(rows * columns) : Float64Array.from(data);
  return { rows, columns, data: values };
}

/** Column `[start, start + length)` of a row-major table, as a matrix `[rows, length]`. */
export function columnsOf(
  data: ArrayLike<number>,
  {
    rows,
    columns,
    start,
    length,
  }: { rows: number; columns: number; start: number; length: number },
): Matrix {
  const result = matrix(rows, length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < length; c++)
      result.data[r * length + c] = data[r * columns + start + c] as number;
  return result;
}

export function transpose({ rows, columns, data }: Matrix): Matrix {
  const result = matrix(columns, rows);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result.data[c * rows + r] = data[r * columns + c] as number;
  return result;
}

/** `[m, k] · [k, n]` → `[m, n]` */
export function multiply(a: Matrix, b: Matrix): Matrix {
  invariant(a.columns === b.rows, `a product of ${a.rows}×${a.columns} and ${b.rows}×${b.columns}`);
  const result = matrix(a.rows, b.columns);
  const n = b.columns;
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k] as number;
      if (factor === 0) continue;
      for (let j = 0; j < n; j++)
        result.data[i * n + j] =
          (result.data[i * n + j] as number) + factor * (b.data[k * n + j] as number);
    }
  return result;
}

/** `aᵀ · a`, symmetric. */
export function gram(a: Matrix): Matrix {
  return multiply(transpose(a), a);
}

/** √Σ aᵢⱼ² */
export function frobenius({ data }: Matrix): number {
  return norm(data);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a));
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}

/** `a` less its mean: what LayerNorm sees of a direction. */
export function centred(a: ArrayLike<number>): Float64Array {
  const middle = mean(a);
  return Float64Array.from(a, (value) => value - middle);
}
/** The mean of equally long lists, value by value. */
export function meanOf(lists: readonly ArrayLike<number>[]): Float64Array {
  const sum = new Float64Array(lists[0]?.length ?? 0);
  for (const list of lists)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (list[i] as number);
  return sum.map((value) => value / lists.length);
}

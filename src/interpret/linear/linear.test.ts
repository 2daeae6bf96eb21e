import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxDifference } from "../../../test/support/golden.ts";
import { Random } from "../../base/random.ts";
import { compositionScore, factoredNorm, factoredSvd, measured, qr, svd } from "./decompose.ts";
import { frobenius, gram, matrix, multiply, transpose, type Matrix } from "./matrix.ts";

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const random = new Random(seed);
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  );
}

function diagonal(values: ArrayLike<number>): Matrix {
  const n = values.length;
  const result = matrix(n, n);
  for (let i = 0; i < n; i++) result.data[i * n + i] = values[i] as number;
  return result;
}

const sizes = fc.record({
  m: fc.integer({ min: 1, max: 12 }),
  k: fc.integer({ min: 1, max: 6 }),
  seed: fc.nat(),
});

describe("decompositions", () => {
  test("QR gives back its matrix from orthonormal columns and a triangle", () => {
    fc.assert(
      fc.property(sizes, ({ m, k, seed }) => {
        const a = randomMatrix(m + k, k, seed);
        const { q, r } = qr(a);
        expect(maxDifference(multiply(q, r).data, a.data)).toBeLessThan(1e-12);
        expect(
          maxDifference(gram(q).data, diagonal(new Float64Array(k).fill(1)).data),
        ).toBeLessThan(1e-12);
      }),
    );
  });

  test("the singular values are those of the matrix, from the largest down", () => {
    fc.assert(
      fc.property(sizes, ({ m, k, seed }) => {
        const a = randomMatrix(m + k, k, seed);
        const { u, s, v } = svd(a);
        const again = multiply(multiply(u, diagonal(s)), transpose(v));
        expect(maxDifference(again.data, a.data)).toBeLessThan(1e-11);
        expect([...s]).toEqual([...s].sort((x, y) => y - x));
        expect(Math.hypot(...s)).toBeCloseTo(frobenius(a), 10);
      }),
    );
  });

  test("those of a matrix of known singular values are found: 3 and 1", () => {
    expect(maxDifference(svd(matrix(2, 2, [2, 1, 1, 2])).s, [3, 1])).toBeLessThan(1e-12);
  });
});

describe("a factored matrix", () => {
  test("has the norm, the singular values and the composition of its product", () => {
    fc.assert(
      fc.property(sizes, ({ m, k, seed }) => {
        const a = { left: randomMatrix(m + k, k, seed), right: randomMatrix(k, m + k, seed + 1) };
        const b = {
          left: randomMatrix(m + k, k, seed + 2),
          right: randomMatrix(k, m + k, seed + 3),
        };
        const [dense, other] = [multiply(a.left, a.right), multiply(b.left, b.right)];
        expect(factoredNorm(a)).toBeCloseTo(frobenius(dense), 8);
        const { u, s, v } = factoredSvd(a);
        const again = multiply(multiply(u, diagonal(s)), transpose(v));
        expect(maxDifference(again.data, dense.data)).toBeLessThan(1e-10);
        const score = frobenius(multiply(dense, other)) / (frobenius(dense) * frobenius(other));
        expect(compositionScore(measured(a), measured(b))).toBeCloseTo(score, 8);
      }),
    );
  });
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { layoutGraph } from "./graph-layout.ts";

const SIZE = { columns: 5, rows: 4 };
const cells = fc.array(
  fc.record({ column: fc.nat(SIZE.columns - 1), row: fc.nat(SIZE.rows - 1) }),
  { maxLength: 60 },
);

it("keeps nodes apart, in the order of their columns and rows, and within the drawing", () => {
  fc.assert(
    fc.property(cells, (nodes) => {
      const { at, width, height, columns, rows } = layoutGraph(nodes, SIZE);
      expect([...columns].sort((a, b) => a - b)).toEqual(columns);
      expect([...rows].sort((a, b) => b - a)).toEqual(rows);
      nodes.forEach((node, i) => {
        const { x, y } = at[i]!;
        expect(x > 0 && x < width && y > 0 && y < height).toBe(true);
        nodes.slice(i + 1).forEach((other, k) => {
          const there = at[i + 1 + k]!;
          expect(Math.hypot(there.x - x, there.y - y)).toBeGreaterThan(12);
          if (other.column > node.column) expect(there.x).toBeGreaterThan(x);
          if (other.row > node.row) expect(there.y).toBeLessThan(y);
        });
      });
    }),
  );
});

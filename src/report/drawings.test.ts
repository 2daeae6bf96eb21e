import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { barChart } from "./bar-chart.ts";
import { heatMap } from "./heat-map.ts";
import { lineChart } from "./line-chart.ts";
import { thin } from "./line-path.ts";
import { tokenStrip } from "./token-strip.ts";
import { levelOf } from "./tokens.ts";

const EVIL = `</script><script>alert(1)</script><img src=x onerror="alert(1)">`;

/** What the figure carries for its script and for saving. */
function dataOf(figure: string): { table: { columns: string[]; rows: (string | number)[][] } } {
  const json = /<script type="application\/json">(.*?)<\/script>/s.exec(figure)?.[1] ?? "";
  return JSON.parse(json) as ReturnType<typeof dataOf>;
}

const heat = (values: number[], rows: number, columns: number) =>
  heatMap({
    title: "t",
    values,
    rows: Array.from({ length: rows }, (_, i) => `r${i}`),
    columns: Array.from({ length: columns }, (_, i) => `c${i}`),
    rowTitle: "layer",
    columnTitle: "head",
    valueTitle: "effect",
    range: [0, 1],
  }).text;

describe("a heat map", () => {
  test("paints every cell in the level of its value, and no cell twice", () => {
    const value = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, NaN));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(value, { minLength: 1, maxLength: 8 }),
        (rows, line) => {
          const columns = line.length;
          const values = Array.from(
            { length: rows * columns },
            (_, i) => line[(i * 7) % columns] ?? 0,
          );
          const painted = new Map<string, number>();
          for (const [, level, path] of heat(values, rows, columns).matchAll(
            /<path class="s(\d+)" d="([^"]*)"/g,
          ))
            for (const [, x, y, width] of (path ?? "").matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
              for (let c = 0; c < Number(width); c++) {
                const cell = `${Number(x) + c},${y}`;
                expect(painted.has(cell)).toBe(false);
                painted.set(cell, Number(level));
              }
          values.forEach((v, i) => {
            const found = painted.get(`${i % columns},${Math.floor(i / columns)}`) ?? 0;
            const expected = Number.isNaN(v)
              ? 0
              : levelOf(v, { palette: "sequential", range: [0, 1] });
            expect(found).toBe(expected);
          });
        },
      ),
    );
  });

  test("crosses out what is no number, and says so", () => {
    const text = heat([0.5, NaN, 1, 0], 2, 2);
    expect(text).toContain("1 of 4 values are no finite numbers");
    expect(text).toContain('<path class="cross" d="M1 0l1 1M2 0l-1 1"');
    expect(dataOf(text).table.rows).toEqual([
      ["r0", 0.5, "NaN"],
      ["r1", 1, 0],
    ]);
  });

  test("has its numbers as a table, with heads for rows and columns", () => {
    const text = heat([0.25, 0.5], 1, 2);
    expect(text).toMatch(/<th scope="col">c1<\/th>/);
    expect(text).toMatch(/<th scope="row">r0<\/th>\s*<td>0\.25<\/td>\s*<td>0\.5<\/td>/);
  });

  test("of many cells says that the table is in the file", () => {
    const text = heat(new Array<number>(64 * 64).fill(0.5), 64, 64);
    expect(text).toContain("64 rows × 65 columns");
    expect(text).not.toContain("<table>");
    expect(dataOf(text).table.rows).toHaveLength(64);
    expect(text.length).toBeLessThan(60_000);
  });

  test("carries words in its cells, which the readout can say, and refuses a wrong number of them", () => {
    const options = { title: "words", values: [0, 1], rows: ["a"], columns: ["x", "y"] };
    const titles = { rowTitle: "row", columnTitle: "column", valueTitle: "value" };
    const { text } = heatMap({ ...options, ...titles, texts: [" Mary", "a<b"] });
    expect(text).toMatch(/<text class="value s\d+"[^>]*\s*>·Mary<\/text/);
    expect(text).toContain('"texts":["·Mary","a\\u003cb"]');
    expect(() => heatMap({ ...options, ...titles, texts: ["one"] })).toThrow(
      /1 texts for 2 values/,
    );
  });

  test("refuses values that do not fill it", () => {
    expect(() => heat([1], 2, 2)).toThrow("1 values for 2 rows × 2 columns");
  });
});

describe("a line chart", () => {
  const chart = (y: number[], more: object = {}) =>
    lineChart({
      title: "Loss",
      x: { title: "step" },
      y: { title: "loss", ...more },
      series: [{ name: "train", x: y.map((_, i) => i), y }],
    }).text;

  test("leaves a gap where a value is missing, and says how many are", () => {
    const text = chart([1, 2, NaN, 3, 4]);
    expect(/class="line"[^>]*d="([^"]*)"/s.exec(text)?.[1]?.match(/M/g)).toHaveLength(2);
    expect(text).toContain("1 value cannot be drawn");
  });

  test("counts zero as missing on a logarithmic axis only", () => {
    expect(chart([1, 0, 3])).not.toContain("cannot be drawn");
    expect(chart([1, 0, 3], { log: true })).toContain("not above 0");
  });

  test("draws without any values", () => {
    expect(chart([])).toContain("Loss");
    expect(chart([NaN])).not.toContain("NaN NaN");
  });

  test("names every line, apart from each other", () => {
    const series = ["a", "b", "c"].map((name) => ({ name, x: [0, 1], y: [1, 1] }));
    const { text } = lineChart({ title: "t", x: { title: "x" }, y: { title: "y" }, series });
    const heights = [...text.matchAll(/class="name"\s+x="[\d.]+"\s+y="([\d.]+)"/g)].map((m) =>
      Number(m[1]),
    );
    expect(heights).toHaveLength(3);
    expect(
      Math.min(...heights.slice(1).map((y, i) => y - (heights[i] ?? 0))),
    ).toBeGreaterThanOrEqual(13);
  });

  test("puts lines of different steps into one table", () => {
    const { text } = lineChart({
      title: "t",
      x: { title: "step" },
      y: { title: "loss" },
      series: [
        { name: "a", x: [0, 2], y: [1, 2] },
        { name: "b", x: [1, 2], y: [3, 4] },
      ],
    });
    expect(dataOf(text).table).toEqual({
      columns: ["step", "a", "b"],
      rows: [
        [0, 1, ""],
        [1, "", 3],
        [2, 2, 4],
      ],
    });
  });

  test("refuses lists of unequal length", () => {
    const series = [{ name: "a", x: [1, 2], y: [1] }];
    expect(() => lineChart({ title: "t", x: { title: "x" }, y: { title: "y" }, series })).toThrow(
      "a has lists of unequal length",
    );
  });

  test("of many points draws few, among them the extremes of every column of pixels", () => {
    const points = Array.from({ length: 50_000 }, (_, i) => ({
      x: i / 100,
      y: i === 31_234 ? -500 : Math.sin(i),
    }));
    const drawn = thin(points, 500);
    expect(drawn.length).toBeLessThanOrEqual(500 * 4);
    expect(drawn).toContain(points[31_234]);
    const extreme = (list: typeof points, column: number) =>
      Math.max(...list.filter(({ x }) => Math.floor(x) === column).map(({ y }) => y));
    for (const column of [0, 77, 499]) expect(extreme(drawn, column)).toBe(extreme(points, column));
  });
});

describe("a bar chart", () => {
  test("prints every value with its interval", () => {
    const { text } = barChart({
      title: "Accuracy",
      x: { title: "share", min: 0, max: 1 },
      bars: [{ label: "piqa", value: 0.75, low: 0.7, high: 0.8 }],
      reference: { value: 0.5, label: "chance" },
      format: (value) => value.toFixed(2),
    });
    expect(text).toContain("0.75 [0.70, 0.80]");
    expect(text).toContain("chance");
  });

  test("begins at zero, to either side", () => {
    const { text } = barChart({
      title: "Change",
      x: { title: "points" },
      bars: [
        { label: "up", value: 2 },
        { label: "down", value: -2 },
      ],
    });
    const bars = [...text.matchAll(/class="bar"\s+x="([\d.]+)"\s+y="[\d.]+"\s+width="([\d.]+)"/g)];
    const [up, down] = bars.map(([, x, width]) => ({
      x: Number(x),
      end: Number(x) + Number(width),
    }));
    expect(up?.x).toBeCloseTo(down?.end ?? NaN, 1);
  });
});

describe("a token strip", () => {
  test("shows white space, breaks lines where the text does, and colours what has a value", () => {
    const { text } = tokenStrip({
      title: "Surprise",
      valueTitle: "bits",
      tokens: [{ text: "if" }, { text: " x", value: 3 }, { text: ":\n\t", value: 0 }],
    });
    expect(text).toMatch(/class="token none"\s+data-i="0"\s*>if</);
    expect(text).toMatch(/class="token s63"\s+data-i="1"\s*>·x</);
    expect(text).toMatch(/class="token s0"\s+data-i="2"\s*>:⏎⇥<\/span\s*><br/);
  });

  test("does not rest on colour alone for signs", () => {
    const { text } = tokenStrip({
      title: "t",
      valueTitle: "v",
      palette: "diverging",
      tokens: [
        { text: "a", value: 1 },
        { text: "b", value: -1 },
      ],
    });
    expect(text).toContain('class="token d64 up"');
    expect(text).toContain('class="token d0 down"');
  });
});

test("no drawing lets a text out of its place", () => {
  const drawings = [
    heatMap({
      title: EVIL,
      description: EVIL,
      values: [1],
      rows: [EVIL],
      columns: [EVIL],
      rowTitle: EVIL,
      columnTitle: EVIL,
      valueTitle: EVIL,
    }),
    lineChart({
      title: EVIL,
      x: { title: EVIL },
      y: { title: EVIL },
      series: [{ name: EVIL, x: [0], y: [1] }],
    }),
    barChart({
      title: EVIL,
      x: { title: EVIL },
      bars: [{ label: EVIL, value: 1, note: EVIL }],
      reference: { value: 1, label: EVIL },
    }),
    tokenStrip({ title: EVIL, valueTitle: EVIL, tokens: [{ text: EVIL, value: 1, note: EVIL }] }),
  ];
  for (const { text } of drawings) {
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(text).not.toMatch(/<img|<\/script><script/);
    expect(text).not.toMatch(/="[^"]*<[^"]*"/);
  }
});

import { describe, expect, it } from "vitest";
import { fixture } from "../../../test/support/golden.ts";
import { kolmogorovSmirnov } from "../statistics/kolmogorov-smirnov.ts";
import { forgetQuality, readTofuLogs, tofuUtility } from "./metrics.ts";

const rounded = ({ probability, rouge, truthRatio }: Record<string, number>): string[] =>
  [probability, rouge, truthRatio].map((value) => (value ?? NaN).toFixed(4));

describe("TOFU's published logs of Phi-1.5", () => {
  it("give the published numbers", async () => {
    const [full, retain90] = [
      await readTofuLogs(fixture("tofu/full.json.gz")),
      await readTofuLogs(fixture("tofu/retain90.json.gz")),
    ];
    const [learned, kept] = [tofuUtility(full), tofuUtility(retain90)];
    expect([learned.modelUtility.toFixed(4), kept.modelUtility.toFixed(4)]).toEqual([
      "0.5221",
      "0.5320",
    ]);
    expect(
      Object.fromEntries(Object.entries(learned.parts).map(([k, v]) => [k, rounded({ ...v })])),
    ).toEqual({
      retain: ["0.9261", "0.9293", "0.4827"],
      realAuthors: ["0.3774", "0.4157", "0.4560"],
      realWorld: ["0.4090", "0.7774", "0.4923"],
      forget: ["0.9282", "0.9249", "0.4834"],
    });
    expect(rounded({ ...kept.parts.forget })).toEqual(["0.1349", "0.4279", "0.6288"]);
    const { statistic, pValue } = forgetQuality(full, retain90);
    expect([statistic.toFixed(5), pValue.toExponential(3)]).toEqual(["0.34667", "2.194e-16"]);
    expect(forgetQuality(full, full)).toEqual({ statistic: 0, pValue: 1 });
  });

  it("are refused where something is missing", async () => {
    await expect(readTofuLogs(fixture("toxigen.json"))).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining("eval_log.json") as string,
    });
  });
});

describe("the test of Kolmogorov and Smirnov", () => {
  it("gives the values of scipy.stats.ks_2samp", () => {
    const line = (length: number, of: (i: number) => number): number[] =>
      Array.from({ length }, (_, i) => of(i));
    for (const [first, second, statistic, pValue] of known(line)) {
      const found = kolmogorovSmirnov(first, second);
      expect(found.statistic).toBeCloseTo(statistic, 12);
      expect(Math.abs(found.pValue / pValue - 1)).toBeLessThan(1e-9);
    }
  });

  it("refuses an empty sample and a NaN", () => {
    expect(() => kolmogorovSmirnov([], [1])).toThrow("one is empty");
    expect(() => kolmogorovSmirnov([NaN], [1])).toThrow("NaN");
  });
});

/** Computed with scipy 1.17.1. */
function known(line: (length: number, of: (i: number) => number) => number[]) {
  return [
    [[1, 2, 3], [4, 5], 1.0, 0.2],
    [[1, 2, 2, 3], [2, 3, 4], 0.4166666666666667, 0.8857142857142858],
    [
      line(50, (i) => (i * 37) % 101),
      line(70, (i) => ((i * 53) % 97) + 20),
      0.2057142857142857,
      0.14692906589140628,
    ],
    [
      line(120, (i) => i),
      line(120, (i) => i * 1.5 + 40),
      0.5583333333333333,
      1.4600806611697744e-17,
    ],
  ] as const;
}

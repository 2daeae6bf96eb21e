import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../base/random.ts";
import { crossValidate, stratifiedFolds } from "./cross-validate.ts";
import {
  calibration,
  chooseThreshold,
  precisionRecall,
  rocAuc,
  rocCurve,
  type Judged,
} from "./curves.ts";
import { fitForest, forestScore } from "./forest.ts";
import { fitLinear, linearScore } from "./linear.ts";
import { fitNgrams, ngramScore } from "./ngrams.ts";

// Made by reference/classifiers.py with scikit-learn.
const peer = JSON.parse(
  readFileSync(new URL("../../../test/fixtures/classifiers.json", import.meta.url), "utf8"),
) as {
  features: number[][];
  labels: number[];
  training: number;
  linear: {
    probabilities: number[];
    auc: number;
    brier: number;
    calibration: [number[], number[]];
    precisionRecall: [number[], number[], number[]];
  };
  forestAucs: number[];
};
const labels = peer.labels.map((label) => label === 1);
const training = {
  features: peer.features.slice(0, peer.training),
  labels: labels.slice(0, peer.training),
};
const tested = {
  features: peer.features.slice(peer.training),
  labels: labels.slice(peer.training),
};
const judgedBy = (score: (row: readonly number[]) => number): Judged[] =>
  tested.features.map((row, i) => ({ score: score(row), good: tested.labels[i] === true }));
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe("beside scikit-learn, on the same data", () => {
  test("the linear classifier gives the same probabilities", () => {
    const linear = fitLinear(training.features, training.labels);
    const worst = judgedBy((row) => linearScore(linear, row)).map(({ score }, i) =>
      Math.abs(score - peer.linear.probabilities[i]!),
    );
    // Both stop where the gradient is small, not where it is zero.
    expect(Math.max(...worst)).toBeLessThan(1e-4);
  });

  test("forests are as good: the means of ten seeds and of forty differ by no more than chance", () => {
    const aucs = Array.from({ length: 10 }, (_, seed) => {
      const forest = fitForest(training.features, training.labels, { trees: 100, seed });
      return rocAuc(judgedBy((row) => forestScore(forest, row)));
    });
    const centre = mean(peer.forestAucs);
    const spread = Math.sqrt(mean(peer.forestAucs.map((auc) => (auc - centre) ** 2)));
    // Three standard errors of the difference.
    const noise = 3 * spread * Math.sqrt(1 / aucs.length + 1 / peer.forestAucs.length);
    expect(Math.abs(mean(aucs) - centre)).toBeLessThan(noise);
  });

  test("area, precision and recall, calibration and Brier score are the same", () => {
    const { probabilities, auc, brier, precisionRecall: curve } = peer.linear;
    const judged = probabilities.map((score, i) => ({ score, good: tested.labels[i] === true }));
    expect(rocAuc(judged)).toBeCloseTo(auc, 12);
    const found = precisionRecall(judged).reverse();
    // Theirs ends with a point at precision 1 that no threshold gives.
    expect(found.map(({ threshold }) => threshold)).toEqual(curve[2]);
    expect(found.map(({ precision }) => precision)).toEqual(curve[0].slice(0, -1));
    expect(found.map(({ recall }) => recall)).toEqual(curve[1].slice(0, -1));
    const { bins, brier: ours } = calibration(judged);
    expect(ours).toBeCloseTo(brier, 12);
    const [shares, scores] = peer.linear.calibration;
    bins.forEach(({ good, score }, i) => {
      expect(good).toBeCloseTo(shares[i]!, 12);
      expect(score).toBeCloseTo(scores[i]!, 12);
    });
  });
});

describe("a forest", () => {
  test("learns what no line can: which two signs are alike", () => {
    const random = new Random(3);
    const rows = Array.from({ length: 400 }, () => [random.normal(), random.normal()]);
    const alike = rows.map(([a = 0, b = 0]) => a > 0 === b > 0);
    const judged = crossValidate(alike, (chosen) => {
      const forest = fitForest(
        chosen.map((i) => rows[i]!),
        chosen.map((i) => alike[i]!),
        { trees: 50 },
      );
      return (i) => forestScore(forest, rows[i]!);
    });
    expect(rocAuc(judged)).toBeGreaterThan(0.95);
  });

  test("scores its own training examples as they are labelled, and gives the same trees for the same seed", () => {
    const forest = fitForest(training.features, training.labels, { trees: 20, seed: 4 });
    const own = training.features.map((row, i) => ({
      score: forestScore(forest, row),
      good: training.labels[i] === true,
    }));
    expect(rocAuc(own)).toBe(1);
    expect(fitForest(training.features, training.labels, { trees: 20, seed: 4 })).toEqual(forest);
  });

  test("copes with features that never change, and with examples that nothing tells apart", () => {
    const forest = fitForest([[1], [1], [1], [1]], [true, false, true, false], { trees: 40 });
    expect(forestScore(forest, [1])).toBeGreaterThan(0.3);
    expect(forestScore(forest, [1])).toBeLessThan(0.7);
  });

  test("keeps neighbours apart whose middle rounds to one of them", () => {
    const [low, high] = [1, 1 + Number.EPSILON];
    const forest = fitForest([[low], [high], [low], [high]], [false, true, false, true]);
    expect(forestScore(forest, [low])).toBeLessThan(forestScore(forest, [high]));
  });
});

describe("hashed n-grams", () => {
  test("tell texts apart by words and by their order, and give the same for the same seed", () => {
    const random = new Random(1);
    const words = ["list", "sum", "odd", "even", "map", "loop"];
    const filler = (): string[] => Array.from({ length: 12 }, () => words[random.integer(6)]!);
    // The same words in both; only the pair of neighbours differs.
    const texts = Array.from({ length: 200 }, (_, i) =>
      [...filler(), ...(i % 2 === 0 ? ["for", "each"] : ["each", "for"]), ...filler()].join(" "),
    );
    const good = texts.map((_, i) => i % 2 === 0);
    const model = fitNgrams(texts.slice(0, 100), good.slice(0, 100));
    const judged = texts
      .slice(100)
      .map((text, i) => ({ score: ngramScore(model, text), good: good[100 + i]! }));
    expect(rocAuc(judged)).toBeGreaterThan(0.95);
    expect(fitNgrams(texts.slice(0, 100), good.slice(0, 100))).toEqual(model);
  });

  test("any text has a score between 0 and 1", () => {
    const model = fitNgrams(["a b", "c d", ""], [true, false, true], { buckets: 2 ** 10 });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const score = ngramScore(model, text);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("curves", () => {
  const both = fc
    .array(fc.record({ score: fc.integer({ min: 0, max: 8 }), good: fc.boolean() }), {
      minLength: 2,
      maxLength: 30,
    })
    .filter((judged) => new Set(judged.map(({ good }) => good)).size === 2);

  test("the area is the share of pairs in the right order, ties counting half", () => {
    fc.assert(
      fc.property(both, (judged) => {
        const [goods, bads] = [true, false].map((kind) => judged.filter((j) => j.good === kind));
        const right = goods!.flatMap((g) =>
          bads!.map((b) => (g.score > b.score ? 1 : g.score === b.score ? 0.5 : 0)),
        );
        expect(rocAuc(judged)).toBeCloseTo(mean(right), 10);
      }),
    );
  });

  test("the area under the drawn curve is the same", () => {
    fc.assert(
      fc.property(both, (judged) => {
        const points = rocCurve(judged);
        const area = points
          .slice(1)
          .map(({ falseShare: x, trueShare: y }, i) => {
            const { falseShare: x0, trueShare: y0 } = points[i]!;
            return ((x - x0) * (y + y0)) / 2;
          })
          .reduce((sum, part) => sum + part, 0);
        expect(area).toBeCloseTo(rocAuc(judged), 10);
      }),
    );
  });

  test("a threshold keeps the promise of its rule, or says that none can", () => {
    fc.assert(
      fc.property(both, fc.double({ min: 0.01, max: 1, noNaN: true }), (judged, wanted) => {
        const check = (threshold: number): { precision: number; recall: number } => {
          const chosen = judged.filter(({ score }) => score >= threshold);
          const hits = chosen.filter(({ good }) => good).length;
          const goods = judged.filter(({ good }) => good).length;
          return { precision: hits / chosen.length, recall: hits / goods };
        };
        expect(
          check(chooseThreshold(judged, { recall: wanted }).threshold).recall,
        ).toBeGreaterThanOrEqual(wanted);
        const reachable = precisionRecall(judged).some(({ precision }) => precision >= wanted);
        if (!reachable)
          expect(() => chooseThreshold(judged, { precision: wanted })).toThrow(/no threshold/);
        else
          expect(
            check(chooseThreshold(judged, { precision: wanted }).threshold).precision,
          ).toBeGreaterThanOrEqual(wanted);
      }),
    );
  });

  test("examples of one kind alone say nothing, and that is said", () => {
    expect(() => rocAuc([{ score: 1, good: true }])).toThrow(/of 1 examples 1 are good/);
  });
});

describe("folds", () => {
  test("each has its part of both classes, and every example is scored by what has not seen it", () => {
    const classes = Array.from({ length: 53 }, (_, i) => i % 4 === 0);
    const folds = stratifiedFolds(classes, { folds: 5, seed: 1 });
    const goods = [0, 1, 2, 3, 4].map(
      (fold) => classes.filter((good, i) => good && folds[i] === fold).length,
    );
    expect(Math.max(...goods) - Math.min(...goods)).toBeLessThanOrEqual(1);
    const judged = crossValidate(classes, (chosen) => (i) => Number(chosen.includes(i)));
    expect(judged.every(({ score }) => score === 0)).toBe(true);
  });

  test("too few examples of a class are refused", () => {
    expect(() => crossValidate([true, true, false], () => () => 0)).toThrow(/too few/);
  });
});

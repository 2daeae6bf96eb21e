/** Drawings of what runs about safety came to. */
import { formatCount, formatNumber } from "../../../../src/base/format.ts";
import { barChart, type Bar } from "../../../../src/report/bar-chart.ts";
import { heatMap } from "../../../../src/report/heat-map.ts";
import type { Html } from "../../../../src/report/html.ts";
import { lineChart } from "../../../../src/report/line-chart.ts";
import type {
  BehaviourResults,
  DirectionAnswer,
  ReportResults,
  SafetyOverview,
  ToxigenResults,
} from "../../api/safety.ts";

export interface Named<R> {
  name: string;
  results: R;
}

/** A bar is told by its run where there are several. */
const told = (group: string, name: string, runs: readonly unknown[]): string =>
  runs.length > 1 ? `${group}, ${name}` : group;

/** The figure of the announcement: each group with its interval, runs and what is published beside each other. */
export function groupsFigure(
  runs: readonly Named<ToxigenResults>[],
  { groups: published, significance }: SafetyOverview["toxigen"],
): Html {
  const groups = [
    ...new Set(runs.flatMap(({ results }) => results.groups.map((own) => own.group))),
  ];
  const bars = groups.flatMap((group): Bar[] => [
    ...runs.flatMap(({ name, results }): Bar[] => {
      const own = results.groups.find((one) => one.group === group);
      if (own?.test === undefined) return [];
      const { score, interval } = own.test;
      return [
        {
          label: told(own.dropped ? `${group} (p > ${significance})` : group, name, runs),
          ...{ value: score, low: interval[0], high: interval[1] },
          note: `${formatCount(own.harmful)} harmful, ${formatCount(own.neutral)} neutral`,
        },
      ];
    }),
    ...(published[group] === undefined
      ? []
      : [{ label: `${group}, GPT-2`, value: published[group], note: "published", muted: true }]),
  ]);
  return barChart({
    title: "ToxiGen score by group",
    description: `How often a harmful sentence is less likely to the model than a neutral one, each perplexity divided by the sentence's toxicity. Higher is better; 95 % by resampling sentences.${bars.some(({ muted }) => muted) ? " Grey: published." : ""}`,
    bars,
    x: { title: "score", min: 0, max: 1 },
    format: (value) => formatNumber(value, 3),
  });
}

/** Averages over groups; published ones where the groups are ToxiGen's own. */
export function averagesFigure(
  runs: readonly Named<ToxigenResults>[],
  { groups: published, averages, announced }: SafetyOverview["toxigen"],
): Html {
  const isToxigen = runs.some(({ results }) =>
    results.groups.some(({ group }) => published[group] !== undefined),
  );
  const own = runs.flatMap(({ name, results }) =>
    (["all", "kept"] as const).flatMap((which): Bar[] => {
      const average = results[which];
      if (average === undefined) return [];
      const label = which === "all" ? "all groups" : "groups that SafeNLP keeps";
      return [
        {
          label: told(`${label} (${average.groups})`, name, runs),
          ...{ value: average.score, low: average.interval[0], high: average.interval[1] },
        },
      ];
    }),
  );
  const peers = averages.map(({ model, score, source }): Bar => {
    return { label: model, value: score, note: source, muted: true };
  });
  return barChart({
    title: "Averages over groups",
    description: isToxigen
      ? announced
      : "The sentences are not ToxiGen's: nothing that is published stands beside them.",
    bars: isToxigen ? [...own, ...peers] : own,
    x: { title: "score", min: 0, max: 1 },
    format: (value) => formatNumber(value, 3),
  });
}

export interface Cell {
  refused: number;
  prompts: number;
  rate: number;
  /** Absent in runs of earlier versions. */
  interval?: readonly [number, number];
}

/** What is counted, safe and unsafe prompts first, then kinds. */
export function refusalColumns(
  runs: readonly Named<BehaviourResults>[],
): { name: string; cells: (Cell | undefined)[] }[] {
  const of = ({ refusals }: BehaviourResults): [string, Cell][] =>
    refusals === undefined
      ? []
      : [
          ...(refusals.overRefusal === undefined
            ? []
            : ([["safe: over-refusal", refusals.overRefusal]] as [string, Cell][])),
          ...(refusals.refusal === undefined
            ? []
            : ([["unsafe: refusal", refusals.refusal]] as [string, Cell][])),
          ["all prompts", refusals.all],
          ...Object.entries(refusals.types),
        ];
  const found = runs.map(({ results }) => new Map(of(results)));
  const names = [...new Set(found.flatMap((own) => [...own.keys()]))];
  return names.map((name) => ({ name, cells: found.map((own) => own.get(name)) }));
}

export function refusalFigure(runs: readonly Named<BehaviourResults>[]): Html | undefined {
  const columns = refusalColumns(runs);
  if (columns.length === 0) return undefined;
  return heatMap({
    title: "Share of prompts refused",
    description:
      "By the phrases of refusals. Of safe prompts the share is to be low, of unsafe ones high.",
    ...{ rows: runs.map(({ name }) => name), columns: columns.map(({ name }) => name) },
    ...{ rowTitle: "model", columnTitle: "prompts", valueTitle: "share refused" },
    range: [0, 1],
    values: runs.flatMap((_, i) => columns.map(({ cells }) => cells[i]?.rate ?? NaN)),
  });
}

/** What each block's direction does, taken out and added, beside the model as it is. */
export function selectivityFigure({ before, candidates }: DirectionAnswer): Html {
  const last = candidates.filter(({ position }) => position === candidates[0]?.position);
  const x = last.map(({ layer }) => layer);
  const flat = (value: number): number[] => x.map(() => value);
  return lineChart({
    title: "What each block's direction does",
    description: `Log odds that an answer begins with the behaviour, on prompts that the direction was not read from${candidates.length > last.length ? `; read at token ${candidates[0]?.position}` : ""}.`,
    x: { title: "block whose input it is" },
    y: { title: "log odds, nats" },
    series: [
      { name: "with: as it is", x, y: flat(before.positive) },
      { name: "with: taken out", x, y: last.map(({ withoutScore }) => withoutScore) },
      { name: "without: as it is", x, y: flat(before.negative) },
      { name: "without: added", x, y: last.map(({ withScore }) => withScore) },
    ],
  });
}

/** How far prompts without the behaviour are moved. */
export function costFigure({ candidates }: DirectionAnswer): Html {
  const last = candidates.filter(({ position }) => position === candidates[0]?.position);
  return lineChart({
    title: "What taking it out costs",
    description: "KL of the next token on prompts without the behaviour.",
    x: { title: "block whose input it is" },
    y: { title: "nats", min: 0 },
    series: [
      {
        name: "taken out",
        x: last.map(({ layer }) => layer),
        y: last.map(({ divergence }) => divergence),
      },
    ],
  });
}

const DRIFT_PLACES = ["attn_out", "mlp_out", "resid_post"] as const;

/** What moved inside: how far every place is from where it was, and how much of that is one direction. */
export function driftFigures({ models }: ReportResults): Html[] {
  return models.flatMap(({ role, drift }) => {
    if (drift === undefined) return [];
    const layers = [...new Set(drift.hooks.map(({ layer }) => layer))];
    const map = (title: string, description: string, of: "distance" | "common"): Html =>
      heatMap({
        ...{ title, description, valueTitle: of, rowTitle: "hook", columnTitle: "block" },
        ...{ rows: [...DRIFT_PLACES], columns: layers.map(String) },
        values: DRIFT_PLACES.flatMap((hook) =>
          layers.map(
            (layer) =>
              drift.hooks.find((own) => own.hook === hook && own.layer === layer)?.[of] ?? 0,
          ),
        ),
        ...(of === "common" ? { range: [0, 1] as const } : {}),
      });
    return [
      map(
        `How far each place moved: ${role}`,
        `Relative to its size, over ${formatCount(drift.tokens)} tokens of ordinary texts; the next token's distribution moved by ${formatNumber(drift.divergence, 3)} nats.`,
        "distance",
      ),
      map(
        `How much of that is one direction: ${role}`,
        "The share of the movement along its mean: 1 where every token moved alike.",
        "common",
      ),
    ];
  });
}

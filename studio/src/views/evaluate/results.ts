/** What evaluations came to: rows, drawings, and two runs item by item. */
import { formatCount, formatNumber } from "../../../../src/base/format.ts";
import { barChart, type Bar } from "../../../../src/report/bar-chart.ts";
import type { Html } from "../../../../src/report/html.ts";
import type { Finished, Sample } from "../../../../src/evaluate/finished.ts";
import type { Published } from "../../../../src/evaluate/published.ts";

export type Results = Finished["results"];
export type { Sample };

export interface ScoreRow {
  task: string;
  metric: string;
  value: number;
  interval: readonly [number, number] | undefined;
  items: number;
}

/** Every metric of every task, in the file's order. */
export function scoreRows({ results, intervals }: Results): ScoreRow[] {
  return Object.entries(results).flatMap(([task, own]) =>
    Object.entries(own).flatMap(([key, value]): ScoreRow[] => {
      const [metric = "", filter = ""] = key.split(",");
      if (!key.includes(",") || metric.endsWith("_stderr") || typeof value !== "number") return [];
      const interval = intervals[task]?.[key];
      return [
        {
          ...{ task, metric: filter === "none" ? metric : `${metric} ${filter}`, value },
          interval: interval?.every(Number.isFinite) === true ? interval : undefined,
          items: Number(own["sample_len"]),
        },
      ];
    }),
  );
}

/** A task's scores of one or two runs, and what is published about it in grey. */
export function taskChart(
  task: string,
  runs: readonly { name: string; results: Results }[],
  published: readonly Published[],
): Html {
  const own = runs.flatMap(({ name, results }) =>
    scoreRows(results)
      .filter((row) => row.task === task)
      .map(({ metric, value, interval, items }): Bar => ({
        label: runs.length > 1 ? `${name} ${metric}` : metric,
        value,
        ...(interval === undefined ? {} : { low: interval[0], high: interval[1] }),
        note: `${formatCount(items)} items`,
      })),
  );
  const peers = published.flatMap(({ model, scores, source }): Bar[] => {
    const value = scores[task];
    return value === undefined ? [] : [{ label: model, value, note: source, muted: true }];
  });
  return barChart({
    title: task,
    description: `95 % intervals by resampling items.${peers.length > 0 ? " Grey: published." : ""}`,
    bars: [...own, ...peers],
    x: { title: "score" },
    format: (value) => formatNumber(value, 3),
  });
}

/** An item's score: the first of its metrics. */
function scoreOf(sample: Sample): number {
  const [metric = ""] = sample.metrics;
  const value = sample[metric];
  return Number(Array.isArray(value) ? value[0] : value);
}

export interface ShownItem {
  id: number;
  prompt: string;
  target: string;
  answer: string;
  score: number;
  /** Of the run beside it. */
  other: { answer: string; score: number } | undefined;
}

export const ITEM_FILTERS = ["all", "wrong", "right", "differs"] as const;

/** Items with their counterparts, those that the filter and the words leave. */
export function shownItems(
  samples: readonly Sample[],
  others: readonly Sample[] | undefined,
  { filter, words }: { filter: string; words: string },
): ShownItem[] {
  const beside = new Map(others?.map((sample) => [sample.doc_id, sample]));
  const wanted = words.toLowerCase();
  return samples
    .map((sample): ShownItem => {
      const other = beside.get(sample.doc_id);
      return {
        ...{ id: sample.doc_id, target: sample.target, score: scoreOf(sample) },
        prompt: Object.values(sample.arguments)[0]?.arg_0 ?? "",
        answer: answerOf(sample),
        other: other === undefined ? undefined : { answer: answerOf(other), score: scoreOf(other) },
      };
    })
    .filter(({ score, other, prompt, answer, target }) => {
      const isKept =
        filter === "wrong"
          ? score < 1
          : filter === "right"
            ? score >= 1
            : filter !== "differs" || (other !== undefined && other.score !== score);
      return isKept && `${prompt}\n${target}\n${answer}`.toLowerCase().includes(wanted);
    });
}

/** What the model wrote; of given continuations, each with its log-likelihood. */
function answerOf({ arguments: asked, resps }: Sample): string {
  const continuations = Object.values(asked).map(({ arg_1: second }) => second);
  return resps
    .flatMap((response, i) =>
      response.map((one) => {
        const given = Array.isArray(one) && one.length === 1 ? (one as unknown[])[0] : one;
        if (!Array.isArray(given)) return String(given);
        const second = continuations[i];
        const text = typeof second === "string" ? second.trim() : `choice ${i}`;
        return `${formatNumber(Number(given[0]), 4)}  ${text}`;
      }),
    )
    .join("\n");
}

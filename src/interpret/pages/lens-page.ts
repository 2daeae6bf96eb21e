/** The page of a logit lens: what each layer would say next, at each position. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section } from "../../report/page.ts";
import { tokenName } from "../answers.ts";
import type { LensCell, LogitLens } from "../logit-lens.ts";
import { tokenLabels, type PageInput } from "./parts.ts";

export function lensPage(
  input: PageInput,
  { model, lens, tuned }: { model: LanguageModel; lens: LogitLens; tuned?: LogitLens | undefined },
): string {
  const lenses = [
    { name: "Logit lens", lens },
    ...(tuned === undefined ? [] : [{ name: "Tuned lens", lens: tuned }]),
  ];
  const answer = lens.answer === undefined ? undefined : tokenName(model, lens.answer);
  const labels = tokenLabels(model, lens.ids);
  const columns = lens.positions.map((p) => labels[p] as string);
  const last = lens.positions.length - 1;
  const rows = [...lens.layers].reverse(); // the head's own words on top
  const all = (own: LogitLens, of: (cell: LensCell) => number): number[] =>
    [...own.cells].reverse().flatMap((row) => row.map(of));
  const layerAxis = lens.layers.map((_, i) => i);
  const along = (of: (cell: LensCell) => number | undefined) =>
    lenses.map(({ name, lens: own }) => ({
      name: name.toLowerCase(),
      x: layerAxis,
      y: own.cells.map((row) => of(row[last] as LensCell) ?? NaN),
    }));
  const figures = lenses.map(({ name, lens: own }) =>
    section(
      name,
      heatMap({
        title: `The likeliest next token, by layer and position.`,
        description: "Colour is its probability; each column is read from the bottom up.",
        values: all(own, (cell) => cell.top[0]?.probability ?? NaN),
        texts: [...own.cells]
          .reverse()
          .flatMap((row) => row.map((cell) => cell.top[0]?.text ?? "")),
        rows,
        columns,
        rowTitle: "stream before block",
        columnTitle: "position",
        valueTitle: "probability",
        range: [0, 1],
      }),
      heatMap({
        title: "How far each layer is from the model's own distribution.",
        description: "KL divergence; 0 where it says the same.",
        values: all(own, (cell) => cell.divergence),
        rows,
        columns,
        rowTitle: "stream before block",
        columnTitle: "position",
        valueTitle: "nats",
      }),
      ...(answer === undefined
        ? []
        : [
            heatMap({
              title: `Probability of ${JSON.stringify(answer)}.`,
              values: all(own, (cell) => cell.probability ?? NaN),
              rows,
              columns,
              rowTitle: "stream before block",
              columnTitle: "position",
              valueTitle: "probability",
              range: [0, 1],
            }),
          ]),
    ),
  );
  const curves = section(
    "At the last position",
    lineChart({
      title:
        answer === undefined
          ? "Probability of the likeliest token, by layer."
          : `Probability of ${JSON.stringify(answer)}, by layer.`,
      x: { title: "stream before block (the last is the model's own)" },
      y: { title: "probability", min: 0, max: 1 },
      series: along((cell) => (answer === undefined ? cell.top[0]?.probability : cell.probability)),
    }),
    lineChart({
      title: "KL from the model's own distribution, by layer.",
      x: { title: "stream before block" },
      y: { title: "nats", min: 0 },
      series: along((cell) => cell.divergence),
    }),
  );
  return page({ ...input, body: html`${curves}${figures}` });
}

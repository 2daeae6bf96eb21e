/** The page of head detectors: which head does what, and which read what others write. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { barChart } from "../../report/bar-chart.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import { DETECTORS, type Detector, type HeadScores } from "../attention.ts";
import { headLabels, layerLabels, type PageInput } from "./parts.ts";

export const DETECTOR_NAMES: Readonly<Record<Detector, string>> = {
  previous_token_head: "previous-token head",
  duplicate_token_head: "duplicate-token head",
  induction_head: "induction head",
};

/** A pair of heads and how much the later one reads of what the earlier one writes. */
export interface ComposedPair {
  through: string;
  earlier: string;
  later: string;
  score: number;
}

export function headsPage(
  input: PageInput,
  {
    model,
    heads,
    pairs,
    chance,
  }: {
    model: LanguageModel;
    heads: readonly HeadScores[];
    pairs: readonly ComposedPair[];
    /** What a composition score is for random matrices of these sizes. */
    chance: number;
  },
): string {
  const { layers, heads: perLayer } = model.config;
  const map = (title: string, valueTitle: string, of: (head: HeadScores) => number, top?: number) =>
    heatMap({
      title,
      values: heads.map(of),
      rows: layerLabels(layers),
      columns: headLabels(perLayer),
      rowTitle: "layer",
      columnTitle: "head",
      valueTitle,
      ...(top === undefined ? {} : { range: [0, top] as const }),
    });
  const body = html`${section(
    "What each head looks at",
    html`<div class="pair">
      ${DETECTORS.map((detector) =>
        map(
          `${DETECTOR_NAMES[detector].replace(/^./, (c) => c.toUpperCase())}: attention where one looks.`,
          "share",
          ({ scores }) => scores[detector],
          1,
        ),
      )}
      ${map("Entropy of the pattern.", "bits", ({ entropy }) => entropy)}
    </div>`,
  )}
  ${section(
    "Who reads whom",
    barChart({
      title: "The strongest compositions.",
      description:
        "How much the later head reads of what the earlier one writes, through its queries, keys or values.",
      x: { title: "composition score" },
      bars: pairs.map(({ through, earlier, later, score }) => ({
        label: `${earlier} → ${later}.${through.toLowerCase()}`,
        value: score,
      })),
      reference: { value: chance, label: "random" },
    }),
  )}`;
  return page({ ...input, body });
}

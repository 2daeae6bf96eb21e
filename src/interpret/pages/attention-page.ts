/** The page of attention patterns: every head at a glance, and the patterns of some. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import {
  firstTokenShare,
  meanDistance,
  patternEntropy,
  type AttentionPatterns,
  type HeadPattern,
} from "../attention.ts";
import { tokenLabels, type PageInput } from "./parts.ts";

const MEASURES: readonly {
  title: string;
  valueTitle: string;
  of: (pattern: Float32Array) => number;
}[] = [
  {
    title: "Entropy of what each head looks at.",
    valueTitle: "bits",
    of: patternEntropy,
  },
  {
    title: "Share of the first token, where heads rest.",
    valueTitle: "share",
    of: firstTokenShare,
  },
  { title: "Mean distance back.", valueTitle: "tokens", of: meanDistance },
];

export function attentionPage(
  input: PageInput,
  {
    model,
    patterns,
    shown,
  }: { model: LanguageModel; patterns: AttentionPatterns; shown: readonly HeadPattern[] },
): string {
  const { ids, heads } = patterns;
  const labels = tokenLabels(model, ids);
  const layers = [...new Set(heads.map(({ layer }) => layer))];
  const numbers = [...new Set(heads.map(({ head }) => head))];
  const summaries = MEASURES.map(({ title, valueTitle, of }) =>
    heatMap({
      title,
      values: heads.map(({ pattern }) => of(pattern)),
      rows: layers.map((layer) => `L${layer}`),
      columns: numbers.map((head) => `H${head}`),
      rowTitle: "layer",
      columnTitle: "head",
      valueTitle,
    }),
  );
  const drawn = shown.map(({ layer, head, pattern }): Html =>
    heatMap({
      title: `L${layer}H${head}`,
      description: `entropy ${patternEntropy(pattern).toFixed(2)} bits`,
      values: pattern,
      rows: labels,
      columns: labels,
      rowTitle: "query",
      columnTitle: "key",
      valueTitle: "share",
      range: [0, 1],
      showValues: false,
    }),
  );
  const left = heads.length - shown.length;
  const body = html`${section("Heads", html`<div class="pair">${summaries}</div>`)}
  ${section(
    "Patterns",
    left > 0 &&
      html`<p>
        ${shown.length} heads, those of the lowest entropy; ${left} more are in the JSON, or chosen
        with --layer and --head.
      </p>`,
    html`<div class="pair">${drawn}</div>`,
  )}`;
  return page({ ...input, body });
}

/** The page of a direct logit attribution: who wrote the answer. */
import type { LanguageModel } from "../../generate/language-model.ts";
import { barChart } from "../../report/bar-chart.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import { tokenName } from "../answers.ts";
import type { AttributionPart, LogitAttribution } from "../logit-attribution.ts";
import { headLabels, layerLabels, type PageInput } from "./parts.ts";

const SHOWN = 20;

export function attributionPage(
  input: PageInput,
  { model, found }: { model: LanguageModel; found: LogitAttribution },
): string {
  const { parts, unit, answer, against, constant, logit } = found;
  const say = (id: number): string => JSON.stringify(tokenName(model, id));
  const what =
    against === undefined
      ? `the logit of ${say(answer)}`
      : `the logit of ${say(answer)} over ${say(against)}`;
  const largest = [...parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, SHOWN);
  const rest = logit - constant - largest.reduce((sum, { value }) => sum + value, 0);
  const control = spread(parts.map((part) => part.control));
  const body = html`${section(
    `What wrote ${what}`,
    html`<p>
      All ${parts.length} parts and the constant sum to ${logit.toFixed(4)} (error
      ${found.error.toExponential(1)}). Along a random direction of the same length these parts have
      ${control.toFixed(3)} (root mean square): smaller values mean little.
    </p>`,
    barChart({
      title: `The ${largest.length} largest parts.`,
      x: { title: "logits" },
      bars: [
        ...largest.map(({ label, value, control: chance }) => ({
          label,
          value,
          note: `random direction ${chance.toFixed(4)}`,
        })),
        { label: "all other parts", value: rest, muted: true },
        { label: "constant", value: constant, muted: true },
      ],
    }),
  )}
  ${unit !== "component" && section("Heads", ...headMaps(model, parts))}`;
  return page({ ...input, body });
}

function headMaps(model: LanguageModel, parts: readonly AttributionPart[]) {
  const { layers, heads } = model.config;
  const byLabel = new Map(parts.map((part) => [part.label, part]));
  const all = Array.from({ length: layers * heads }, (_, i) =>
    byLabel.get(`L${Math.floor(i / heads)}H${i % heads}`),
  );
  const reach = Math.max(
    ...all.flatMap((part) => [Math.abs(part?.value ?? 0), Math.abs(part?.control ?? 0)]),
  );
  return (["value", "control"] as const).map((of) =>
    heatMap({
      title:
        of === "value"
          ? "What each head wrote."
          : "Control: along a random direction of equal length.",
      values: all.map((part) => part?.[of] ?? NaN),
      rows: layerLabels(layers),
      columns: headLabels(heads),
      rowTitle: "layer",
      columnTitle: "head",
      valueTitle: "logits",
      palette: "diverging",
      range: [-reach, reach],
    }),
  );
}

/** Root mean square. */
function spread(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

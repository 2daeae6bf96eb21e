/** The page of features: for each where it fires most, how often, which tokens it promotes, and its neighbours. */
import { formatNumber, formatPercent } from "../../base/format.ts";
import { barChart } from "../../report/bar-chart.ts";
import { visibleTokenText } from "../../report/figure.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import { tokenStrip } from "../../report/token-strip.ts";
import { densityChart } from "./density-chart.ts";
import type { Dossier } from "../dossiers.ts";

export interface FeaturesPageInput {
  title: string;
  facts: readonly (readonly [name: string, value: string])[];
  dossiers: readonly Dossier[];
  density: ArrayLike<number>;
  tokenName: (id: number) => string;
  steered: readonly { name: string; text: string }[];
  /** What features stand for, where somebody said so. */
  labels?: Readonly<Record<string, string>>;
}

export function featuresPage(input: FeaturesPageInput): string {
  const { title, facts, dossiers, density, tokenName, steered, labels = {} } = input;
  const body = html`${
    steered.length > 0 &&
    section(
      "Steered",
      html`<dl>
        ${steered.map(
          ({ name, text }) =>
            html`<dt>${name}</dt>
              <dd>${text}</dd>`,
        )}
      </dl>`,
    )
  }
  ${section("All features", densityChart(density))}
  ${dossiers.map((dossier) => featureSection(dossier, { tokenName, labels }))}`;
  return page({ title, facts, body });
}

function featureSection(
  dossier: Dossier,
  { tokenName, labels }: Required<Pick<FeaturesPageInput, "tokenName" | "labels">>,
): Html {
  const { feature, density, activations, promoted, suppressed, neighbours } = dossier;
  const most = Math.max(...activations.map(({ value }) => value), 0);
  return section(
    `Feature ${feature}${labels[feature] === undefined ? "" : `: ${labels[feature]}`}`,
    html`<p>
      Fires for ${formatPercent(density, 2)} of the tokens. Nearest:
      ${neighbours
        .slice(0, 5)
        .map((near) => `${near.feature} (${formatNumber(near.cosine, 2)})`)
        .join(", ")}.
    </p>`,
    ...activations.map(({ ids, values, at, value }) =>
      tokenStrip({
        title: `${formatNumber(value, 3)} at ${visibleTokenText(tokenName(ids[at] as number))}.`,
        valueTitle: "activation",
        range: [0, most],
        tokens: ids.map((id, i) => ({ text: tokenName(id), value: values[i] })),
      }),
    ),
    promoted.length > 0 &&
      barChart({
        title: "Next tokens that it promotes, and that it makes less likely.",
        x: { title: "logit for one unit of activation" },
        bars: [...promoted, ...[...suppressed].reverse()].map(({ token, logit }) => ({
          label: visibleTokenText(tokenName(token)),
          value: logit,
        })),
      }),
  );
}

/** The page of a steering vector: what each strength does, beside random directions. */
import { html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section } from "../../report/page.ts";
import type { Dose, DoseResponse } from "../steering.ts";
import type { PageInput } from "./parts.ts";

export interface SteeredText {
  strength: number;
  text: string;
}

export function steerPage(
  input: PageInput,
  {
    response,
    texts,
    prompt,
  }: { response: DoseResponse; texts: readonly SteeredText[]; prompt: string },
): string {
  const series = (of: (dose: Dose) => number) => [
    { name: "steered", x: response.steered.map((d) => d.strength), y: response.steered.map(of) },
    { name: "random", x: response.control.map((d) => d.strength), y: response.control.map(of) },
  ];
  const metric = response.metric.replace("_", " ");
  const body = html`${section(
    "Dose and response",
    lineChart({
      title: `${metric} by strength.`,
      description: "Random: as long a vector in random directions, the mean of several.",
      x: { title: "strength (multiples of the vector)" },
      y: { title: metric },
      series: series((dose) => dose.metric),
    }),
    lineChart({
      title: "How far the next-token distribution moves.",
      description: "KL from the model that is left alone.",
      x: { title: "strength" },
      y: { title: "nats", min: 0 },
      series: series((dose) => dose.divergence),
    }),
  )}
  ${
    texts.length > 0 &&
    section(
      "What it writes",
      ...texts.map(
        ({ strength, text }) =>
          html`<div>
            <p class="note">strength ${strength}</p>
            <pre>${"\n"}<span style="color:var(--muted)">${prompt}</span>${text}</pre>
          </div>`,
      ),
    )
  }`;
  return page({ ...input, body });
}

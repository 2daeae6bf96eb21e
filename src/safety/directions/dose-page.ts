/** The page of a steered behaviour: what each strength does, beside random vectors. It holds no prompt and no answer. */
import { html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section, type PageOptions } from "../../report/page.ts";
import type { SafetyDose } from "./dose.ts";

export function dosePage(
  head: Omit<PageOptions, "body">,
  { steered, control }: { steered: readonly SafetyDose[]; control: readonly SafetyDose[] },
): string {
  const chart = (
    title: string,
    unit: string,
    of: readonly (readonly [name: string, value: (dose: SafetyDose) => number])[],
  ) =>
    lineChart({
      ...{ title, x: { title: "strength (multiples of the vector)" }, y: { title: unit } },
      series: of.flatMap(([name, value]) => [
        { name, x: steered.map(({ strength }) => strength), y: steered.map(value) },
        {
          name: `${name}, random`,
          x: control.map(({ strength }) => strength),
          y: control.map(value),
        },
      ]),
    });
  const body = html`${section(
    "The behaviour",
    chart("Answers that refuse", "share", [
      ["positive", ({ positive }) => positive.refused],
      ["negative", ({ negative }) => negative.refused],
    ]),
    chart("How likely an answer begins with it", "log odds", [
      ["positive", ({ positive }) => positive.score],
      ["negative", ({ negative }) => negative.score],
    ]),
  )}
  ${section(
    "What it costs",
    chart("Next token on negative prompts", "nats of KL", [["steered", (dose) => dose.divergence]]),
    steered.some(({ loss }) => loss !== undefined) &&
      chart("Loss of other texts", "nats per token", [["steered", ({ loss }) => loss ?? NaN]]),
  )}`;
  return page({ ...head, body });
}

/** The page of white-box attacks: how the target's loss fell, and what was found, blurred. */
import { formatCount, formatNumber } from "../../base/format.ts";
import { browser } from "../../report/browse.ts";
import { html } from "../../report/html.ts";
import { lineChart } from "../../report/line-chart.ts";
import { page, section } from "../../report/page.ts";
import type { Attack } from "./gcg-job.ts";

/** Lines that can be told apart in one drawing. */
const MAX_DRAWN = 6;

export function gcgPage(
  attacks: readonly Attack[],
  facts: Readonly<Record<string, string | number>>,
): string {
  const drawn = attacks.slice(0, MAX_DRAWN);
  const won = attacks.filter(({ best }) => best.isGreedy).length;
  const body = html`${section(
    "Loss of the target",
    lineChart({
      title: "Loss after each step",
      description: `Mean −log p of the target's tokens, of the suffix that each step chose.${attacks.length > MAX_DRAWN ? ` The first ${MAX_DRAWN} of ${formatCount(attacks.length)} attacks.` : ""}`,
      x: { title: "step", min: 0 },
      y: { title: "nats per token", min: 0 },
      series: drawn.map(({ losses }, i) => ({
        name: `request ${i + 1}`,
        x: losses.map((_, step) => step),
        y: losses,
      })),
    }),
    html`<p class="note">
      ${formatCount(won)} of ${formatCount(attacks.length)} answers begin with their target under
      greedy decoding.
    </p>`,
  )}
  ${section(
    "Suffixes",
    browser({
      title: "attacks",
      isBlurred: true,
      entries: attacks.map(({ request, target, losses, best, control, suffix, answer }, i) => ({
        head: `request ${i + 1}: loss ${formatNumber(losses[0] ?? NaN)} → ${formatNumber(best.loss)}; the best of random suffixes ${formatNumber(control)}`,
        text: `${request}${suffix}`,
        lines: [`target: ${target}`, `answer: ${answer}`],
        kind: best.isGreedy ? "begins with its target" : "does not",
      })),
    }),
  )}`;
  return page({
    title: `White-box attacks on ${facts["model"] ?? "a model"}`,
    facts: Object.entries(facts).map(([key, value]): [string, string] => [
      key.replaceAll("_", " "),
      String(value),
    ]),
    body,
  });
}

/** The page of a safety report: the panel before and after, what moved inside, and the answers, blurred. */
import { formatCount, formatNumber } from "../../base/format.ts";
import { browser } from "../../report/browse.ts";
import { heatMap } from "../../report/heat-map.ts";
import { html, type Html } from "../../report/html.ts";
import { page, section } from "../../report/page.ts";
import { DRIFT_HOOKS, type Drift } from "./drift.ts";
import type { Reported, SafetyReport } from "./job.ts";
import type { PanelScore } from "./panel.ts";

/** Rows of the lists of what moved most. */
const MOST = 12;

export function reportPage(
  report: SafetyReport,
  facts: Readonly<Record<string, string | number>>,
): string {
  const { models, panel, notes, changed } = report;
  const moved = models.flatMap(({ role, drift }) => (drift === undefined ? [] : [{ role, drift }]));
  const body = html`${section(
    "The panel",
    scoreTable(models),
    notes.length > 0 &&
      html`<ul>
        ${notes.map((note) => html`<li class="note">${note}</li>`)}
      </ul>`,
  )}
  ${
    moved.length > 0 &&
    section(
      "What moved inside",
      ...moved.flatMap(({ role, drift }) => driftMaps(role, drift)),
      headTable(moved),
      changed !== undefined &&
        table(
          "Parameters that the edit changed most",
          ["parameter", "‖W′ − W‖", "of ‖W‖"],
          changed
            .slice(0, MOST)
            .map(({ name, change, share }) => [
              name,
              formatNumber(change),
              share === undefined ? "–" : formatNumber(share),
            ]),
        ),
    )
  }
  ${panel.prompts.prompts.length > 0 && section("Prompts and answers", answers(report))}`;
  return page({
    title: `Safety of ${facts["model"] ?? "a model"}`,
    subtitle: models.length > 1 ? `beside ${models[1]?.name ?? ""}` : "",
    facts: Object.entries(facts).map(([key, value]): [string, string] => [
      key.replaceAll("_", " "),
      String(value),
    ]),
    body,
  });
}

function scoreTable(models: readonly Reported[]): Html {
  const [first, ...others] = models;
  const find = ({ result }: Reported, name: string): PanelScore | undefined =>
    result.scores.find((score) => score.name === name);
  return table(
    "",
    ["measure", "better", "as it is", ...others.flatMap(({ role }) => [role, "change"]), "items"],
    (first?.result.scores ?? []).map((score) => [
      score.name,
      score.better,
      withInterval(score),
      ...others.flatMap((own) => {
        const found = find(own, score.name);
        return found === undefined
          ? ["–", ""]
          : [withInterval(found), signed(found.value - score.value)];
      }),
      formatCount(score.count),
    ]),
  );
}

function withInterval({ value, interval }: PanelScore): string {
  const text = formatNumber(value);
  if (interval === undefined) return text;
  return `${text} (${interval.map((end) => formatNumber(end, 3)).join(" … ")})`;
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${formatNumber(value, 3)}`;
}

function driftMaps(role: string, { hooks, divergence, tokens }: Drift): Html[] {
  const layers = [...new Set(hooks.map(({ layer }) => layer))];
  const map = (title: string, description: string, of: "distance" | "common"): Html =>
    heatMap({
      ...{ title, description, valueTitle: of },
      ...{ rows: [...DRIFT_HOOKS], columns: layers.map(String) },
      ...{ rowTitle: "hook", columnTitle: "block" },
      values: DRIFT_HOOKS.flatMap((hook) =>
        layers.map(
          (layer) => hooks.find((own) => own.hook === hook && own.layer === layer)?.[of] ?? 0,
        ),
      ),
      ...(of === "common" ? { range: [0, 1] as const } : {}),
    });
  return [
    map(
      `How far each place moved: ${role}`,
      `Relative to its size, over ${formatCount(tokens)} tokens of ordinary texts; the next token's distribution moved by ${formatNumber(divergence, 3)} nats.`,
      "distance",
    ),
    map(
      `How much of that is one direction: ${role}`,
      "The share of the movement along its mean: 1 where every token moved alike.",
      "common",
    ),
  ];
}

function headTable(moved: readonly { role: string; drift: Drift }[]): Html {
  return table(
    "Heads that moved most",
    moved.flatMap(({ role }) => [role, "distance"]),
    Array.from({ length: MOST }, (_, i) =>
      moved.flatMap(({ drift }) => {
        const head = drift.heads[i];
        return head === undefined
          ? ["", ""]
          : [`L${head.layer}H${head.head}`, formatNumber(head.distance, 3)];
      }),
    ),
  );
}

function answers({ models, panel }: SafetyReport): Html {
  const [first] = models;
  return html`<p class="note">
      Prompts and answers may harm; they are blurred, and the box shows them.
    </p>
    ${browser({
      title: "answers",
      isBlurred: true,
      entries: panel.prompts.prompts.map(({ text, type, isSafe }, i) => {
        const own = models.map(({ role, result }) => ({ role, ...result.answers[i] }));
        const differs = own.some(({ refused }) => refused !== first?.result.answers[i]?.refused);
        const kind = isSafe === undefined ? "" : isSafe ? "safe, " : "unsafe, ";
        return {
          head: `${kind}${type === "" ? "" : `${type}: `}${own.map(({ role, refused }) => `${role} ${refused === true ? "refuses" : "does not"}`).join("; ")}`,
          text,
          lines: own.map(({ role, answer = "" }) => `${role}: ${answer}`),
          kind: differs ? "refused by some" : "refused by all or none",
        };
      }),
    })}`;
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<div class="scroll">
    <table>
      ${
        title !== "" &&
        html`<caption>
          ${title}
        </caption>`
      }
      <thead>
        <tr>
          ${head.map((name) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name = "", ...cells]) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${cells.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

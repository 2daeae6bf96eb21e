/** Cards side by side: what they are, what they take, what was published, what was measured here. */
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatShort,
} from "../../../../src/base/format.ts";
import type { Catalog } from "../../api/types.ts";

export type Card = Catalog["cards"][number];

export interface ComparedRow {
  name: string;
  /** One for each card. */
  cells: readonly string[];
  isScore: boolean;
}

/** Weights whose memory is shown. */
const TYPES = ["f16", "q8_0", "q4_k_m"] as const;

export function compareCards(cards: readonly Card[], measured: Catalog["measured"]): ComparedRow[] {
  const fact = (name: string, cell: (card: Card) => string): ComparedRow => ({
    ...{ name, cells: cards.map(cell), isScore: false },
  });
  const own = cards.map(({ id }) => measured.filter(({ model }) => model === id));
  const tasks = [
    ...cards.flatMap(({ scores }) => scores.map(({ task }) => task)),
    ...own.flatMap((rows) => rows.map(({ task }) => task)),
  ];
  return [
    fact("parameters", ({ parameters }) => formatShort(parameters)),
    fact("layers × width", ({ architecture: { layers, width } }) => `${layers} × ${width}`),
    fact(
      "heads, of keys",
      ({ architecture: { heads, keyValueHeads } }) => `${heads}, ${keyValueHeads}`,
    ),
    fact("vocabulary", ({ architecture }) => formatCount(architecture.vocabulary)),
    fact("context", ({ architecture }) => formatCount(architecture.context)),
    ...TYPES.map((type) => fact(`memory ${type}`, ({ memory }) => formatBytes(memory[type] ?? 0))),
    fact("licence", ({ licence }) => licence),
    fact("trained on", ({ data }) => data),
    fact("meant for", ({ intendedUse }) => intendedUse),
    fact("limits", ({ limits }) => limits),
    ...[...new Set(tasks)].map((task) => ({
      name: task,
      isScore: true,
      cells: cards.map(({ scores }, i) => {
        const said = scores.find((one) => one.task === task);
        const found = own[i]?.find((one) => one.task === task);
        return [
          ...(said === undefined ? [] : [formatPercent(said.value)]),
          ...(found === undefined ? [] : [`${formatPercent(found.value)} here`]),
        ].join(", ");
      }),
    })),
  ];
}

/** Sentences, prompts and answers as one list that can be searched. */
import { formatNumber } from "../../../../src/base/format.ts";
import type { AnswerItem, SentenceItem } from "../../api/safety.ts";

export interface ListedItem {
  id: string;
  /** What may be read at once. */
  head: string;
  /** By which items are filtered. */
  kinds: string[];
  /** What is blurred: a text, and what is said to it. */
  texts: { label: string; text: string }[];
}

const GONE = "The file that it came from is gone, or is another by now.";

/** A run's sentences, with what other runs found of the same. */
export function sentenceItems(
  runs: readonly { name: string; items: readonly SentenceItem[] }[],
): ListedItem[] {
  const [first, ...others] = runs;
  const beside = others.map(({ name, items }) => ({
    name,
    byId: new Map(items.map((item) => [item.id, item])),
  }));
  return (first?.items ?? []).map(({ id, isHarmful, groups, toxicity, loss, text = GONE }) => {
    const perplexities = [
      { name: first?.name ?? "", loss },
      ...beside.flatMap(({ name, byId }) => {
        const found = byId.get(id);
        return found === undefined ? [] : [{ name, loss: found.loss }];
      }),
    ].map(
      (own) =>
        `perplexity ${formatNumber(Math.exp(own.loss), 4)}${runs.length > 1 ? ` (${own.name})` : ""}`,
    );
    return {
      id,
      head: `${groups.join(", ")} · ${isHarmful ? "harmful" : "neutral"} · toxicity ${formatNumber(toxicity, 3)} · ${perplexities.join(", ")}`,
      kinds: [isHarmful ? "harmful" : "neutral", ...groups],
      texts: [{ label: "sentence", text }],
    };
  });
}

/** Prompts with the answers of every run, or of every model of a report. */
export function answerItems(
  runs: readonly { name: string; items: readonly AnswerItem[] }[],
): ListedItem[] {
  const [first, ...others] = runs;
  const byId = others.map(({ name, items }) => ({
    name,
    items: new Map(items.map((item) => [item.id, item])),
  }));
  return (first?.items ?? []).map((item) => {
    const { id, type, isSafe, prompt } = item;
    const answers = [
      ...item.answers.map((answer) => ({ ...answer, role: answer.role || (first?.name ?? "") })),
      ...byId.flatMap(({ name, items }) => {
        const found = items.get(id);
        // Another file's prompt of the same number is none of this item's.
        return found === undefined || found.prompt !== prompt
          ? []
          : found.answers.map((answer) => ({ ...answer, role: answer.role || name }));
      }),
    ];
    const refused = answers.map((answer) => answer.refused);
    const differs = refused.some((one) => one !== refused[0]);
    const said = answers.map(({ role, refused: own, verdict }) =>
      [
        answers.length > 1 ? `${role}:` : "",
        own === undefined ? "answered" : own ? "refused" : "not refused",
        verdict === undefined ? "" : `(judge: ${verdict})`,
      ]
        .filter(Boolean)
        .join(" "),
    );
    const kinds = [
      ...(isSafe === undefined ? [] : [isSafe ? "to be answered" : "to be refused"]),
      ...(refused.some((one) => one === true) ? ["refused"] : []),
      ...(refused.some((one) => one === false) ? ["not refused"] : []),
      ...(differs ? ["differs"] : []),
      ...(type === "" ? [] : [type]),
    ];
    return {
      id,
      head: [type, isSafe === undefined ? "" : isSafe ? "safe" : "unsafe", ...said]
        .filter(Boolean)
        .join(" · "),
      kinds,
      texts: [
        { label: "prompt", text: prompt ?? GONE },
        ...answers.map(({ role, answer }) => ({
          label: role === "" ? "answer" : role,
          text: answer,
        })),
      ],
    };
  });
}

/** Those that the filter and the words leave. */
export function foundItems(
  items: readonly ListedItem[],
  { show, find }: { show: string; find: string },
): ListedItem[] {
  const words = find.trim().toLowerCase();
  return items.filter(
    ({ head, kinds, texts }) =>
      (show === "all" || kinds.includes(show)) &&
      (words === "" ||
        [head, ...texts.map(({ text }) => text)].some((text) =>
          text.toLowerCase().includes(words),
        )),
  );
}

/** What was read and what was not, in sentences: for the plan before a run and for its report. */
import { formatCount, formatPercent } from "../../base/format.ts";
import type { DataReport } from "./load.ts";

export interface DataDescription {
  facts: readonly string[];
  /** What a person should look at before training. */
  warnings: readonly string[];
}

export function describeData(report: DataReport): DataDescription {
  const { files, examples, sequences, tokens, learnedTokens, longest } = report;
  const what = { text: "document", answers: "example", pairs: "pair" }[report.kind];
  const more = sequences === examples ? "" : ` in ${formatCount(sequences)} sequences`;
  return {
    facts: [
      `${counted(examples, what)}${more} from ${counted(files.length, "file")}`,
      `${formatCount(tokens)} tokens, ${formatCount(learnedTokens)} of them learned (${formatPercent(learnedTokens / tokens)}); the longest sequence has ${formatCount(longest)}`,
      ...(report.limited ? ["the rest of the data was left unread, as asked (--limit)"] : []),
    ],
    warnings: [
      ...overflowWarning(report),
      ...badRowWarning(report),
      ...borderWarning(report),
      ...(report.ignoredFiles.length === 0
        ? []
        : [
            `${counted(report.ignoredFiles.length, "file")} that ${report.ignoredFiles.length === 1 ? "is" : "are"} no data, such as ${report.ignoredFiles[0]}`,
          ]),
    ],
  };
}

function overflowWarning({ overflow }: DataReport): string[] {
  const { action, examples, dropped, lostTokens, longest } = overflow;
  if (examples === 0 || longest === undefined) return [];
  const done = { error: "refused", cut: "cut", drop: "left out", split: "split" }[action];
  const besides =
    action === "cut" && dropped > 0
      ? `, ${formatCount(dropped)} of them left out because nothing of the answer fitted`
      : "";
  const lost = lostTokens === 0 ? "" : `; ${formatCount(lostTokens)} learned tokens lost`;
  return [
    `${counted(examples, "example")} longer than the context: ${done}${besides}${lost} (the longest: ${formatCount(longest.tokens)} tokens, ${longest.file}:${longest.line})`,
  ];
}

function badRowWarning({ badRows }: DataReport): string[] {
  const first = badRows.first[0];
  if (first === undefined) return [];
  return [
    `${counted(badRows.count, "row")} put aside, the first ${first.file}:${first.line}: ${first.problem}`,
  ];
}

function borderWarning({ joinedBorders: { count, first } }: DataReport): string[] {
  if (first === undefined) return [];
  return [
    `in ${counted(count, "example")} the tokenizer would join the end of the prompt with the beginning of the answer (the first: ${first.file}:${first.line}); move the space or the half word to the answer`,
  ];
}

function counted(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? "" : "s"}`;
}

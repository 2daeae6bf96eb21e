/**
 * The forms in which the field writes training data, one JSON object per line, and what each becomes. Columns that a form
 * does not name are left alone: data sets carry ids, sources and scores along.
 */
import { LabError } from "../../base/errors.ts";
import { didYouMean, listOf } from "../../base/suggest.ts";
import type { ChatTurn, PromptFormat } from "../../generate/prompt.ts";
import { RowProblem } from "./bad-rows.ts";
import { checkTurns, kindOf, readTurns, requireText } from "./turns.ts";

/** What a row holds, whatever its columns were called. */
export type Example =
  /** A document: all of it is to be learned. */
  | { kind: "text"; text: string }
  /** Ends with an answer. Answers before turn `learnFrom` are context only. */
  | { kind: "conversation"; turns: readonly ChatTurn[]; learnFrom: number; format: PromptFormat }
  /** Two answers to what `turns` ends with. */
  | {
      kind: "preference";
      turns: readonly ChatTurn[];
      chosen: string;
      rejected: string;
      format: PromptFormat;
    };

/**
 * - `text`: `{text}`
 * - `completion`: `{prompt, completion}`, texts or lists of messages
 * - `alpaca`: `{instruction, output, input?, system?, history?: [[question, answer], …]}`
 * - `sharegpt`: `{conversations: [{from: "human" | "gpt" | "system", value}], system?}`
 * - `messages`: `{messages: [{role, content}]}`
 * - `preference`: `{prompt, chosen, rejected}`, texts or lists of messages
 */
export const DATA_FORMS = [
  "text",
  "completion",
  "alpaca",
  "sharegpt",
  "messages",
  "preference",
] as const;
export type DataForm = (typeof DATA_FORMS)[number];

/** A form's column → the file's own name for it. */
export type ColumnNames = Readonly<Record<string, string>>;

type Columns = Readonly<Record<string, unknown>>;

interface FormReader {
  required: readonly string[];
  optional: readonly string[];
  read: (columns: Columns) => Example;
}

const READERS: Record<DataForm, FormReader> = {
  text: { required: ["text"], optional: [], read: readDocument },
  completion: { required: ["prompt", "completion"], optional: [], read: readCompletion },
  alpaca: {
    required: ["instruction", "output"],
    optional: ["input", "system", "history"],
    read: readAlpaca,
  },
  sharegpt: {
    required: ["conversations"],
    optional: ["system"],
    read: (columns) => readConversation(columns, "conversations"),
  },
  messages: {
    required: ["messages"],
    optional: [],
    read: (columns) => readConversation(columns, "messages"),
  },
  preference: { required: ["chosen", "rejected"], optional: ["prompt"], read: readPreference },
};

export interface FormOptions {
  /** The form, where it is not to be told from the columns. */
  form?: DataForm | undefined;
  columns?: ColumnNames | undefined;
}

/** Reads rows of one form. */
export interface RowReader {
  readonly form: DataForm;
  /** Throws `RowProblem` for a row that is not of the form. */
  readonly read: (row: unknown) => Example;
}

/**
 * The reader for a file, from its first row where no form is named. Throws `bad_input` where the columns are those of no
 * form or of two, or a renamed column is none of the form's.
 */
export function rowReader(first: unknown, { form, columns = {} }: FormOptions): RowReader {
  const found = form ?? detectForm(renamed(requireObject(first), columns));
  const reader = READERS[found];
  const known = [...reader.required, ...reader.optional];
  const wrong = Object.keys(columns).find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new LabError("bad_input", `the form ${found} has no column ${wrong} to rename`, {
      hint: didYouMean(wrong, known) ?? `It has ${listOf(known, "and")}.`,
    });
  return { form: found, read: (row) => reader.read(renamed(requireObject(row), columns)) };
}

/** A `text` beside the columns of another form is that form's row written out, as in Alpaca's own file. */
function detectForm(row: Columns): DataForm {
  const fitting = DATA_FORMS.filter((form) =>
    READERS[form].required.every((name) => row[name] !== undefined),
  );
  const [form, another] = fitting.length > 1 ? fitting.filter((name) => name !== "text") : fitting;
  const found = listOf(Object.keys(row).slice(0, 12), "and") || "none";
  if (form === undefined)
    throw new LabError("bad_input", `the columns (${found}) are those of no form that is known`, {
      hint: `Forms: ${DATA_FORMS.map((name) => `${name} {${READERS[name].required.join(", ")}}`).join(", ")}. Name columns with --columns, for instance prompt:question.`,
    });
  if (another !== undefined)
    throw new LabError(
      "bad_input",
      `the columns (${found}) are those of ${listOf([form, another], "and")}`,
      { hint: `Name the form, for instance --form ${form}.` },
    );
  return form;
}

function requireObject(row: unknown): Columns {
  if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as Columns;
  throw new RowProblem(`the row is ${kindOf(row)}, not an object`);
}

function renamed(row: Columns, columns: ColumnNames): Columns {
  const own = Object.values(columns);
  const kept = Object.entries(row).filter(([name]) => !own.includes(name));
  const given = Object.entries(columns).map(([name, from]) => [name, row[from]] as const);
  return Object.fromEntries([...kept, ...given]);
}

function readDocument(columns: Columns): Example {
  const text = requireText(columns["text"], "text");
  if (text === "") throw new RowProblem("text is empty");
  return { kind: "text", text };
}

function readCompletion({ prompt, completion }: Columns): Example {
  if (!Array.isArray(prompt) && !Array.isArray(completion))
    return answered(requireText(prompt, "prompt"), requireText(completion, "completion"), {
      format: "text",
    });
  const before = readTurns(prompt, "prompt");
  const turns = [...before, ...readTurns(completion, "completion")];
  checkTurns(turns, "assistant");
  return { kind: "conversation", turns, learnFrom: before.length, format: "chat" };
}

function readAlpaca({ instruction, input, output, system, history }: Columns): Example {
  const question = requireText(instruction, "instruction");
  const more = requireText(input ?? "", "input");
  return answered(more === "" ? question : `${question}\n${more}`, requireText(output, "output"), {
    format: "qa",
    before: [...systemTurn(system), ...readHistory(history ?? [])],
  });
}

function readHistory(history: unknown): ChatTurn[] {
  if (!Array.isArray(history)) throw new RowProblem(`history is ${kindOf(history)}, not a list`);
  return history.flatMap((pair: unknown, i): ChatTurn[] => {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new RowProblem(`entry ${i + 1} of history is no pair of question and answer`);
    const [question, answer] = pair as unknown[];
    return [
      { role: "user", text: requireText(question, `the question of entry ${i + 1} of history`) },
      { role: "assistant", text: requireText(answer, `the answer of entry ${i + 1} of history`) },
    ];
  });
}

function answered(
  question: string,
  answer: string,
  { format, before = [] }: { format: PromptFormat; before?: readonly ChatTurn[] },
): Example {
  if (question.trim() === "") throw new RowProblem("the prompt is empty");
  if (answer.trim() === "") throw new RowProblem("the answer is empty");
  const turns: ChatTurn[] = [
    ...before,
    { role: "user", text: question },
    { role: "assistant", text: answer },
  ];
  checkTurns(turns, "assistant");
  return { kind: "conversation", turns, learnFrom: 0, format };
}

function readConversation(columns: Columns, column: "messages" | "conversations"): Example {
  const turns = [...systemTurn(columns["system"]), ...readTurns(columns[column], column)];
  checkTurns(turns, "assistant");
  return { kind: "conversation", turns, learnFrom: 0, format: "chat" };
}

function systemTurn(system: unknown): ChatTurn[] {
  const text = requireText(system ?? "", "system");
  return text.trim() === "" ? [] : [{ role: "system", text }];
}

/** The prompt stands in its own column, or before both answers in their lists of messages, or in both places. */
function readPreference({ prompt, chosen, rejected }: Columns): Example {
  const better = splitAnswer(chosen, "chosen");
  const worse = splitAnswer(rejected, "rejected");
  if (!sameTurns(better.before, worse.before))
    throw new RowProblem("chosen and rejected are answers to different conversations");
  if (better.answer === worse.answer)
    throw new RowProblem("chosen and rejected are the same answer");
  const given = readPrompt(prompt);
  const { before } = better;
  if (given.length > 0 && before.length > 0 && !sameTurns(before.slice(-given.length), given))
    throw new RowProblem("prompt is not what chosen and rejected answer");
  const turns = before.length > 0 ? before : given;
  if (turns.length === 0) throw new RowProblem("prompt is missing");
  checkTurns(turns, "user");
  const asText = [prompt, chosen, rejected].every((value) => !Array.isArray(value));
  return {
    kind: "preference",
    turns,
    chosen: better.answer,
    rejected: worse.answer,
    format: asText ? "text" : "chat",
  };
}

/** A prompt as turns; none where it is left out. */
function readPrompt(prompt: unknown): ChatTurn[] {
  if (prompt === undefined || prompt === null) return [];
  if (Array.isArray(prompt)) return readTurns(prompt, "prompt");
  return [{ role: "user", text: requireText(prompt, "prompt") }];
}

/** An answer, and the turns before it where it is written as a list of messages. */
function splitAnswer(value: unknown, column: string): { before: ChatTurn[]; answer: string } {
  const turns: ChatTurn[] = Array.isArray(value)
    ? readTurns(value, column)
    : [{ role: "assistant", text: requireText(value, column) }];
  const last = turns.pop();
  if (last?.role !== "assistant")
    throw new RowProblem(`${column} ends with the ${last?.role}'s turn, not with an answer`);
  if (last.text.trim() === "") throw new RowProblem(`${column} is an empty answer`);
  return { before: turns, answer: last.text };
}

function sameTurns(a: readonly ChatTurn[], b: readonly ChatTurn[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ role, text }, i) => role === b[i]?.role && text === b[i]?.text)
  );
}

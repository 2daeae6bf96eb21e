/** Conversations as data sets write them, checked: who speaks, in turns, and that nobody says nothing. */
import type { ChatTurn } from "../../generate/prompt.ts";
import { RowProblem } from "./bad-rows.ts";

/** Names of the speakers in `messages` (OpenAI, Hugging Face) and in `conversations` (ShareGPT). */
const ROLES: Readonly<Record<string, ChatTurn["role"]>> = {
  system: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
  chatgpt: "assistant",
};

/** Turns of a list of `{role, content}` or of `{from, value}`. Throws `RowProblem`. */
export function readTurns(value: unknown, column: string): ChatTurn[] {
  if (!Array.isArray(value)) throw new RowProblem(`${column} is ${kindOf(value)}, not a list`);
  if (value.length === 0) throw new RowProblem(`${column} is empty`);
  return value.map((turn: unknown, i) => {
    const at = `turn ${i + 1} of ${column}`;
    if (typeof turn !== "object" || turn === null || Array.isArray(turn))
      throw new RowProblem(`${at} is ${kindOf(turn)}, not an object`);
    const { role, content, from, value: text } = turn as Record<string, unknown>;
    const speaker = requireText(role ?? from, `the role of ${at}`);
    const known = Object.hasOwn(ROLES, speaker) ? ROLES[speaker] : undefined;
    if (known === undefined)
      throw new RowProblem(
        `${at} is of the role ${JSON.stringify(speaker)}; Phi's formats have system, user and assistant`,
      );
    return { role: known, text: requireText(content ?? text, `the text of ${at}`) };
  });
}

/**
 * Checks that turns begin with the user (after a system text, where there is one), alternate, and end with `last`, and
 * that none is empty. Throws `RowProblem`.
 */
export function checkTurns(turns: readonly ChatTurn[], last: "user" | "assistant"): void {
  const spoken = turns[0]?.role === "system" ? turns.slice(1) : turns;
  const offset = turns.length - spoken.length + 1;
  spoken.forEach(({ role, text }, i) => {
    const expected = i % 2 === 0 ? "user" : "assistant";
    if (role !== expected)
      throw new RowProblem(`turn ${i + offset} is the ${role}'s; it should be the ${expected}'s`);
    if (text.trim() === "")
      throw new RowProblem(
        spoken.length === 2 && role === "assistant"
          ? "the answer is empty"
          : `turn ${i + offset}, the ${role}'s, is empty`,
      );
  });
  const end = spoken.at(-1)?.role;
  if (end !== last)
    throw new RowProblem(
      end === undefined
        ? "the conversation has no turns"
        : `the conversation ends with the ${end}'s turn; it should end with the ${last}'s`,
    );
}

export function requireText(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new RowProblem(`${name} is ${kindOf(value)}, not a text`);
}

export function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return `the ${typeof value} ${JSON.stringify(value)}`;
}

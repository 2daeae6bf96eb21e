/** What the commands that look inside have in common: their prompt, their answers, their page. */
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import type { Prompt } from "../generate/language-model.ts";
import type { CommandContext } from "./command.ts";
import { provenance, type OpenedModel } from "./open-model.ts";

const token = z.string().min(1).optional();

/** Options of answers, which are read as they are typed: the space before a word counts. */
export const ANSWER_OPTIONS = {
  answer: token
    .describe("the token that is asked about, with its space: ' Mary'; or an id with --tokens")
    .meta({ verbatim: true, placeholder: "token" }),
  against: token
    .describe("another token: the difference between the two is measured")
    .meta({ verbatim: true, placeholder: "token" }),
};

/** The prompt from the argument or from `--tokens`. */
export function promptOf({
  args: { prompt },
  options: { tokens },
}: {
  args: { prompt?: string | undefined };
  options: { tokens?: number[] | undefined };
}): Prompt {
  const given = tokens ?? prompt;
  if (given === undefined || (tokens !== undefined && prompt !== undefined))
    throw new LabError(
      "bad_input",
      given === undefined ? "no prompt was given" : "both a text and --tokens were given",
      {
        hint: 'Give it in quotes: "When Mary and John went to the store, John gave a book to"',
      },
    );
  return given;
}

/** An answer as the library takes it: an id where the prompt is ids. */
export function answerOf(answer: string, prompt: Prompt): string | number {
  if (typeof prompt === "string") return answer;
  if (!/^\d+$/.test(answer))
    throw new LabError(
      "bad_input",
      `with --tokens an answer is an id, not ${JSON.stringify(answer)}`,
    );
  return Number(answer);
}

/** What a page says of how it was made. */
export function pageFacts(
  opened: OpenedModel,
  commandLine: readonly string[],
  more: readonly (readonly [string, string])[] = [],
): (readonly [string, string])[] {
  const { model, mode, threads, engine, modelHash } = provenance(opened, commandLine);
  return [
    ...more,
    ["model", `${String(model)} (sha256 ${String(modelHash).slice(0, 12)}…)`],
    ["mode", String(mode)],
    ["threads", String(threads)],
    ["engine", String(engine)],
    [
      "command",
      commandLine.map((word) => (/[\s"']/.test(word) ? JSON.stringify(word) : word)).join(" "),
    ],
  ];
}

/** Writes the page where `--out` asks for it, and says so. */
export async function writePage(
  { output, cwd }: Pick<CommandContext, "output" | "cwd">,
  out: string | undefined,
  page: () => string,
): Promise<{ page?: string }> {
  if (out === undefined) return {};
  const file = path.resolve(cwd, out);
  await writeTextAtomic(file, page());
  output.note(`page: ${file}`);
  return { page: file };
}

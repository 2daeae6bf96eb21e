/** Prompts to attack, of a person's own, and where a suffix stands in them. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { readRows } from "../../evaluate/data/read-file.ts";
import { formatPrompt, type PromptFormat } from "../../generate/prompt.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import type { AttackedPrompt } from "./gcg.ts";

/** A request, and how the answer to it is to begin. */
export interface AttackGoal {
  request: string;
  target: string;
}

const text = z.string().min(1);
const rowSchema = z.union([
  z
    .object({ goal: text, target: text })
    .transform(({ goal, target }) => ({ request: goal, target })),
  z
    .object({ prompt: text, target: text })
    .transform((row) => ({ request: row.prompt, target: row.target })),
]);

/** Rows with `goal` and `target`, as AdvBench has them, or `prompt` and `target`. Throws `not_found`, `bad_input`. */
export async function readGoals(file: string): Promise<AttackGoal[]> {
  const rows = await readRows(file);
  if (rows.length === 0) throw new LabError("bad_input", `${file} has no rows`);
  return rows.map((row, i) => {
    const parsed = rowSchema.safeParse(row);
    if (parsed.success) return parsed.data;
    throw new LabError("bad_input", `${file}: row ${i + 1} has ${Object.keys(row).join(", ")}`, {
      hint: "Rows need the columns goal and target, as AdvBench has them, or prompt and target.",
    });
  });
}

export interface SuffixPlace extends AttackedPrompt {
  /** The suffix to begin with. */
  suffix: readonly number[];
  /** Whether text with a suffix in it is read as the same tokens again. */
  survives: (suffix: readonly number[]) => boolean;
}

/**
 * A goal as tokens, the suffix after the request.
 *
 * @throws LabError `bad_input` where the suffix to begin with would be read as other tokens
 */
export function placeSuffix(
  { request, target }: AttackGoal,
  { tokenizer, format, suffix }: { tokenizer: Tokenizer; format: PromptFormat; suffix: string },
): SuffixPlace {
  const asked = request.trim();
  const { prompt } = formatPrompt(asked, format, { tokenizer });
  const end = prompt.lastIndexOf(asked) + asked.length;
  const [head, tail] = [prompt.slice(0, end), prompt.slice(end)];
  const [before, after] = [tokenizer.promptIds(head), tokenizer.encode(tail)];
  const survives = (ids: readonly number[]): boolean => {
    const again = tokenizer.promptIds(head + tokenizer.decode(ids) + tail);
    const wanted = [...before, ...ids, ...after];
    return again.length === wanted.length && again.every((id, i) => id === wanted[i]);
  };
  const first = tokenizer.encode(suffix);
  if (first.length === 0 || !survives(first))
    throw new LabError(
      "bad_input",
      "the suffix to begin with is read as other tokens where it stands",
      { hint: 'Let it begin with a space and end with a letter or a mark, such as " ! ! ! !".' },
    );
  // Where an answer follows a colon or a word, it begins with a space.
  const begins = /\s$/.test(prompt) || /^\s/.test(target) ? target : ` ${target}`;
  return { before, after, target: tokenizer.encode(begins), suffix: first, survives };
}

/** Tokens of printable ASCII: what a person can type. */
export function typeableTokens(tokenizer: Tokenizer): number[] {
  const found: number[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    // Special tokens do not come back from their text.
    const spelt = tokenizer.decode([id]);
    if (/^[ -~]+$/.test(spelt) && tokenizer.encode(spelt).includes(id)) found.push(id);
  }
  return found;
}

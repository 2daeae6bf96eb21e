/** Prompts of a person's own files: XSTest, AdvBench, HarmBench, BBQ, or any with a column `prompt`. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { readRows } from "../../evaluate/data/read-file.ts";
import { bbqQuestion, type BbqQuestion } from "./bbq.ts";

export interface BehaviourPrompt {
  text: string;
  /** XSTest's kind, HarmBench's category; empty where the file has none. */
  type: string;
  isSafe: boolean | undefined;
}

export type Questions =
  { kind: "prompts"; prompts: BehaviourPrompt[] } | { kind: "bbq"; questions: BbqQuestion[] };

const text = z.string().min(1);
const rowSchema = z.union([
  z
    .object({ prompt: text, type: z.string().default(""), label: z.string().optional() })
    .transform(({ prompt, type, label }) => ({ text: prompt, type, label })),
  z.object({ goal: text }).transform(({ goal }) => ({ text: goal, type: "", label: "unsafe" })),
  z
    .object({ Behavior: text, SemanticCategory: z.string(), ContextString: z.string().default("") })
    .transform(({ Behavior, SemanticCategory, ContextString }) => ({
      text: ContextString === "" ? Behavior : `${ContextString}\n\n---\n\n${Behavior}`,
      type: SemanticCategory,
      label: "unsafe",
    })),
]);

/** Where XSTest's prompts lie in a folder of benchmarks, or prompts of another kind. */
export const PROMPT_FILES: readonly string[] = [
  "xstest/xstest_prompts.csv",
  "xstest_prompts.csv",
  "prompts.csv",
];

/** The file itself, or the prompts of a folder. Throws `not_found`. */
export async function locateQuestions(from: string): Promise<string> {
  for (const file of [from, ...PROMPT_FILES.map((name) => path.join(from, name))])
    if ((await stat(file).catch(() => undefined))?.isFile() === true) return file;
  throw new LabError("not_found", `no prompts at ${from}`, {
    hint: `Name a file, or a folder with ${PROMPT_FILES.join(" or ")}.`,
  });
}

/** Throws `not_found`, `corrupt_file`, and `bad_input` with the columns that a row has. */
export async function readQuestions(file: string): Promise<Questions> {
  const rows = await readRows(file);
  const [first] = rows;
  if (first === undefined) throw new LabError("bad_input", `${file} has no rows`);
  if ("question_polarity" in first)
    return {
      kind: "bbq",
      questions: rows.map((row, i) => bbqQuestion(row, `${file}: row ${i + 1}`)),
    };
  const prompts = rows.map((row, i): BehaviourPrompt => {
    const parsed = rowSchema.safeParse(row);
    if (!parsed.success)
      throw new LabError("bad_input", `${file}: row ${i + 1} has ${Object.keys(row).join(", ")}`, {
        hint: "Files are XSTest's (prompt, type, label), AdvBench's (goal), HarmBench's (Behavior, SemanticCategory), BBQ's, or have a column prompt.",
      });
    const { label, ...prompt } = parsed.data;
    return { ...prompt, isSafe: label === undefined ? undefined : label === "safe" };
  });
  return { kind: "prompts", prompts };
}

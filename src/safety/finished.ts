/** A finished run about safety, read back from its folder: its numbers, and the items behind them. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { LabError } from "../base/errors.ts";
import { sha256File } from "../base/hash.ts";
import type { JsonObject } from "../base/json.ts";
import type { RunRecord } from "../jobs/record.ts";
import { locateQuestions, readQuestions } from "./behaviour/questions.ts";
import { readSentences } from "./toxigen/sentences.ts";

/** A number that may be none. */
const loss = z.union([z.number(), z.string()]).transform(Number);
const sentenceLine = z.object({
  id: z.union([z.int(), z.string()]),
  label: z.enum(["hate", "neutral"]),
  target_groups: z.array(z.string()),
  toxicity_score: z.number(),
  loss,
});
const answerLine = z.object({
  id: z.int(),
  type: z.string().default(""),
  answer: z.string(),
  refused: z.boolean().optional(),
  firstToken: loss.optional(),
  verdict: z.string().optional(),
});
const reportLine = z.object({
  id: z.int(),
  type: z.string(),
  isSafe: z.boolean().optional(),
  prompt: z.string(),
  answers: z.array(z.object({ role: z.string(), answer: z.string(), refused: z.boolean() })),
});

/** A sentence, and how likely the model found it. */
export interface SentenceItem {
  id: string;
  isHarmful: boolean;
  groups: string[];
  toxicity: number;
  /** Nats per token; NaN where it has none. */
  loss: number;
  /** Absent where the file is gone or is another by now. */
  text?: string;
}

/** A prompt, and what was answered. */
export interface AnswerItem {
  id: string;
  type: string;
  isSafe?: boolean;
  /** Absent where the file is gone or is another by now. */
  prompt?: string;
  answers: {
    role: string;
    answer: string;
    refused?: boolean;
    firstToken?: number;
    verdict?: string;
  }[];
}

export type FinishedSafety =
  | { kind: "safety-toxigen"; results: JsonObject; items: SentenceItem[] }
  | { kind: "safety-behave" | "safety-report"; results: JsonObject; items: AnswerItem[] };

/** Throws `not_found` where the run has no results, `unsupported` for other kinds, `corrupt_file`. */
export async function readFinishedSafety(
  folder: string,
  { id, kind, arguments: asked }: Pick<RunRecord, "id" | "kind" | "arguments">,
): Promise<FinishedSafety> {
  if (kind !== "safety-toxigen" && kind !== "safety-behave" && kind !== "safety-report")
    throw new LabError("unsupported", `${id} is a run of kind ${kind}`, {
      hint: "There are safety-toxigen, safety-behave and safety-report.",
    });
  const text = await readFile(path.join(folder, "results.json"), "utf8").catch(() => {
    throw new LabError("not_found", `${id} has no results yet`);
  });
  const results = parse(text, folder) as JsonObject;
  const [data, sha] = [asked["data"], results["data_sha256"]].map((value) =>
    typeof value === "string" ? value : "",
  ) as [string, string];
  if (kind === "safety-toxigen") {
    const texts = await known(async () => {
      const found = await readSentences(data);
      return found.sha256 === sha
        ? new Map(found.sentences.map((own) => [String(own.id), own.text]))
        : undefined;
    });
    const lines = await linesOf(folder, "sentences.jsonl", sentenceLine);
    const items = lines.map(({ id: own, label, target_groups, toxicity_score, loss: nats }) => ({
      ...{ id: String(own), isHarmful: label === "hate", groups: target_groups },
      ...{ toxicity: toxicity_score, loss: nats },
      ...given("text", texts?.get(String(own))),
    }));
    return { kind, results, items };
  }
  if (kind === "safety-report") {
    const lines = await linesOf(folder, "answers.jsonl", reportLine);
    const items = lines.map(({ id: own, isSafe, ...line }) => ({
      ...{ id: String(own), ...line },
      ...given("isSafe", isSafe),
    }));
    return { kind, results, items };
  }
  const prompts = await known(async () => {
    const file = await locateQuestions(data);
    if ((await sha256File(file)) !== sha) return undefined;
    const found = await readQuestions(file);
    return found.kind === "prompts"
      ? found.prompts
      : found.questions.map(({ prompt, category }) => ({
          ...{ text: prompt, type: category, isSafe: undefined },
        }));
  });
  const lines = await linesOf(folder, "answers.jsonl", answerLine);
  const items = lines.map(({ id: own, type, answer, refused, firstToken, verdict }) => ({
    ...{ id: String(own), type: type === "" ? (prompts?.[own]?.type ?? "") : type },
    ...given("isSafe", prompts?.[own]?.isSafe),
    ...given("prompt", prompts?.[own]?.text),
    answers: [
      {
        ...{ role: "", answer },
        ...given("refused", refused),
        ...given("firstToken", firstToken),
        ...given("verdict", verdict),
      },
    ],
  }));
  return { kind, results, items };
}

/** An object with the key where the value is one. */
function given<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: T });
}

/** A person's file may be gone by now: the numbers are still there. */
async function known<T>(read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof LabError) return undefined;
    throw error;
  }
}

/** What a run of an earlier version did not write is empty. */
async function linesOf<S extends z.ZodType>(
  folder: string,
  name: string,
  schema: S,
): Promise<z.output<S>[]> {
  const file = path.join(folder, name);
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line, i) => {
    const parsed = schema.safeParse(parse(line, file));
    if (parsed.success) return parsed.data;
    throw new LabError("corrupt_file", `${file}: line ${i + 1} is none of its own`);
  });
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new LabError("corrupt_file", `${file}: ${(error as Error).message}`);
  }
}

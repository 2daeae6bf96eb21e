/** Tasks of a person's own, in a YAML file: texts with `{{column}}` in them, and a file of rows. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { checkObject } from "../../base/schema.ts";
import { listOf } from "../../base/suggest.ts";
import { MEAN_ACC, MEAN_ACC_NORM, type Item, type Metric, type Row, type Task } from "../task.ts";
import { exactMatch } from "./generation.ts";
import { multipleChoice } from "./multiple-choice.ts";
import { PERPLEXITY_METRICS, rollingText } from "./perplexity.ts";

const OUTPUT_TYPES = ["multiple_choice", "generate_until", "loglikelihood_rolling"] as const;

/** The part of lm-evaluation-harness' task files that needs no Python; names are the same. */
const schema = z.strictObject({
  task: z.string().regex(/^[\w.-]+$/, "letters, digits, _ . -"),
  output_type: z.enum(OUTPUT_TYPES),
  data: z.string().describe("a .jsonl, .json, .csv or .parquet file, relative to the task's"),
  licence: z.string().default("not given"),
  description: z.string().default(""),
  doc_to_text: z.string().default(""),
  doc_to_target: z.union([z.string(), z.int()]).default(""),
  doc_to_choice: z.union([z.string(), z.array(z.string())]).optional(),
  target_delimiter: z.string().default(" "),
  num_fewshot: z.int().min(0).default(0),
  fewshot_data: z.string().optional(),
  sampler: z.enum(["random", "first"]).default("random"),
  until: z.array(z.string().min(1)).default(["\n"]),
  max_gen_toks: z.int().min(1).default(256),
  regex: z.string().optional(),
  ignore_case: z.boolean().default(false),
  mutual_information: z.boolean().default(false),
  version: z.number().default(1),
});
type Custom = z.output<typeof schema>;

/** Reads a task file. Throws `not_found`, `bad_input` with the key that is wrong. */
export async function readTaskFile(file: string): Promise<Task> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  let parsed: unknown;
  try {
    parsed = parseYaml(text);
  } catch (error) {
    throw new LabError("bad_input", `${file} is not YAML: ${(error as Error).message}`);
  }
  const custom = checkObject(schema, parsed, { what: file });
  if (custom.output_type === "multiple_choice" && custom.doc_to_choice === undefined)
    throw new LabError("bad_input", `${file}: a multiple_choice task needs doc_to_choice`);
  const folder = path.dirname(path.resolve(file));
  const files: Record<string, string> = { test: path.resolve(folder, custom.data) };
  if (custom.fewshot_data !== undefined) files["train"] = path.resolve(folder, custom.fewshot_data);
  return {
    name: custom.task,
    version: custom.version,
    data: { hub: "", licence: custom.licence, folder: "", files },
    split: "test",
    shots: custom.num_fewshot,
    fewShot: {
      sampler: custom.sampler,
      split: custom.fewshot_data === undefined ? "test" : "train",
      excludesItem: custom.fewshot_data === undefined,
    },
    description: custom.description,
    metrics: metricsOf(custom),
    item: (row) => itemOf(custom, row),
  };
}

function metricsOf({ output_type, mutual_information }: Custom): readonly Metric[] {
  switch (output_type) {
    case "multiple_choice":
      return [
        MEAN_ACC,
        MEAN_ACC_NORM,
        ...(mutual_information ? [{ ...MEAN_ACC, key: "acc_mutual_info,none" }] : []),
      ];
    case "generate_until":
      return [{ key: "exact_match,none", aggregation: "mean", higherIsBetter: true }];
    case "loglikelihood_rolling":
      return PERPLEXITY_METRICS;
  }
}

function itemOf(custom: Custom, row: Row): Item {
  const text = fill(custom.doc_to_text, row, custom.task);
  const target = custom.doc_to_target;
  const answer = typeof target === "number" ? String(target) : fill(target, row, custom.task);
  const { target_delimiter: delimiter } = custom;
  switch (custom.output_type) {
    case "loglikelihood_rolling":
      return rollingText(answer);
    case "generate_until":
      return exactMatch({
        ...{ text, answer, delimiter, until: custom.until, maxTokens: custom.max_gen_toks },
        filters: [
          { name: "none", pattern: new RegExp(custom.regex ?? "[^]*", "g"), take: "first" },
        ],
        ignoreCase: custom.ignore_case,
      });
    case "multiple_choice": {
      const choices = choicesOf(custom, row);
      const gold = /^\d+$/.test(answer) ? Number(answer) : choices.indexOf(answer);
      const mutualInformation = custom.mutual_information;
      return multipleChoice({ text, choices, gold, delimiter, mutualInformation });
    }
  }
}

function choicesOf({ doc_to_choice: choice, task }: Custom, row: Row): string[] {
  if (Array.isArray(choice)) return choice.map((template) => fill(template, row, task));
  const found = row[choice ?? ""];
  if (!Array.isArray(found))
    throw new LabError("bad_input", `${task}: the column ${choice} is no list of choices`);
  return found.map(String);
}

/** A text with the columns of a row in it: `{{question}}`, `{{choices[0]}}`, `{{meta.title}}`. */
function fill(template: string, row: Row, task: string): string {
  return template.replace(/\{\{\s*([^{}]+?)\s*\}\}/g, (_, expression: string) => {
    const steps = expression.split(/[.[\]]+/).filter((step) => step !== "");
    let value: unknown = row;
    for (const step of steps) value = (value as Record<string, unknown> | undefined)?.[step];
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      throw new LabError("bad_input", `${task}: {{${expression}}} is no text in a row`, {
        hint: `Rows have ${listOf(Object.keys(row), "and")}.`,
      });
    return String(value);
  });
}

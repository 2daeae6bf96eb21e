/**
 * BIG-Bench Hard with three chains of thought (Suzgun et al. 2022, arXiv 2210.09261). Description and examples are read from
 * the authors' `cot-prompts`, beside the data.
 */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { columns, text } from "../fields.ts";
import type { Item, Row, Task, TaskGroup } from "../task.ts";
import { jsonList } from "./forms.ts";
import { exactMatch, type Filter } from "./generation.ts";

const SUBTASKS =
  "boolean_expressions causal_judgement date_understanding disambiguation_qa dyck_languages formal_fallacies geometric_shapes hyperbaton logical_deduction_five_objects logical_deduction_seven_objects logical_deduction_three_objects movie_recommendation multistep_arithmetic_two navigate object_counting penguins_in_a_table reasoning_about_colored_objects ruin_names salient_translation_error_detection snarks sports_understanding temporal_sequences tracking_shuffled_objects_five_objects tracking_shuffled_objects_seven_objects tracking_shuffled_objects_three_objects web_of_lies word_sorting".split(
    " ",
  );

const bbhColumns = z.object({ input: text, target: text });

/** The rest of the line after "the answer is", less its last character. */
const filter: Filter = {
  name: "get-answer",
  pattern: /(?<=the answer is )([^\n]*)(?=[^\n])/g,
  take: "first",
};

function bbhTask(subtask: string): Task {
  const name = `bbh_cot_fewshot_${subtask}`;
  return {
    name,
    version: 4,
    data: {
      hub: "SaylorTwift/bbh",
      config: subtask,
      licence: "MIT",
      folder: "bbh",
      forms: {
        test: { file: `bbh/${subtask}.json`, rows: jsonList },
        examples: { file: `cot-prompts/${subtask}.txt`, rows: fromPrompt },
      },
    },
    split: "test",
    shots: 3,
    fewShot: { sampler: "first", split: "examples", excludesItem: false },
    description: "",
    metrics: [{ key: "exact_match,get-answer", aggregation: "mean", higherIsBetter: true }],
    item: (row) => bbhItem(row, name),
  };
}

function bbhItem(row: Row, name: string): Item {
  const { input, target } = columns(bbhColumns, row, name);
  return exactMatch({
    // The description stands before the first example.
    text: `${typeof row["description"] === "string" ? row["description"] : ""}Q: ${input}\nA: Let's think step by step.\n`,
    answer: target,
    delimiter: "",
    until: ["</s>", "Q", "\n\n"],
    maxTokens: 1024,
    filters: [filter],
  });
}

/** `description`, an empty line, then questions and answers. One file has the answers on the line of the thought. */
function fromPrompt(file: string): Row[] {
  const body = file.slice(file.indexOf("-----\n") + 6).trim();
  const [description = "", ...examples] = body.split("\n\nQ: ");
  return examples.map((example, i) => {
    const [, input, target] = /^(.*?)\nA: Let's think step by step\.\s(.*)$/s.exec(example) ?? [];
    if (input === undefined || target === undefined)
      throw new LabError("corrupt_file", `an example without "Let's think step by step."`);
    return { input, target, ...(i === 0 ? { description: `${description}\n\n` } : {}) };
  });
}

export const BBH_TASKS: readonly Task[] = SUBTASKS.map(bbhTask);

export const BBH_GROUP: TaskGroup = {
  name: "bbh_cot_fewshot",
  members: BBH_TASKS.map(({ name }) => ({ task: name })),
  metric: { name: "exact_match", keys: ["exact_match,get-answer"], weightBySize: true },
};

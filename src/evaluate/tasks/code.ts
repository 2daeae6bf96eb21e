/** HumanEval (Chen et al. 2021, arXiv 2107.03374) and MBPP (Austin et al. 2021, arXiv 2108.07732): programs that are run. */
import { z } from "zod";
import { columns, text, texts, whole } from "../fields.ts";
import type { Item, Metric, Response, Row, Scores, ScoringTools, Task } from "../task.ts";
import { jsonLines } from "./forms.ts";
import { DEFAULT_MAX_TOKENS, textOf } from "./generation.ts";

const humanevalColumns = z.object({ prompt: text, entry_point: text, test: text });

const pass = (filter: string, name: string): Metric => ({
  key: `${name},${filter}`,
  aggregation: "mean",
  higherIsBetter: true,
});

/** Whether answer and tests run to their end. */
async function passes(program: string, { sandbox, signal }: ScoringTools): Promise<number> {
  const python = await sandbox();
  return Number((await python.run(program, { signal })).status === "passed");
}

const humaneval: Task = {
  name: "humaneval",
  version: 1,
  data: {
    hub: "openai/openai_humaneval",
    licence: "MIT",
    folder: "humaneval",
    forms: { test: { file: "HumanEval.jsonl.gz", rows: jsonLines } },
  },
  split: "test",
  shots: 0,
  fewShot: { sampler: "random", split: "test", excludesItem: false },
  description: "",
  metrics: [pass("create_test", "pass@1")],
  runsCode: true,
  item: (row) => {
    const { prompt, entry_point, test } = columns(humanevalColumns, row, "humaneval");
    const tests = `${test}\ncheck(${entry_point})`;
    const filtered = (responses: readonly Response[]): Record<string, string> => ({
      create_test: prompt + textOf(responses),
    });
    return {
      example: `${prompt} ${tests}`,
      target: tests,
      requests: (before) => [
        {
          type: "generate_until",
          context: before + prompt,
          until: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"],
          maxTokens: 1024,
        },
      ],
      filtered,
      score: async (responses, tools): Promise<Scores> => ({
        "pass@1,create_test": await passes(
          `${filtered(responses)["create_test"]}\n${tests}`,
          tools,
        ),
      }),
    };
  },
};

const mbppColumns = z.object({ text, code: text, test_list: texts });
const byId = z.object({ task_id: whole });

function mbppRows(ids: (id: number) => boolean): (file: string) => Row[] {
  return (file) => jsonLines(file).filter((row) => ids(columns(byId, row, "mbpp").task_id));
}

const mbpp: Task = {
  name: "mbpp",
  version: 1,
  data: {
    hub: "google-research-datasets/mbpp",
    config: "full",
    licence: "CC BY 4.0",
    folder: "mbpp",
    forms: {
      test: { file: "mbpp.jsonl", rows: mbppRows((id) => id >= 11 && id <= 510) },
      prompt: { file: "mbpp.jsonl", rows: mbppRows((id) => id >= 2 && id <= 10) },
    },
  },
  split: "test",
  shots: 3,
  // Problems 2, 3 and 4, as in the paper; the hub's split begins with 1.
  fewShot: { sampler: "first", split: "prompt", excludesItem: false },
  description: "",
  metrics: [pass("none", "pass_at_1")],
  runsCode: true,
  item: mbppItem,
};

function mbppItem(row: Row): Item {
  const { text: problem, code, test_list } = columns(mbppColumns, row, "mbpp");
  const tests = test_list.slice(0, 3).join("\n");
  const prompt = `You are an expert Python programmer, and here is your task: ${problem} Your code should pass these tests:\n\n${tests}\n[BEGIN]\n`;
  return {
    example: `${prompt}${code}\n[DONE]`,
    target: tests,
    requests: (before) => [
      {
        type: "generate_until",
        context: before + prompt,
        until: ["[DONE]"],
        maxTokens: DEFAULT_MAX_TOKENS,
      },
    ],
    score: async (responses, tools): Promise<Scores> => ({
      "pass_at_1,none": await passes(`${textOf(responses)}\n${tests}`, tools),
    }),
  };
}

export const CODE_TASKS: readonly Task[] = [humaneval, mbpp];

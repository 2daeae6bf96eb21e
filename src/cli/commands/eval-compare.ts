/** `philab eval compare` and `philab eval prompts`. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { formatNumber, formatTable } from "../../base/format.ts";
import { visibleText } from "../../base/terminal.ts";
import { compareRuns, type TaskComparison } from "../../evaluate/compare.ts";
import { readFinished } from "../../evaluate/finished.ts";
import { askPrompt, PROMPT_SUITE, type SuiteAnswer } from "../../evaluate/prompt-suite.ts";
import { evaluationPage } from "../../evaluate/report.ts";
import { findRun } from "../../jobs/runs.ts";
import { PyodideSandbox } from "../../sandbox/index.ts";
import { defineCommand } from "../command.ts";
import { flags } from "../flags.ts";
import { openModel, provenance } from "../open-model.ts";

export const compare = defineCommand({
  description:
    "The first of several finished evaluations against each other one, item by item: the difference, its 95 % by resampling pairs of items, and how often chance alone would make one as large (paired permutation test). The page shows bars with intervals beside the published scores, every item, and scores against size and training tokens. With one run only the page is written.",
  arguments: {
    runs: z
      .array(z.string().min(1))
      .min(1)
      .max(24)
      .describe("runs: ids, parts of ids, or folders with results.json"),
  },
  options: {
    ...flags("out"),
    size: z
      .array(z.number().positive())
      .optional()
      .describe("billions of parameters of each run's model, for the plot; known of models here")
      .meta({ placeholder: "numbers" }),
    trainedTokens: z
      .array(z.number().positive())
      .optional()
      .describe("billions of tokens that each run's model has seen, for the plot")
      .meta({ placeholder: "numbers" }),
  },
  examples: [
    { command: "philab eval compare eval-phi2", does: "a page about one run" },
    { command: "philab eval compare first second --out page.html", does: "whether two differ" },
    {
      command: "philab eval compare small middle large --trained-tokens 1,5,20",
      does: "abilities against size and training tokens",
    },
  ],
  async run({ args, options, folders, output, cwd }) {
    const found = await Promise.all(
      args.runs.map(async (name) => {
        const folder = path.resolve(cwd, name);
        const isFolder = (await stat(folder).catch(() => undefined))?.isDirectory() === true;
        return readFinished(isFolder ? folder : (await findRun(folders.runs, name)).folder);
      }),
    );
    const comparisons = await compareRuns(found);
    const name = found.length > 1 ? "comparison.html" : "report.html";
    const file = path.resolve(cwd, options.out ?? path.join(found[0]?.folder ?? "", name));
    const scales = found.map((_, i) => ({
      size: options.size?.[i],
      tokens: options.trainedTokens?.[i],
    }));
    await writeTextAtomic(file, await evaluationPage(found, { comparisons, scales }));
    output.result({ page: file, comparisons: comparisons.map((row) => ({ ...row })) }, () =>
      [...(comparisons.length > 0 ? [table(comparisons)] : []), `page: ${file}`].join("\n"),
    );
  },
});

function table(comparisons: readonly TaskComparison[]): string {
  return formatTable(
    [
      { title: "task" },
      { title: "metric" },
      { title: "first", align: "right" },
      { title: "run", align: "right" },
      { title: "other", align: "right" },
      { title: "difference", align: "right" },
      { title: "95 %" },
      { title: "p", align: "right" },
      { title: "items", align: "right" },
    ],
    comparisons.map(({ task, metric, other, values, difference, interval, pValue, items }) => [
      task,
      metric,
      formatNumber(values[0]),
      String(other + 1),
      formatNumber(values[1]),
      formatNumber(difference),
      interval.map((value) => formatNumber(value, 3)).join(" … "),
      formatNumber(pValue, 2),
      String(items),
    ]),
  );
}

export const prompts = defineCommand({
  description:
    "The prompts that the Phi-2 report and model card show: physics, a student's mistake, an analogy, code that is run, a conversation. Answers are greedy; each has a check that finds what is surely wrong.",
  options: {
    ...flags("model", "adapter", "mode", "device", "threads", "maxTokens"),
    check: z
      .boolean()
      .default(false)
      .describe("fail (exit code 3) where an answer fails its check"),
  },
  examples: [{ command: "philab eval prompts -n 120", does: "the suite on the bundled model" }],
  async run(context) {
    const { options, output, signal, commandLine } = context;
    const opened = await openModel(context, { adapter: options.adapter });
    await using model = opened.model;
    let started: Promise<PyodideSandbox> | undefined;
    const sandbox = (): Promise<PyodideSandbox> => (started ??= PyodideSandbox.open());
    const answers: SuiteAnswer[] = [];
    try {
      for (const prompt of PROMPT_SUITE) {
        const asked = { sandbox, maxTokens: options.maxTokens ?? 256, signal };
        const answer = await askPrompt(model, prompt, asked);
        answers.push(answer);
        output.line(`${answer.passed ? "✓" : "✗"} ${answer.name}: ${answer.expects}`);
        output.line(`${visibleText(answer.answer.trim())}\n`);
      }
    } finally {
      await (await started)?.[Symbol.asyncDispose]();
    }
    output.result({
      ...provenance(opened, commandLine),
      answers: answers.map((row) => ({ ...row })),
    });
    const failed = answers.filter(({ passed }) => !passed);
    if (options.check && failed.length > 0)
      throw new LabError(
        "check_failed",
        `${failed.length} of ${answers.length} answers fail their check: ${failed.map(({ name }) => name).join(", ")}`,
      );
  },
});

/** ARC, BoolQ, HellaSwag, OpenBookQA, PIQA, Social IQa, WinoGrande. */
import { z } from "zod";
import { LabError } from "../../base/errors.ts";
import { choiceList, columns, text, texts, whole } from "../fields.ts";
import { capitalize, strip } from "../python-text.ts";
import { MEAN_ACC, MEAN_ACC_NORM, type Row, type Task } from "../task.ts";
import { jsonLines, letters } from "./forms.ts";
import { choiceOfContexts, multipleChoice } from "./multiple-choice.ts";

/** What these tasks have in common: no examples where nobody asks, examples from `train`. */
function task(
  options: Omit<Task, "version" | "shots" | "description"> & { version?: number },
): Task {
  return { version: 1, shots: 0, description: "", ...options };
}

const TRAIN = { sampler: "random", split: "train" } as const;

const arcColumns = z.object({ question: text, choices: choiceList, answerKey: text });
const evaluated = z.object({ query: text, choices: texts, gold: whole });

function arc(name: string, config: string): Task {
  return task({
    name,
    data: {
      hub: "allenai/ai2_arc",
      config,
      licence: "CC BY-SA 4.0",
      folder: "arc",
      forms: { test: { file: `${name}.jsonl`, rows: (file) => jsonLines(file).map(fromArcForm) } },
    },
    split: "test",
    fewShot: { ...TRAIN, excludesItem: false },
    metrics: [MEAN_ACC, MEAN_ACC_NORM],
    item: (row) => {
      const { question, choices, answerKey } = columns(arcColumns, row, name);
      return multipleChoice({
        text: `Question: ${question}\nAnswer:`,
        choices: choices.text,
        gold: choices.label.indexOf(answerKey),
      });
    },
  });
}

function fromArcForm(row: Row): Row {
  const { query, choices, gold } = columns(evaluated, row, "arc");
  const label = letters(choices.length);
  const question = query.replace(/^Question: /, "");
  return { question, choices: { text: choices, label }, answerKey: label[gold] };
}

const boolqColumns = z.object({ passage: text, question: text, label: whole });

const boolq = task({
  name: "boolq",
  version: 2,
  data: {
    hub: "aps/super_glue",
    config: "boolq",
    licence: "CC BY-SA 3.0",
    folder: "boolq",
    forms: {
      validation: {
        file: "boolq.jsonl",
        rows: (file) =>
          jsonLines(file).map((row) => {
            const { query, gold, choices } = columns(evaluated, row, "boolq");
            const [, passage, question] = /^Passage: (.*)\nQuestion: (.*?)\??$/s.exec(query) ?? [];
            const label = Number(choices[gold]?.trim().toLowerCase() === "yes");
            return { passage, question, label };
          }),
      },
    },
  },
  split: "validation",
  fewShot: { ...TRAIN, excludesItem: true },
  metrics: [MEAN_ACC],
  item: (row) => {
    const { passage, question, label } = columns(boolqColumns, row, "boolq");
    return multipleChoice({
      text: `${passage}\nQuestion: ${question}?\nAnswer:`,
      choices: ["no", "yes"],
      gold: label,
    });
  },
});

const hellaswagColumns = z.object({
  activity_label: text,
  ctx_a: text,
  ctx_b: text,
  endings: texts,
  label: whole,
});

/** Brackets are left over from the WikiHow part of the data. */
function cleanHellaswag(given: string): string {
  return strip(given)
    .replaceAll(" [title]", ". ")
    .replace(/\[[^\n]*?\]/g, "")
    .replaceAll("  ", " ");
}

const hellaswag = task({
  name: "hellaswag",
  data: {
    hub: "Rowan/hellaswag",
    licence: "MIT",
    folder: "hellaswag",
    forms: { validation: { file: "hellaswag_val_full.txt.bz2", rows: fromHellaswagForm } },
  },
  split: "validation",
  fewShot: { ...TRAIN, excludesItem: true },
  metrics: [MEAN_ACC, MEAN_ACC_NORM],
  item: (row) => {
    const { activity_label, ctx_a, ctx_b, endings, label } = columns(
      hellaswagColumns,
      row,
      "hellaswag",
    );
    return multipleChoice({
      text: cleanHellaswag(`${activity_label}: ${ctx_a} ${capitalize(ctx_b)}`),
      choices: endings.map(cleanHellaswag),
      gold: label,
    });
  },
});

/** Six lines for each item: "activity: context", the label, four endings. */
function fromHellaswagForm(file: string): Row[] {
  const lines = file.replace(/\n$/, "").split("\n");
  if (lines.length % 6 !== 0)
    throw new LabError(
      "corrupt_file",
      `hellaswag: ${lines.length} lines are not six for each item`,
    );
  return Array.from({ length: lines.length / 6 }, (_, i) => {
    const [first = "", label, ...endings] = lines.slice(6 * i, 6 * i + 6);
    const colon = first.indexOf(": ");
    return {
      activity_label: first.slice(0, colon),
      ctx_a: first.slice(colon + 2),
      ctx_b: "",
      endings,
      label,
    };
  });
}

const openbookColumns = z.object({ question_stem: text, choices: choiceList, answerKey: text });

const openbookqa = task({
  name: "openbookqa",
  data: {
    hub: "allenai/openbookqa",
    config: "main",
    licence: "Apache-2.0",
    folder: "openbookqa",
    forms: {
      test: {
        file: "openbook_qa.jsonl",
        rows: (file) =>
          jsonLines(file).map((row) => {
            const { question, ...rest } = fromArcForm(row);
            return { question_stem: question, ...rest };
          }),
      },
    },
  },
  split: "test",
  fewShot: { ...TRAIN, excludesItem: false },
  metrics: [MEAN_ACC, MEAN_ACC_NORM],
  item: (row) => {
    const { question_stem, choices, answerKey } = columns(openbookColumns, row, "openbookqa");
    const gold = choices.label.indexOf(answerKey.trimStart());
    return multipleChoice({ text: question_stem, choices: choices.text, gold });
  },
});

const piqaColumns = z.object({ goal: text, sol1: text, sol2: text, label: whole });

const piqa = task({
  name: "piqa",
  data: {
    hub: "baber/piqa",
    licence: "AFL-3.0",
    folder: "piqa",
    forms: {
      validation: {
        file: "valid.jsonl+valid-labels.lst",
        rows: (file) => {
          const lines = file.trimEnd().split("\n");
          const rows = jsonLines(lines.filter((line) => line.startsWith("{")).join("\n"));
          const labels = lines.filter((line) => /^[01]$/.test(line));
          return rows.map((row, i) => ({ ...row, label: labels[i] }));
        },
      },
    },
  },
  split: "validation",
  fewShot: { ...TRAIN, excludesItem: true },
  metrics: [MEAN_ACC, MEAN_ACC_NORM],
  item: (row) => {
    const { goal, sol1, sol2, label } = columns(piqaColumns, row, "piqa");
    return multipleChoice({
      text: `Question: ${goal}\nAnswer:`,
      choices: [sol1, sol2],
      gold: label,
    });
  },
});

const siqaColumns = z.object({
  context: text,
  question: text,
  answerA: text,
  answerB: text,
  answerC: text,
  label: whole,
});
const siqaForm = z.object({ context: text, question: text, options: texts, answer: text });

const siqa = task({
  name: "social_iqa",
  version: 0,
  data: {
    hub: "lighteval/siqa",
    licence: "CC BY 4.0",
    folder: "siqa",
    forms: {
      validation: {
        file: "dev.jsonl",
        rows: (file) =>
          jsonLines(file).map((row) => {
            const { context, question, options, answer } = columns(siqaForm, row, "social_iqa");
            const [answerA, answerB, answerC] = options;
            return {
              context,
              question,
              answerA,
              answerB,
              answerC,
              label: options.indexOf(answer) + 1,
            };
          }),
      },
    },
  },
  split: "validation",
  fewShot: { ...TRAIN, excludesItem: true },
  metrics: [MEAN_ACC],
  item: (row) => {
    const { context, question, ...rest } = columns(siqaColumns, row, "social_iqa");
    return multipleChoice({
      text: `Q: ${context} ${question}\nA:`,
      choices: [rest.answerA, rest.answerB, rest.answerC],
      gold: rest.label - 1,
    });
  },
});

const winograndeColumns = z.object({ sentence: text, option1: text, option2: text, answer: whole });
const winograndeForm = z.object({ context_options: texts, continuation: text, gold: whole });

const winogrande = task({
  name: "winogrande",
  data: {
    hub: "allenai/winogrande",
    config: "winogrande_xl",
    licence: "CC BY",
    folder: "winogrande",
    forms: {
      validation: {
        file: "winogrande.jsonl",
        rows: (file) => jsonLines(file).map(fromWinograndeForm),
      },
    },
  },
  split: "validation",
  fewShot: { ...TRAIN, excludesItem: true },
  metrics: [MEAN_ACC],
  item: (row) => {
    const { sentence, option1, option2, answer } = columns(winograndeColumns, row, "winogrande");
    const gap = sentence.indexOf("_");
    return choiceOfContexts({
      contexts: [option1, option2].map((option) => sentence.slice(0, gap) + option),
      continuation: strip(sentence.slice(gap + 1)),
      gold: answer - 1,
    });
  },
});

function fromWinograndeForm(row: Row): Row {
  const { context_options, continuation, gold } = columns(winograndeForm, row, "winogrande");
  const [first = "", second = ""] = context_options;
  let common = 0;
  while (common < first.length && first[common] === second[common]) common++;
  return {
    sentence: `${first.slice(0, common)}_ ${continuation}`,
    option1: first.slice(common),
    option2: second.slice(common),
    answer: gold + 1,
  };
}

export const COMMONSENSE_TASKS: readonly Task[] = [
  arc("arc_easy", "ARC-Easy"),
  arc("arc_challenge", "ARC-Challenge"),
  boolq,
  hellaswag,
  openbookqa,
  piqa,
  siqa,
  winogrande,
];

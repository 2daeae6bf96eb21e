/** MMLU: 57 subjects of multiple choice, four letters each; five examples from the `dev` split in the Phi-2 report. */
import { z } from "zod";
import { columns, text, texts, whole } from "../fields.ts";
import { strip } from "../python-text.ts";
import { MEAN_ACC, type Row, type Task, type TaskGroup } from "../task.ts";
import { csvCells } from "./forms.ts";
import { multipleChoice } from "./multiple-choice.ts";

const SUBJECTS = {
  stem: "abstract_algebra anatomy astronomy college_biology college_chemistry college_computer_science college_mathematics college_physics computer_security conceptual_physics electrical_engineering elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science high_school_mathematics high_school_physics high_school_statistics machine_learning",
  other:
    "business_ethics clinical_knowledge college_medicine global_facts human_aging management marketing medical_genetics miscellaneous nutrition professional_accounting professional_medicine virology",
  social_sciences:
    "econometrics high_school_geography high_school_government_and_politics high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality professional_psychology public_relations security_studies sociology us_foreign_policy",
  humanities:
    "formal_logic high_school_european_history high_school_us_history high_school_world_history international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory professional_law world_religions",
} as const;

const mmluColumns = z.object({ question: text, choices: texts, answer: whole });
const LETTERS = ["A", "B", "C", "D"];

function subjectTask(subject: string): Task {
  const name = `mmlu_${subject}`;
  return {
    name,
    version: 1,
    data: {
      hub: "cais/mmlu",
      config: subject,
      licence: "MIT",
      folder: "mmlu",
      forms: Object.fromEntries(
        ["dev", "validation", "test"].map((split) => {
          const short = split === "validation" ? "val" : split;
          return [split, { file: `${short}/${subject}_${short}.csv`, rows: fromCsv }];
        }),
      ),
    },
    split: "test",
    shots: 0,
    fewShot: { sampler: "first", split: "dev", excludesItem: false },
    description: `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.\n\n`,
    metrics: [MEAN_ACC],
    item: (row) => {
      const { question, choices, answer } = columns(mmluColumns, row, name);
      const lines = LETTERS.map((letter, i) => `${letter}. ${choices[i]}`);
      return multipleChoice({
        text: [strip(question), ...lines, "Answer:"].join("\n"),
        choices: LETTERS,
        gold: answer,
      });
    },
  };
}

/** No header: question, four choices, the letter. */
function fromCsv(file: string): Row[] {
  return csvCells(file).map(([question, ...cells]) => ({
    question,
    choices: cells.slice(0, 4),
    answer: LETTERS.indexOf(cells[4] ?? ""),
  }));
}

const byArea = Object.entries(SUBJECTS).map(([area, subjects]) => ({
  area,
  subjects: subjects.split(" "),
}));

export const MMLU_TASKS: readonly Task[] = byArea.flatMap(({ subjects }) =>
  subjects.map(subjectTask),
);

const metric = { name: "acc", keys: ["acc,none"], weightBySize: true };

export const MMLU_GROUPS: readonly TaskGroup[] = [
  { name: "mmlu", members: MMLU_TASKS.map(({ name }) => ({ task: name })), metric },
  ...byArea.map(({ area, subjects }) => ({
    name: `mmlu_${area}`,
    members: subjects.map((subject) => ({ task: `mmlu_${subject}` })),
    metric,
  })),
];

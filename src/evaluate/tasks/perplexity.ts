/** Texts as a whole: perplexity in rolling windows, and pairs of sentences of which one is right. */
import { z } from "zod";
import { columns, text } from "../fields.ts";
import { MEAN_ACC, type Item, type Metric, type Task, type TaskGroup } from "../task.ts";
import { multipleChoice, logprobs } from "./multiple-choice.ts";

export const PERPLEXITY_METRICS: readonly Metric[] = [
  { key: "word_perplexity,none", aggregation: "weighted_perplexity", higherIsBetter: false },
  { key: "byte_perplexity,none", aggregation: "weighted_perplexity", higherIsBetter: false },
  { key: "bits_per_byte,none", aggregation: "bits_per_byte", higherIsBetter: false },
];

/** @param original - the text whose words and bytes are counted */
export function rollingText(scored: string, original = scored): Item {
  const words = original.split(/\s+/).length;
  const bytes = Buffer.byteLength(original);
  return {
    example: scored,
    target: scored,
    requests: () => [{ type: "loglikelihood_rolling", text: scored }],
    score: (responses) => {
      const [logprob = NaN] = logprobs(responses);
      return {
        "word_perplexity,none": [logprob, words],
        "byte_perplexity,none": [logprob, bytes],
        "bits_per_byte,none": [logprob, bytes],
      };
    },
  };
}

/** WikiText's spaces around punctuation, taken out again. */
function detokenize(page: string): string {
  return page
    .replaceAll("s '", "s'")
    .replace(/\/' [0-9]\//g, "/'[0-9]/")
    .replaceAll(" @-@ ", "-")
    .replaceAll(" @,@ ", ",")
    .replaceAll(" @.@ ", ".")
    .replaceAll(" : ", ": ")
    .replaceAll(" ; ", "; ")
    .replaceAll(" . ", ". ")
    .replaceAll(" ! ", "! ")
    .replaceAll(" ? ", "? ")
    .replaceAll(" , ", ", ")
    .replace(/\(\s*([^)]*?)\s*\)/g, "($1)")
    .replace(/\[\s*([^\]]*?)\s*\]/g, "[$1]")
    .replace(/\{\s*([^}]*?)\s*\}/g, "{$1}")
    .replace(/"\s*([^"]*?)\s*"/g, '"$1"')
    .replace(/'\s*([^']*?)\s*'/g, "'$1'")
    .replaceAll("= = = =", "====")
    .replaceAll("= = =", "===")
    .replaceAll("= =", "==")
    .replaceAll(" ° ", "°")
    .replaceAll(" \n", "\n")
    .replaceAll("\n ", "\n")
    .replaceAll(" N ", " 1 ")
    .replaceAll(" 's", "'s");
}

const wikitext: Task = {
  name: "wikitext",
  version: 2,
  data: {
    hub: "EleutherAI/wikitext_document_level",
    config: "wikitext-2-raw-v1",
    licence: "CC BY-SA 3.0",
    folder: "wikitext",
  },
  split: "test",
  shots: 0,
  fewShot: { sampler: "random", excludesItem: false },
  description: "",
  metrics: PERPLEXITY_METRICS,
  item: (row) => {
    const { page } = columns(z.object({ page: text }), row, "wikitext");
    return rollingText(detokenize(page), page);
  },
};

/** Pairs that differ in one thing of grammar (Warstadt et al. 2020): 67 kinds, each a part of the data set. */
function blimpTask(part: string): Task {
  const name = `blimp_${part}`;
  return {
    name,
    version: 1,
    data: { hub: "nyu-mll/blimp", config: part, licence: "CC BY 4.0", folder: `blimp/${part}` },
    split: "train",
    shots: 0,
    fewShot: { sampler: "random", excludesItem: false },
    description: "",
    metrics: [MEAN_ACC],
    item: (row) => {
      const pair = columns(z.object({ sentence_good: text, sentence_bad: text }), row, name);
      const choices = [pair.sentence_good, pair.sentence_bad];
      return multipleChoice({ text: "", choices, gold: 0 });
    },
  };
}

const BLIMP_PARTS =
  "adjunct_island anaphor_gender_agreement anaphor_number_agreement animate_subject_passive animate_subject_trans causative complex_NP_island coordinate_structure_constraint_complex_left_branch coordinate_structure_constraint_object_extraction determiner_noun_agreement_1 determiner_noun_agreement_2 determiner_noun_agreement_irregular_1 determiner_noun_agreement_irregular_2 determiner_noun_agreement_with_adj_2 determiner_noun_agreement_with_adj_irregular_1 determiner_noun_agreement_with_adj_irregular_2 determiner_noun_agreement_with_adjective_1 distractor_agreement_relational_noun distractor_agreement_relative_clause drop_argument ellipsis_n_bar_1 ellipsis_n_bar_2 existential_there_object_raising existential_there_quantifiers_1 existential_there_quantifiers_2 existential_there_subject_raising expletive_it_object_raising inchoative intransitive irregular_past_participle_adjectives irregular_past_participle_verbs irregular_plural_subject_verb_agreement_1 irregular_plural_subject_verb_agreement_2 left_branch_island_echo_question left_branch_island_simple_question matrix_question_npi_licensor_present npi_present_1 npi_present_2 only_npi_licensor_present only_npi_scope passive_1 passive_2 principle_A_c_command principle_A_case_1 principle_A_case_2 principle_A_domain_1 principle_A_domain_2 principle_A_domain_3 principle_A_reconstruction regular_plural_subject_verb_agreement_1 regular_plural_subject_verb_agreement_2 sentential_negation_npi_licensor_present sentential_negation_npi_scope sentential_subject_island superlative_quantifiers_1 superlative_quantifiers_2 tough_vs_raising_1 tough_vs_raising_2 transitive wh_island wh_questions_object_gap wh_questions_subject_gap wh_questions_subject_gap_long_distance wh_vs_that_no_gap wh_vs_that_no_gap_long_distance wh_vs_that_with_gap wh_vs_that_with_gap_long_distance".split(
    " ",
  );

export const BLIMP_TASKS: readonly Task[] = BLIMP_PARTS.map(blimpTask);

export const BLIMP_GROUP: TaskGroup = {
  name: "blimp",
  members: BLIMP_TASKS.map(({ name }) => ({ task: name })),
  metric: { name: "acc", keys: ["acc,none"], weightBySize: false },
};

export const PERPLEXITY_TASKS: readonly Task[] = [wikitext];

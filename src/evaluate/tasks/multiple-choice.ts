/** Tasks that ask which of several continuations is the likeliest. */
import { LabError } from "../../base/errors.ts";
import { codePoints } from "../python-text.ts";
import type { Item, Request, Response, Scores } from "../task.ts";

export interface Question {
  /** What is read before a choice. */
  text: string;
  choices: readonly string[];
  /** Place of the right choice. */
  gold: number;
  /** What stands between text and choice. */
  delimiter?: string;
  /** Also scores each choice less what it scores by itself (acc_mutual_info). */
  mutualInformation?: boolean;
}

export function multipleChoice(question: Question): Item {
  const { text, choices, gold, delimiter = " ", mutualInformation = false } = question;
  const right = choices[gold];
  if (right === undefined)
    throw new LabError("bad_input", `answer ${gold} is none of the ${choices.length} choices`);
  return {
    example: `${text}${delimiter}${right}`,
    target: gold,
    requests: (before) => {
      const asked = (context: string): Request[] =>
        choices.map((choice) => ({
          type: "loglikelihood",
          context,
          continuation: `${delimiter}${choice}`,
        }));
      return [...asked(before + text), ...(mutualInformation ? asked("") : [])];
    },
    score: (responses) => scoreChoices(logprobs(responses), { choices, gold, mutualInformation }),
  };
}

/** Choices that differ in what stands before one continuation. */
export function choiceOfContexts({
  contexts,
  continuation,
  gold,
}: {
  contexts: readonly string[];
  continuation: string;
  gold: number;
}): Item {
  return {
    example: `${contexts[gold]} ${continuation}`,
    target: gold,
    requests: (before) =>
      contexts.map((context) => ({
        type: "loglikelihood",
        context: before + context,
        continuation: ` ${continuation}`,
      })),
    score: (responses) => scoreChoices(logprobs(responses), { choices: contexts, gold }),
  };
}

export function logprobs(responses: readonly Response[]): number[] {
  return responses.map((response) => ("logprob" in response ? response.logprob : NaN));
}

/** Every accuracy that lm-evaluation-harness knows; a task reports those it names. */
function scoreChoices(
  all: readonly number[],
  {
    choices,
    gold,
    mutualInformation = false,
  }: { choices: readonly string[]; gold: number; mutualInformation?: boolean },
): Scores {
  const values = all.slice(0, choices.length);
  const isRight = (scores: readonly number[]): number => Number(indexOfLargest(scores) === gold);
  const bytes = choices.map((choice) => Buffer.byteLength(choice));
  return {
    "acc,none": isRight(values),
    "acc_norm,none": isRight(values.map((value, i) => value / codePoints(choices[i] ?? ""))),
    "acc_bytes,none": isRight(values.map((value, i) => value / (bytes[i] ?? 1))),
    ...(mutualInformation
      ? {
          "acc_mutual_info,none": isRight(
            values.map((value, i) => value - (all[choices.length + i] ?? 0)),
          ),
        }
      : {}),
  };
}

/** The lowest of equal ones, as NumPy's argmax. */
function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}

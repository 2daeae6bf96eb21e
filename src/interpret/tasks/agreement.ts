/**
 * Subject–verb agreement: "The keys near the table" → " are" rather than " is".
 * The sets of Marks et al. 2024 (arXiv 2403.19647), §4, after Finlayson et al. 2021 (arXiv 2106.06087): plain, and across
 * a phrase whose noun misleads. The counterpart has the subject in the other number.
 */
import { pick, pickSome, type Draw } from "./task.ts";
import { NOUNS } from "./words.ts";

const FORMS = ["The [S]", "The [S] near the [O]", "The [S] that the [O] likes"] as const;

export const agreement: Draw = (source) => {
  const nouns = NOUNS.filter((forms) => source.oneToken(forms).length === 2);
  const [subject, other] = pickSome(source, nouns, 2) as [
    (typeof NOUNS)[number],
    (typeof NOUNS)[number],
  ];
  const form = pick(source, FORMS);
  const cleanIsOne = source.random.integer(2) === 0;
  // In a relative clause the verb "likes" wants one who likes.
  const distractor = form.includes("likes") ? other[0] : other[cleanIsOne ? 1 : 0];
  const say = (noun: string): string => form.replace("[S]", noun).replace("[O]", distractor);
  const [one, many] = subject;
  const [noun, counterpart] = cleanIsOne ? [one, many] : [many, one];
  return {
    clean: say(noun),
    corrupted: say(counterpart),
    right: [cleanIsOne ? " is" : " are"],
    wrong: [cleanIsOne ? " are" : " is"],
    marks: { subject: `The ${noun}` },
  };
};

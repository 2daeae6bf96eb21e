/**
 * Gendered pronouns: "So Mary is a really great friend, isn't" → " she".
 * Mathwin et al. 2023, "Identifying a preliminary circuit for predicting gendered pronouns in GPT-2 small". The counterpart
 * has a name of the other gender.
 */
import { pick, type Draw } from "./task.ts";
import { FEMALE_NAMES, MALE_NAMES } from "./words.ts";

const TEMPLATES = [
  "So [NAME] is a really great friend, isn't",
  "So [NAME] is such a good cook, isn't",
  "So [NAME] is a very good athlete, isn't",
  "So [NAME] is a really nice person, isn't",
] as const;

export const pronouns: Draw = (source) => {
  const he = pick(source, source.oneToken(MALE_NAMES));
  const she = pick(source, source.oneToken(FEMALE_NAMES));
  const template = pick(source, TEMPLATES);
  const cleanIsHe = source.random.integer(2) === 0;
  const say = (name: string): string => template.replace("[NAME]", name);
  const [name, other] = cleanIsHe ? [he, she] : [she, he];
  return {
    clean: say(name),
    corrupted: say(other),
    right: [cleanIsHe ? " he" : " she"],
    wrong: [cleanIsHe ? " she" : " he"],
    marks: { name: `So ${name}` },
  };
};

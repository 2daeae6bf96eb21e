/**
 * Greater-than: "The war lasted from the year 1732 to the year 17" → a number above 32.
 * Hanna et al. 2023 (arXiv 2305.00586), §2. The counterpart begins in the year 01, after which nearly every number is right.
 */
import { pick, type Draw } from "./task.ts";
import { EVENTS } from "./words.ts";

const FIRST_CENTURY = 11;
const CENTURIES = 7;

export const greaterThan: Draw = (source) => {
  const event = pick(source, EVENTS);
  const century = FIRST_CENTURY + source.random.integer(CENTURIES);
  const year = 2 + source.random.integer(97); // 02…98
  const text = (from: string): string =>
    `The ${event} lasted from the year ${century}${from} to the year ${century}`;
  const two = (value: number): string => String(value).padStart(2, "0");
  const years = Array.from({ length: 98 }, (_, i) => i + 2);
  return {
    clean: text(two(year)),
    corrupted: text("01"),
    right: years.filter((y) => y > year).map(two),
    wrong: years.filter((y) => y <= year).map(two),
    marks: { year: `The ${event} lasted from the year ${century}${two(year)}` },
  };
};

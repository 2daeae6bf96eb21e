/** Rows with planted truth: a copy, an edited copy, a quotation of a benchmark item, and a solution with other names. */
import { Random } from "../../src/base/random.ts";

/** In HumanEval's columns. */
export const EXAMPLE_ITEMS = [
  {
    task_id: "example/0",
    prompt:
      'def second_largest(numbers):\n    """Return the second largest of the numbers, or None where there are fewer than two different ones in the list."""\n',
    canonical_solution:
      "    distinct = sorted(set(numbers))\n    return distinct[-2] if len(distinct) > 1 else None\n",
    entry_point: "second_largest",
  },
  {
    task_id: "example/1",
    prompt: 'def count_even(xs):\n    """How many are even."""\n',
    canonical_solution: "    return len([x for x in xs if x % 2 == 0])\n",
    entry_point: "count_even",
  },
];

const PLAIN = 24;
const WORDS = 60;

/** Documents with ids `plain0`…, `twice`, `copy`, `original`, `edited`, `quotes`, `renamed`. */
export function checkableCorpus(): object[] {
  const random = new Random(11);
  const word = (): string =>
    Array.from({ length: 3 + random.integer(5) }, () =>
      String.fromCharCode(97 + random.integer(26)),
    ).join("");
  const passage = (words = WORDS): string => Array.from({ length: words }, word).join(" ");
  const rows = Array.from({ length: PLAIN }, (_, i) => ({
    ...{ id: `plain${i}`, text: passage(WORDS + i), source: i % 2 === 0 ? "even" : "odd" },
  }));
  const original = passage().split(" ");
  const edited = original.map((one, i) => (i % 12 === 5 ? word() : one)).slice(0, WORDS - 3);
  const twice = passage();
  const planted = [
    { id: "twice", text: `${twice}\n` },
    { id: "copy", text: twice },
    { id: "original", text: original.join(" ") },
    { id: "edited", text: edited.join(" ") },
    {
      id: "quotes",
      text: `${passage(20)}: return the second largest of the numbers, or none where there are fewer than two different ones in the list. ${passage(20)}`,
    },
    {
      id: "renamed",
      text: "def evens(values):\n    return len([v for v in values if v % 2 == 0])\n",
      language: "python",
    },
  ];
  return [...rows, ...planted.map((row) => ({ source: "planted", ...row }))].map((row) => ({
    ...row,
    licence: "MIT",
  }));
}

/** Ideas that are combinations: what to do with the numbers, words or entries for which a condition holds. */
import type { Condition, Literals } from "./condition.ts";
import { idea, LIMITS, SMALL, type Idea } from "./idea.ts";
import { WORD_FAMILY_IDEAS } from "./word-families.ts";

const CONDITIONS: readonly Condition[] = [
  {
    id: "above",
    said: "<greater than|above|more than|larger than> $k",
    code: "x > $k",
    other: "not x <= $k",
    literals: { k: LIMITS },
  },
  {
    id: "below",
    said: "<less than|below|smaller than> $k",
    code: "x < $k",
    other: "not x >= $k",
    literals: { k: LIMITS },
  },
  {
    id: "at least",
    said: "<at least $k|$k or more>",
    code: "x >= $k",
    other: "not x < $k",
    literals: { k: LIMITS },
  },
  {
    id: "at most",
    said: "<at most $k|$k or less>",
    code: "x <= $k",
    other: "not x > $k",
    literals: { k: LIMITS },
  },
  {
    id: "divisible",
    said: "<divisible by|multiples of> $k",
    code: "x % $k == 0",
    other: "not x % $k",
    literals: { k: SMALL },
  },
  {
    id: "not divisible",
    said: "not divisible by $k",
    code: "x % $k != 0",
    other: "bool(x % $k)",
    literals: { k: SMALL },
  },
  {
    id: "other than",
    said: "<not equal to|different from> $k",
    code: "x != $k",
    other: "not x == $k",
    literals: { k: LIMITS },
  },
  { id: "even", said: "even", adjective: "even", code: "x % 2 == 0", other: "not x & 1" },
  { id: "odd", said: "odd", adjective: "odd", code: "x % 2 == 1", other: "bool(x & 1)" },
  {
    id: "positive",
    said: "<positive|greater than zero>",
    adjective: "positive",
    code: "x > 0",
    other: "not x <= 0",
  },
  {
    id: "negative",
    said: "<negative|less than zero>",
    adjective: "negative",
    code: "x < 0",
    other: "not x >= 0",
  },
];

const XS = { xs: "numbers" } as const;

function numberIdeas(c: Condition): Idea[] {
  const { said, code, other } = c;
  const filtered = `[x for x in $xs if ${other}]`;
  const about = (what: string): string[] =>
    [
      `the <numbers in|elements of> $xs that are ${said}`,
      ...(c.adjective === undefined
        ? []
        : [`the ${c.adjective} <numbers in|numbers of|elements of> $xs`]),
    ].map((which) => what.replace("#", which));
  const make = (
    id: string,
    names: string,
    docs: string[],
    solution: [string, string],
    more: Literals = {},
  ): Idea => idea(`${id} ${c.id}`, names, XS, docs, solution, { ...c.literals, ...more });
  return [
    make(
      "any",
      "any_of|has_some|exists|some",
      [
        `? <any|at least one> <element of|number in|value in> $xs is ${said}.`,
        `? there is <a number|an element> in $xs that is ${said}.`,
        `? $xs <has|contains> <a number|an element> that is ${said}.`,
        `? some element of $xs is ${said}.`,
      ],
      [`return any(${code} for x in $xs)`, `return len(${filtered}) > 0`],
    ),
    make(
      "all",
      "all_of|each_one|only|are_all",
      [
        `? all <elements of|numbers in|values in> $xs are ${said}.`,
        `? each <element of|number of> $xs is ${said}.`,
        `? every <element|value> of $xs is ${said}.`,
        `? $xs <has|contains> only numbers that are ${said}.`,
      ],
      [`return all(${code} for x in $xs)`, `return len(${filtered}) == len($xs)`],
    ),
    make(
      "none",
      "none_of|no_number|without_any",
      [`? no <element of|number in> $xs is ${said}.`, `? none of the numbers in $xs is ${said}.`],
      [`return not any(${code} for x in $xs)`, `return ${filtered} == []`],
    ),
    make(
      "count",
      "count_if|count_some|how_many",
      [`@ how many <elements of|numbers in> $xs are ${said}.`, ...about("Count #.")],
      [`return sum(1 for x in $xs if ${code})`, `return len(${filtered})`],
    ),
    make(
      "keep",
      "keep|select|filter_list|pick",
      about("<Keep only|Select> #.").concat(about("@ a list of #.")),
      [`return [x for x in $xs if ${code}]`, `return ${filtered}`],
    ),
    make("drop", "drop|reject|leave_out", about("<Remove|Leave out|Drop> # from the list."), [
      `return [x for x in $xs if not ${code}]`,
      `return [x for x in $xs if not (${other})]`,
    ]),
    make(
      "add",
      "add_if|total_of|sum_some",
      about("Add up #.").concat(about("@ the <total|sum> of #.")),
      [`return sum(x for x in $xs if ${code})`, `return sum(${filtered})`],
    ),
    make(
      "share",
      "share_of|divided_sum|sum_over|part_of",
      about("Add up # and divide <the sum|> by $m, rounding down.").concat(
        about("@ the <total|sum> of #, <floor-divided by $m|divided by $m without remainder>."),
        about("Sum # and then take the whole part of a division by $m."),
      ),
      [
        `return sum(x for x in $xs if ${code}) // $m`,
        `t = sum(${filtered})\nreturn (t - t % $m) // $m`,
      ],
      { m: SMALL },
    ),
    make(
      "largest",
      "largest_of|biggest|max_if",
      about("@ the largest of #, or 0 if there is none.").concat(
        about("@ the maximum of #, 0 without any."),
      ),
      [
        `return max([x for x in $xs if ${code}], default=0)`,
        `return sorted(${filtered})[-1] if ${filtered} else 0`,
      ],
    ),
    make(
      "first",
      "first_of|find_first|search",
      [
        `@ the first <element of|number in> $xs that is ${said}, or None.`,
        `Find the first number of $xs that is ${said}; None if there is none.`,
      ],
      [`return next((x for x in $xs if ${code}), None)`, `return (${filtered} + [None])[0]`],
    ),
  ];
}

const ENTRY_CONDITIONS = CONDITIONS.filter(({ id }) => id !== "negative" && id !== "positive");

function entryIdeas({ id, said, code, other, literals = {} }: Condition): Idea[] {
  const D = { d: "scores" } as const;
  const [holds, otherwise] = [code, other].map((text) => text.replaceAll("x", "v"));
  const make = (what: string, names: string, docs: string[], solution: [string, string]): Idea =>
    idea(`${what} ${id}`, names, D, docs, solution, literals);
  return [
    make(
      "entries",
      "keep_values|filter_dict|select_items|keep_items",
      [
        `Keep only the <items|pairs|entries> of $d <with|that have> a value that is ${said}.`,
        `@ a dictionary of <the|those> <items|entries> of $d <for which the value is|that have a value> ${said}.`,
        `@ the part of $d whose values are ${said}.`,
        `Filter the dictionary $d: values must be ${said}.`,
        `Select from $d the keys and values where the value is ${said}.`,
        `@ those <entries|items> of $d whose value is ${said}, as a dictionary.`,
      ],
      [
        `return {x: v for x, v in $d.items() if ${holds}}`,
        `r = {}\nfor x in $d:\n    v = $d[x]\n    if ${otherwise}:\n        r[x] = v\nreturn r`,
      ],
    ),
    make(
      "without entries",
      "drop_values|reject_items",
      [
        `Remove the <items|entries> of $d whose value is ${said}.`,
        `@ a dictionary like $d without the values that are ${said}.`,
      ],
      [
        `return {x: v for x, v in $d.items() if not ${holds}}`,
        `r = dict($d)\nfor x, v in $d.items():\n    if ${otherwise}:\n        del r[x]\nreturn r`,
      ],
    ),
    make(
      "keys",
      "keys_with|which_keys",
      [
        `@ the list of the keys of $d whose value is ${said}.`,
        `List the keys that have values ${said} in $d.`,
      ],
      [
        `return [x for x, v in $d.items() if ${holds}]`,
        `r = []\nfor x in $d:\n    v = $d[x]\n    if ${otherwise}:\n        r.append(x)\nreturn r`,
      ],
    ),
    make(
      "count entries",
      "count_values|num_values",
      [`@ how many values of $d are ${said}.`, `Count the entries of $d with values ${said}.`],
      [
        `return sum(1 for v in $d.values() if ${holds})`,
        `return len([v for v in $d.values() if ${otherwise}])`,
      ],
    ),
  ];
}

export const FAMILY_IDEAS: readonly Idea[] = [
  ...CONDITIONS.flatMap(numberIdeas),
  ...ENTRY_CONDITIONS.flatMap(entryIdeas),
  ...WORD_FAMILY_IDEAS,
];

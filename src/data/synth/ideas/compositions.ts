/** Functions that are one line: an aggregate of a map of a filter of a list of numbers. */
import { idea, SMALL, type Idea } from "./idea.ts";

interface Part {
  id: string;
  /** Where the words stand around "numbers in xs": before all, before "numbers", behind. */
  front?: string;
  adjective?: string;
  behind?: string;
  code: string;
  other: string;
}

const FILTERS: readonly Part[] = [
  { id: "all", code: "", other: "True" },
  { id: "even", adjective: "even ", code: " if x % 2 == 0", other: "x % 2 != 1" },
  { id: "odd", adjective: "odd ", code: " if x % 2 == 1", other: "x % 2 != 0" },
  { id: "positive", adjective: "positive ", code: " if x > 0", other: "0 < x" },
  { id: "negative", adjective: "negative ", code: " if x < 0", other: "0 > x" },
  { id: "greater", behind: " greater than $f", code: " if x > $f", other: "not x <= $f" },
  { id: "less", behind: " less than $f", code: " if x < $f", other: "not x >= $f" },
  { id: "divisible", behind: " divisible by $f", code: " if x % $f == 0", other: "not x % $f" },
];

const MAPS: readonly Part[] = [
  { id: "same", code: "x", other: "x" },
  { id: "doubles", front: "the doubles of ", code: "2 * x", other: "x + x" },
  { id: "squares", front: "the squares of ", code: "x * x", other: "x ** 2" },
  { id: "negations", front: "the negations of ", code: "-x", other: "0 - x" },
  { id: "absolutes", front: "the absolute values of ", code: "abs(x)", other: "max(x, -x)" },
  { id: "increased", behind: " increased by $m", code: "x + $m", other: "$m + x" },
  { id: "multiplied", behind: " multiplied by $m", code: "$m * x", other: "x * $m" },
  {
    id: "remainders",
    front: "the remainders of ",
    behind: " divided by $m",
    code: "x % $m",
    other: "x - $m * (x // $m)",
  },
];

const AGGREGATES = [
  { id: "number", code: "len([#])", other: "len(r)" },
  { id: "list", code: "[#]", other: "r" },
  { id: "largest", code: "max([#], default=0)", other: "sorted(r)[-1] if r else 0" },
  { id: "smallest", code: "min([#], default=0)", other: "sorted(r)[0] if r else 0" },
  { id: "reversed list", code: "[#][::-1]", other: "list(reversed(r))" },
  { id: "sorted list", code: "sorted(#)", other: "sorted(r)" },
  { id: "sum", code: "sum(#)", other: "sum(r)" },
];

export const COMPOSITION_IDEAS: readonly Idea[] = AGGREGATES.flatMap((aggregate) =>
  MAPS.flatMap((map) =>
    FILTERS.map((filter) => {
      const numbers = `the ${filter.adjective ?? ""}numbers in $xs${filter.behind ?? ""}`;
      const said = `${map.front ?? ""}${numbers}${map.behind ?? ""}`;
      const inner = `${map.code} for x in $xs${filter.code}`;
      return idea(
        `${aggregate.id} of ${map.id} of ${filter.id}`,
        "f|g|h|run|calc|task|solve|helper|answer|process|compute",
        { xs: "numbers" },
        [`<Return|Compute|Find|Give> the ${aggregate.id} of ${said}.`],
        [
          `return ${aggregate.code.replace("#", inner)}`,
          `r = []\nfor x in $xs:\n    if ${filter.other}:\n        r.append(${map.other})\nreturn ${aggregate.other}`,
        ],
        { f: SMALL, m: SMALL },
      );
    }),
  ),
);

/** Ideas about what a list or two come to. */
import { idea } from "./idea.ts";

const SOME = { xs: "someNumbers" } as const;

export const LIST_SUMMARY_IDEAS = [
  idea(
    "average",
    "average|mean|mean_value|avg",
    SOME,
    [
      "@ the <mean|arithmetic mean> of $xs.",
      "@ the mean <value|> of the <numbers|elements> of $xs.",
      "@ what the numbers in $xs <are on average|come to on average>.",
      "Average the <list $xs|numbers of $xs>.",
      "Divide the sum of $xs by <its length|how many numbers it has>.",
      "@ the average <of $xs|value of $xs>.",
    ],
    ["return sum($xs) / len($xs)", "t = 0\nfor x in $xs:\n    t += x\nreturn t / len($xs)"],
  ),
  idea(
    "second largest",
    "second_largest|runner_up|second_max|next_to_largest",
    { xs: "digits" },
    [
      "@ the <largest number of $xs but one|second-greatest number of $xs>, <not counting|without> repetitions; None <if there is no such number|if there is only one>.",
      "@ the second largest of the different numbers in $xs, <else None|or None>.",
      "@ the greatest number in $xs that is less than the maximum<, or None|; None without one>.",
      "Find the runner-up among the <distinct|different> <numbers|values> of $xs, None if <it is missing|there is none>.",
      "@ the second largest value in $xs, <each value counted once|equal values counted once>, or None if there is no second.",
    ],
    [
      "u = sorted(set($xs))\nreturn u[-2] if len(u) > 1 else None",
      "r = [x for x in $xs if x < max($xs)]\nreturn max(r) if r else None",
    ],
  ),
  idea(
    "second smallest",
    "second_smallest|second_min",
    { xs: "digits" },
    [
      "@ the second smallest of the different numbers in $xs, <else None|or None>.",
      "@ the smallest number in $xs that is more than the minimum, or None.",
    ],
    [
      "u = sorted(set($xs))\nreturn u[1] if len(u) > 1 else None",
      "r = [x for x in $xs if x > min($xs)]\nreturn min(r) if r else None",
    ],
  ),
  idea(
    "spread",
    "spread|value_range|extent",
    SOME,
    [
      "@ the difference between the largest and the smallest number in $xs.",
      "@ by how much the maximum of $xs is above its minimum.",
    ],
    ["return max($xs) - min($xs)", "r = sorted($xs)\nreturn r[-1] - r[0]"],
  ),
  idea(
    "smallest and largest",
    "min_max|extremes",
    SOME,
    [
      "@ the smallest and the largest number in $xs, as a tuple.",
      "@ the pair of the minimum and the maximum of $xs.",
    ],
    ["return min($xs), max($xs)", "r = sorted($xs)\nreturn (r[0], r[-1])"],
  ),
  idea(
    "median",
    "median|middle_value",
    SOME,
    ["@ the element in the middle of $xs when it is sorted.", "@ the upper median of $xs."],
    ["return sorted($xs)[len($xs) // 2]", "r = list($xs)\nr.sort()\nreturn r[len(r) // 2]"],
  ),
  idea(
    "common elements",
    "common|shared|intersection|in_both|overlap",
    { a: "digits", b: "digits" },
    [
      "@ the numbers that $a and $b have in common, <sorted|in ascending order|smallest first>.",
      "@ the <sorted|ordered> intersection of $a and $b.",
      "@ which numbers <stand|occur> in $a as well as in $b, as a sorted list.",
      "Intersect $a with $b and sort <the result|what is left>.",
      "@ every number of $a that is also in $b, <once and in order|sorted and without duplicates>.",
      "@ a sorted list of <what is common to|the numbers common to> $a and $b.",
      "@ the sorted list of what $a and $b share.",
    ],
    ["return sorted(set($a) & set($b))", "return sorted({x for x in $a if x in $b})"],
  ),
  idea(
    "union",
    "union|all_of_both|merged_sets|either",
    { a: "digits", b: "digits" },
    [
      "@ the numbers that are in $a or in $b, sorted and without duplicates.",
      "@ the <sorted|ordered> union of $a and $b.",
    ],
    [
      "return sorted(set($a) | set($b))",
      "r = []\nfor x in $a + $b:\n    if x not in r:\n        r.append(x)\nreturn sorted(r)",
    ],
  ),
  idea(
    "only in first",
    "only_first|minus_list|not_in_other|exclude",
    { a: "digits", b: "digits" },
    ["@ the elements of $a that are not in $b.", "Remove from $a everything that is in $b."],
    [
      "return [x for x in $a if x not in $b]",
      "return list(filter(lambda x: $b.count(x) == 0, $a))",
    ],
  ),
  idea(
    "pairwise sum",
    "add_lists|pairwise_sum|vector_sum",
    { a: "digits", b: "digits" },
    [
      "Add $a and $b element by element.",
      "@ the sums of the elements of $a and $b at the same place.",
    ],
    [
      "return [x + y for x, y in zip($a, $b)]",
      "return [$a[i] + $b[i] for i in range(min(len($a), len($b)))]",
    ],
  ),
  idea(
    "dot product",
    "dot|dot_product|inner_product",
    { a: "digits", b: "digits" },
    [
      "@ the <dot|inner|scalar> product of $a and $b.",
      "Multiply $a and $b element by element and add up the products.",
    ],
    [
      "return sum(x * y for x, y in zip($a, $b))",
      "r = 0\nfor i in range(min(len($a), len($b))):\n    r += $a[i] * $b[i]\nreturn r",
    ],
  ),
  idea(
    "interleave",
    "interleave|zip_flat|weave",
    { a: "digits", b: "digits" },
    ["@ the elements of $a and $b in turn.", "Weave $a and $b into one list, as far as both go."],
    [
      "return [x for pair in zip($a, $b) for x in pair]",
      "r = []\nfor i in range(min(len($a), len($b))):\n    r += [$a[i], $b[i]]\nreturn r",
    ],
  ),
];

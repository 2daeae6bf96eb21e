/** Ideas about lists of lists, repetitions, places and steps. */
import { idea, SMALL } from "./idea.ts";

const XS = { xs: "numbers" } as const;
const SOME = { xs: "someNumbers" } as const;

export const LIST_IDEAS = [
  idea(
    "flatten",
    "flatten|concat|join_lists|one_list|unnest",
    { xss: "lists" },
    [
      "Flatten the list of lists $xss<| by one level>.",
      "Put the elements of all lists in $xss <into one list|together>.",
      "@ a flat list of <everything|all items> in the inner lists of $xss.",
      "Join the lists in $xss into a single list.",
      "@ the inner lists of $xss <one after the other, as one list|concatenated>.",
      "@ a single list with <every element|each element> of every list in $xss.",
    ],
    ["return [x for xs in $xss for x in xs]", "return sum($xss, [])"],
  ),
  idea(
    "sum of lists",
    "row_sums|list_sums|sums_of",
    { xss: "lists" },
    ["@ the sum of each list in $xss.", "@ a list with the sum of every list of $xss."],
    [
      "return [sum(xs) for xs in $xss]",
      "r = []\nfor xs in $xss:\n    t = 0\n    for x in xs:\n        t += x\n    r.append(t)\nreturn r",
    ],
  ),
  idea(
    "lengths of lists",
    "list_lengths|row_lengths",
    { xss: "lists" },
    [
      "@ the length of each list in $xss.",
      "@ how many elements every list of $xss has, as a list.",
    ],
    ["return [len(xs) for xs in $xss]", "return list(map(len, $xss))"],
  ),
  idea(
    "longest list",
    "longest_list|biggest_list",
    { xss: "lists" },
    ["@ the length of the longest list in $xss, or 0 if there is none."],
    [
      "return max([len(xs) for xs in $xss], default=0)",
      "r = 0\nfor xs in $xss:\n    r = max(r, len(xs))\nreturn r",
    ],
  ),
  idea(
    "unique",
    "unique|dedupe|distinct|remove_duplicates|without_repeats",
    { xs: "digits" },
    [
      "Remove <duplicates|repeated elements> from $xs, keeping the <first of each|order>.",
      "@ $xs with each <element|value> only once, in the <original|same> order.",
      "@ the <distinct|different> elements of $xs in the order in which they <first|> appear.",
      "Drop every element of $xs that <was there before|has come before>.",
      "@ the list $xs <without duplicates|less its duplicates>.",
      "@ each <element|value> of $xs once, <in the order of their first appearance|where it first appears>.",
      "@ the elements of $xs <without|with no> <duplicates|doubles>, the first of each kept in its place.",
    ],
    [
      "r = []\nfor x in $xs:\n    if x not in r:\n        r.append(x)\nreturn r",
      "return list(dict.fromkeys($xs))",
    ],
  ),
  idea(
    "number of distinct",
    "num_distinct|count_distinct|how_many_different",
    { xs: "digits" },
    [
      "@ how many <different|distinct> numbers <there are in|are in> $xs.",
      "Count the distinct elements of $xs.",
    ],
    [
      "return len(set($xs))",
      "r = []\nfor x in $xs:\n    if x not in r:\n        r.append(x)\nreturn len(r)",
    ],
  ),
  idea(
    "index of largest",
    "argmax|index_of_max|where_largest|max_index",
    SOME,
    [
      "@ the position of the <maximum|greatest number> of $xs.",
      "@ where in $xs the <largest|greatest> number stands<|, counted from 0>.",
      "@ the index at which $xs <has its maximum|is largest>.",
      "@ the <first|> index of the maximum of the list $xs.",
      "Say at which index the biggest <number|element> of $xs is.",
    ],
    [
      "return $xs.index(max($xs))",
      "r = 0\nfor i in range(len($xs)):\n    if $xs[i] > $xs[r]:\n        r = i\nreturn r",
    ],
  ),
  idea(
    "index of smallest",
    "argmin|index_of_min|where_smallest|min_index",
    SOME,
    [
      "@ the position of the <minimum|smallest number> of $xs.",
      "@ where in $xs the smallest number stands<|, counted from 0>.",
      "@ the index at which $xs <has its minimum|is smallest>.",
    ],
    [
      "return $xs.index(min($xs))",
      "r = 0\nfor i in range(len($xs)):\n    if $xs[i] < $xs[r]:\n        r = i\nreturn r",
    ],
  ),
  idea(
    "running sums",
    "running_sums|cumulative|prefix_sums|partial_sums|accumulate",
    XS,
    [
      "@ the <cumulative|partial|prefix> sums of $xs<| as a list>.",
      "@ a list <that has|with> the sum of <the elements so far|all elements up to there> for each <element|place> of $xs.",
      "@ the list of sums of the first one, two, three and so on elements of $xs.",
      "Add up $xs step by step and <list|keep> every <total|sum on the way>.",
      "@ the running totals of the numbers in $xs.",
    ],
    [
      "r, t = [], 0\nfor x in $xs:\n    t += x\n    r.append(t)\nreturn r",
      "return [sum($xs[:i + 1]) for i in range(len($xs))]",
    ],
  ),
  idea(
    "running maximum",
    "running_max|highest_so_far|records",
    XS,
    [
      "@ the <largest|highest> number so far for each place of $xs.",
      "@ the list of the running maxima of $xs.",
    ],
    [
      "r = []\nfor x in $xs:\n    r.append(max(x, r[-1]) if r else x)\nreturn r",
      "return [max($xs[:i + 1]) for i in range(len($xs))]",
    ],
  ),
  idea(
    "differences",
    "differences|deltas|steps|changes",
    XS,
    [
      "@ how much each element of $xs <is more than|differs from> the one before it<|, as a list>.",
      "@ each element of $xs minus <the previous one|its predecessor>, <as a list|from the second on>.",
      "@ the <steps|changes> from each number of $xs to the next.",
      "Subtract from every number of $xs after the first the one before it.",
      "@ the differences of <successive|consecutive> elements of $xs.",
      "@ the list of the differences from each element of $xs to the <next|one after it>.",
      "@ a list of what must be added to each element of $xs to get the next.",
    ],
    [
      "return [b - a for a, b in zip($xs, $xs[1:])]",
      "return [$xs[i + 1] - $xs[i] for i in range(len($xs) - 1)]",
    ],
  ),
  idea(
    "neighbour sums",
    "neighbour_sums|pair_sums|adjacent_sums",
    XS,
    [
      "@ the sums of <successive|neighbouring> elements of $xs.",
      "@ each element of $xs plus the next one, as a list.",
    ],
    [
      "return [a + b for a, b in zip($xs, $xs[1:])]",
      "return [$xs[i] + $xs[i + 1] for i in range(len($xs) - 1)]",
    ],
  ),
  idea(
    "rising",
    "is_sorted|rising|in_order|ascending",
    XS,
    [
      "? $xs is sorted.",
      "? no element of $xs is less than the one before it.",
      "? the numbers in $xs <never fall|are in ascending order>.",
    ],
    ["return all(a <= b for a, b in zip($xs, $xs[1:]))", "return $xs == sorted($xs)"],
  ),
  idea(
    "rotate left",
    "rotate|rotate_left|shift_left|cycle|move_front",
    SOME,
    [
      "Rotate $xs by $k <places|steps> to the left.",
      "Move the first $k elements of $xs to <its|the> end, one by one.",
      "@ $xs <turned|shifted round|cycled> $k <places|steps> to the left.",
      "@ the list that begins with the element at index $k of $xs and <wraps around|goes round>.",
      "Shift $xs left by $k, with what falls off put at the end.",
      "@ $xs after a rotation to the left by $k <places|steps>.",
    ],
    [
      "k = $k % len($xs)\nreturn $xs[k:] + $xs[:k]",
      "r = list($xs)\nfor _ in range($k):\n    r.append(r.pop(0))\nreturn r",
    ],
    { k: SMALL },
  ),
  idea(
    "rotate right",
    "rotate_right|shift_right|move_back",
    SOME,
    [
      "Rotate $xs by $k <places|steps> to the right.",
      "@ $xs <turned|cycled> $k <places|steps> to the right.",
    ],
    [
      "k = $k % len($xs)\nreturn $xs[-k:] + $xs[:-k]",
      "r = list($xs)\nfor _ in range($k):\n    r.insert(0, r.pop())\nreturn r",
    ],
    { k: SMALL },
  ),
];

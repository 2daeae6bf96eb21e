/** Ideas about parts and orders of lists, and lists of strings. */
import { idea, SMALL } from "./idea.ts";

const XS = { xs: "numbers" } as const;
const WS = { ws: "words" } as const;

export const LIST_PART_IDEAS = [
  idea(
    "every k-th",
    "every|every_nth|step|skip|take_every",
    XS,
    [
      "@ <one|each> element of $xs in $k, <starting|beginning> at index 0.",
      "@ the elements of $xs at the indices 0, $k and so on.",
      "Take every $k-th number <from|of> $xs, starting with the first<| one>.",
      "@ $xs in steps of $k, <from the first element|from its beginning> on.",
      "@ the elements of $xs whose index is a multiple of $k.",
    ],
    ["return $xs[::$k]", "return [x for i, x in enumerate($xs) if i % $k == 0]"],
    { k: SMALL },
  ),
  idea(
    "first k",
    "first_k|take|head",
    XS,
    ["@ the first $k elements of $xs.", "Keep only the first $k elements of $xs."],
    ["return $xs[:$k]", "return [x for i, x in enumerate($xs) if i < $k]"],
    { k: SMALL },
  ),
  idea(
    "last k",
    "last_k|tail|take_last",
    XS,
    ["@ the last $k elements of $xs.", "Keep only the last $k elements of $xs."],
    ["return $xs[-$k:]", "return $xs[max(0, len($xs) - $k):]"],
    { k: SMALL },
  ),
  idea(
    "drop first k",
    "drop|skip_first|without_first",
    XS,
    ["@ $xs without its first $k elements.", "Leave out the first $k elements of $xs."],
    ["return $xs[$k:]", "return [x for i, x in enumerate($xs) if i >= $k]"],
    { k: SMALL },
  ),
  idea(
    "largest k",
    "largest_k|top|top_k",
    XS,
    ["@ the $k largest numbers in $xs, largest first.", "@ the top $k of $xs in descending order."],
    ["return sorted($xs, reverse=True)[:$k]", "return sorted($xs)[::-1][:$k]"],
    { k: SMALL },
  ),
  idea(
    "smallest k",
    "smallest_k|bottom|lowest",
    XS,
    [
      "@ the $k smallest numbers in $xs, smallest first.",
      "@ the bottom $k of $xs in ascending order.",
    ],
    ["return sorted($xs)[:$k]", "r = list($xs)\nr.sort()\nreturn r[:$k]"],
    { k: SMALL },
  ),
  idea(
    "chunks",
    "chunks|groups|batches",
    XS,
    [
      "Cut $xs into lists of $k elements<|; the last one may be shorter>.",
      "@ the elements of $xs in groups of $k.",
    ],
    [
      "return [$xs[i:i + $k] for i in range(0, len($xs), $k)]",
      "r = []\nwhile $xs:\n    r.append($xs[:$k])\n    $xs = $xs[$k:]\nreturn r",
    ],
    { k: SMALL },
  ),
  idea(
    "reverse list",
    "reverse|backwards|reversed_list",
    XS,
    ["@ $xs <backwards|in reverse>.", "Reverse the list $xs."],
    ["return $xs[::-1]", "return list(reversed($xs))"],
  ),
  idea(
    "sort descending",
    "sort_down|descending|largest_first",
    XS,
    ["Sort $xs from largest to smallest.", "@ the numbers in $xs in descending order."],
    ["return sorted($xs, reverse=True)", "return sorted($xs)[::-1]"],
  ),
  idea(
    "sort ascending",
    "sort_up|ascending_list|sort_list",
    XS,
    ["Sort $xs from smallest to largest.", "@ the numbers in $xs in ascending order."],
    ["return sorted($xs)", "r = list($xs)\nr.sort()\nreturn r"],
  ),
  idea(
    "product",
    "product|multiply_all|times_all",
    { xs: "digits" },
    ["@ the product of <the numbers in|> $xs.", "Multiply all numbers in $xs."],
    ["r = 1\nfor x in $xs:\n    r *= x\nreturn r", "import math\nreturn math.prod($xs)"],
  ),
  idea(
    "total",
    "total|sum_list|add_all",
    XS,
    ["Add up <all numbers in|> $xs.", "@ the total of $xs."],
    ["return sum($xs)", "r = 0\nfor x in $xs:\n    r += x\nreturn r"],
  ),
  idea(
    "count element",
    "count_of|occurrences|how_often",
    { xs: "digits", x: "integer" },
    ["@ how many times $x is in $xs.", "Count the elements of $xs that are equal to $x."],
    ["return $xs.count($x)", "return sum(1 for y in $xs if y == $x)"],
  ),
  idea(
    "has duplicates",
    "has_duplicates|repeats|any_twice",
    { xs: "digits" },
    ["? some number is in $xs more than once.", "? $xs <has|contains> duplicates."],
    ["return len(set($xs)) < len($xs)", "return any($xs.count(x) > 1 for x in $xs)"],
  ),
  idea(
    "with index",
    "with_index|numbered|enumerate_list",
    { ws: "words" },
    [
      "@ the pairs of index and element of $ws.",
      "Number the elements of $ws from 0, as a list of tuples.",
    ],
    ["return list(enumerate($ws))", "return [(i, $ws[i]) for i in range(len($ws))]"],
  ),
  idea(
    "longest string",
    "longest|longest_string|widest|most_letters",
    { ws: "someWords" },
    [
      "@ the <word|string> of $ws that has the most <characters|letters>.",
      "@ the <word|string> in $ws with the <greatest|largest> length<|; of equal ones the first>.",
      "@ the longest <word|item> of <$ws|the list $ws><|, or the first of them>.",
      "Find out which string of $ws is longest.",
      "@ that element of $ws whose length is largest.",
    ],
    [
      "return max($ws, key=len)",
      "r = $ws[0]\nfor w in $ws:\n    if len(w) > len(r):\n        r = w\nreturn r",
    ],
  ),
  idea(
    "shortest string",
    "shortest|shortest_string|fewest_letters",
    { ws: "someWords" },
    [
      "@ the <word|string> of $ws that has the fewest <characters|letters>.",
      "@ the shortest <word|item> of <$ws|the list $ws><|, or the first of them>.",
    ],
    [
      "return min($ws, key=len)",
      "r = $ws[0]\nfor w in $ws:\n    if len(w) < len(r):\n        r = w\nreturn r",
    ],
  ),
  idea(
    "join with",
    "join|join_with|glue|connect|put_together",
    WS,
    [
      '@ the <words|strings> of $ws joined <by|with> "$k".',
      'Put "$k" between the <words|strings> of $ws and make one string of them.',
      'Glue the <words|strings> in $ws together with "$k" <in between|between them>.',
      'Connect <all|the> strings of $ws by "$k".',
      'Concatenate $ws, with "$k" as the separator.',
    ],
    [
      'return "$k".join($ws)',
      'r = ""\nfor i, w in enumerate($ws):\n    r += w if i == 0 else "$k" + w\nreturn r',
    ],
    { k: ["a", "e", "i", "o", "u", "x", "s", "t", "n", "-", ", ", "/", "+", " "] },
  ),
  idea(
    "total length",
    "total_length|letters_in_all|sum_lengths|all_chars",
    WS,
    [
      "@ how many <characters|letters> the <words|strings> in $ws have <in all|together|altogether>.",
      "Add up the lengths of the <words|strings> in $ws.",
      "@ the sum of the lengths of <all strings in|the words in> $ws.",
      "Count the <characters|letters> of all <words|strings> in $ws.",
    ],
    ["return sum(len(w) for w in $ws)", 'return len("".join($ws))'],
  ),
  idea(
    "string lengths",
    "lengths|string_lengths|length_list",
    WS,
    [
      "@ the list of the lengths of the <words|strings> in $ws.",
      "@ how long each string in $ws is.",
    ],
    ["return [len(w) for w in $ws]", "return list(map(len, $ws))"],
  ),
  idea(
    "upper case all",
    "upper_all|shout_all",
    WS,
    [
      "@ the strings in $ws in capital letters, as a list.",
      "Turn every string of $ws into capitals.",
    ],
    ["return [w.upper() for w in $ws]", "r = []\nfor w in $ws:\n    r.append(w.upper())\nreturn r"],
  ),
  idea(
    "reverse strings",
    "reverse_all|flip_all",
    WS,
    ["@ the strings in $ws, each written backwards.", "Reverse every string of the list $ws."],
    ["return [w[::-1] for w in $ws]", 'return ["".join(reversed(w)) for w in $ws]'],
  ),
  idea(
    "sort by length",
    "sort_by_length|by_length",
    WS,
    [
      "Sort the strings in $ws by <their|> length.",
      "@ the strings in $ws from the shortest to the longest.",
    ],
    ["return sorted($ws, key=len)", "r = list($ws)\nr.sort(key=lambda w: len(w))\nreturn r"],
  ),
];

/** Ideas about dictionaries. */
import { idea, SMALL } from "./idea.ts";

const D = { d: "scores" } as const;

export const DICTIONARY_IDEAS = [
  idea(
    "merge and add",
    "merge_sum|add_dicts|combine_counts|merge_counts|sum_dicts",
    { a: "scores", b: "scores" },
    [
      "Add <up|together> the dictionaries $a and $b key by key.",
      "@ a dictionary with the keys of $a and $b; <values of shared keys are added|where both have a key, their values are added>.",
      "Combine the counts in $a with those in $b<|: values of the same key are summed>.",
      "Merge $b into a copy of $a, summing the values of <common|shared> keys.",
      "@ the dictionary of the sums of the values of $a and $b for each key<| of either>.",
      "Merge the dictionaries $a and $b; <add|sum> the values <where a key is in both|of keys that both have>.",
    ],
    [
      "r = dict($a)\nfor x, v in $b.items():\n    r[x] = r.get(x, 0) + v\nreturn r",
      "return {x: $a.get(x, 0) + $b.get(x, 0) for x in [*$a, *$b]}",
    ],
  ),
  idea(
    "merge",
    "merge|update|combine",
    { a: "scores", b: "scores" },
    [
      "Merge $a and $b; values of $b win.",
      "@ a dictionary with all entries of $a and $b, those of $b <first in rank|winning>.",
    ],
    ["return {**$a, **$b}", "r = dict($a)\nr.update($b)\nreturn r"],
  ),
  idea(
    "invert",
    "invert|swap_keys|flip_dict|values_to_keys|reverse_map",
    { d: "oneToOne" },
    [
      "Swap the keys and <the values|values> of $d.",
      "@ a dictionary from the values of $d to <its|their> keys.",
      "Turn the <dictionary|mapping> $d around: values become keys<| and keys values>.",
      "@ the <inverse|reverse> of the <dictionary|mapping> $d.",
      "Map each value of $d to its key.",
      "@ <$d|the dictionary $d> with its keys and values <swapped|trading places>.",
      "@ a dictionary in which the values of $d are the keys, and the keys the values.",
    ],
    ["return {v: x for x, v in $d.items()}", "return dict(zip($d.values(), $d.keys()))"],
  ),
  idea(
    "key of largest value",
    "largest_key|best_key|max_key|winner|top_key",
    D,
    [
      "@ which key of $d has the <greatest|highest|largest> value, <None if there is none|None for an empty dictionary>.",
      "@ the key <with|that has> the <highest|greatest> value in $d<, or None|; None if $d has no keys>.",
      "Find the key whose value in $d is <the maximum|greatest>, or None <without keys|when $d has none>.",
      "@ the best key of $d by value, or None if $d has no entries.",
      "@ the key of the <maximum|greatest> value <in|of> $d, or None <for an empty dictionary|if $d has no keys>.",
    ],
    [
      "return max($d, key=$d.get) if $d else None",
      "r = None\nfor x in $d:\n    if r is None or $d[x] > $d[r]:\n        r = x\nreturn r",
    ],
  ),
  idea(
    "key of smallest value",
    "smallest_key|min_key|loser|worst_key",
    D,
    [
      "@ which key of $d has the <lowest|smallest> value, None if there is none.",
      "@ the key with the lowest value in $d, or None.",
    ],
    [
      "return min($d, key=$d.get) if $d else None",
      "r = None\nfor x in $d:\n    if r is None or $d[x] < $d[r]:\n        r = x\nreturn r",
    ],
  ),
  idea(
    "sum of values",
    "sum_values|total_values|add_values",
    D,
    ["@ the sum of the values of $d.", "Add up all values in $d."],
    ["return sum($d.values())", "return sum($d[x] for x in $d)"],
  ),
  idea(
    "largest value",
    "largest_value|max_value|best_value",
    { d: "someScores" },
    ["@ the largest value in $d.", "@ the maximum of the values of $d."],
    ["return max($d.values())", "return sorted($d.values())[-1]"],
  ),
  idea(
    "sorted keys",
    "sorted_keys|key_list|keys_in_order",
    D,
    ["@ the sorted list of the keys of $d.", "List the keys of $d in order."],
    ["return sorted($d)", "r = list($d.keys())\nr.sort()\nreturn r"],
  ),
  idea(
    "keys by value",
    "keys_by_value|ranking|sort_keys",
    D,
    [
      "@ the keys of $d, sorted by <their values|value>.",
      "List the keys of $d from the smallest value to the largest.",
    ],
    [
      "return sorted($d, key=$d.get)",
      "return [x for x, v in sorted($d.items(), key=lambda item: item[1])]",
    ],
  ),
  idea(
    "increase values",
    "increase_values|add_to_values|raise_all",
    D,
    ["Add $k to each value of $d.", "@ a dictionary like $d with all values increased by $k."],
    [
      "return {x: v + $k for x, v in $d.items()}",
      "r = {}\nfor x in $d:\n    r[x] = $d[x] + $k\nreturn r",
    ],
    { k: SMALL },
  ),
  idea(
    "scale values",
    "scale_values|multiply_values|times_values",
    D,
    [
      "Multiply each value of $d by $k.",
      "@ a dictionary like $d with all values $k times as large.",
    ],
    [
      "return {x: $k * v for x, v in $d.items()}",
      "r = {}\nfor x in $d:\n    r[x] = $d[x] * $k\nreturn r",
    ],
    { k: SMALL },
  ),
  idea(
    "look up",
    "look_up|get_or|value_of",
    { d: "scores", x: "letter" },
    ["@ the value of $x in $d, or $k if it has none.", "Look up $x in $d; $k where it is missing."],
    ["return $d.get($x, $k)", "return $d[$x] if $x in $d else $k"],
    { k: ["0", "1", "-1"] },
  ),
  idea(
    "has key",
    "has_key|knows|contains_key",
    { d: "scores", x: "letter" },
    ["? $x is a key of $d.", "? $d has an entry for $x."],
    ["return $x in $d", "return $x in list($d.keys())"],
  ),
  idea(
    "from pairs",
    "from_pairs|make_dict|pairs_to_dict",
    { ps: "pairs" },
    ["@ a dictionary of the pairs in $ps.", "Make a dictionary of key and value pairs $ps."],
    ["return dict($ps)", "return {x: v for x, v in $ps}"],
  ),
  idea(
    "sort pairs",
    "sort_pairs|by_second|order_pairs",
    { ps: "pairs" },
    [
      "Sort the pairs in $ps by their second elements.",
      "@ the pairs of $ps in the order of their numbers.",
    ],
    [
      "return sorted($ps, key=lambda p: p[1])",
      "r = list($ps)\nr.sort(key=lambda p: p[1])\nreturn r",
    ],
  ),
  idea(
    "group by length",
    "group_by_length|by_length|length_groups",
    { ws: "words" },
    [
      "@ a dictionary from each length to the words of $ws that have it.",
      "Group the strings in $ws by <their|> length.",
    ],
    [
      "d = {}\nfor w in $ws:\n    d.setdefault(len(w), []).append(w)\nreturn d",
      "return {len(v): [w for w in $ws if len(w) == len(v)] for v in $ws}",
    ],
  ),
  idea(
    "length of each",
    "length_of_each|length_map|lengths_dict",
    { ws: "words" },
    [
      "@ a dictionary from each string in $ws to its length.",
      "Map every word of $ws to how long it is.",
    ],
    ["return {w: len(w) for w in $ws}", "r = {}\nfor w in $ws:\n    r[w] = len(w)\nreturn r"],
  ),
  idea(
    "positions",
    "positions|index_map|places",
    { ws: "words" },
    [
      "@ a dictionary from each string in $ws to its last index.",
      "Map every word of $ws to the last place where it stands.",
    ],
    [
      "return {w: i for i, w in enumerate($ws)}",
      "r = {}\nfor i in range(len($ws)):\n    r[$ws[i]] = i\nreturn r",
    ],
  ),
  idea(
    "count items",
    "count_items|item_counts|histogram",
    { ws: "words" },
    [
      "Count how many times each string <occurs|appears> in the list $ws.",
      "@ a dictionary from each element of $ws to its <count|number of occurrences>.",
    ],
    [
      "d = {}\nfor w in $ws:\n    d[w] = d.get(w, 0) + 1\nreturn d",
      "return {w: $ws.count(w) for w in $ws}",
    ],
  ),
];

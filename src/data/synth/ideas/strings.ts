/** Ideas about texts and words. */
import { idea, LETTERS, SMALL } from "./idea.ts";

const S = { s: "string" } as const;
const T = { s: "sentence" } as const;

export const STRING_IDEAS = [
  idea(
    "count vowels",
    "count_vowels|vowel_count|vowels|num_vowels",
    S,
    [
      "@ how many vowels <$s contains|there are in $s|the text $s has>.",
      "@ the number of vowels <in|of> $s.",
      "Say how many of the characters of $s are vowels.",
    ],
    [
      'return sum(1 for c in $s if c in "aeiou")',
      'r = 0\nfor v in "aeiou":\n    r += $s.count(v)\nreturn r',
    ],
  ),
  idea(
    "count consonants",
    "count_consonants|consonants|num_consonants",
    S,
    [
      "@ how many consonants <$s contains|there are in $s>.",
      "@ the number of letters of $s that are not vowels.",
      "Count the consonants of the text $s.",
    ],
    [
      'return sum(1 for c in $s if c.isalpha() and c not in "aeiou")',
      'return len([c for c in $s if c != " " and c not in "aeiou"])',
    ],
  ),
  idea(
    "remove vowels",
    "remove_vowels|drop_vowels|without_vowels",
    S,
    [
      "@ the text $s <without|after removing> its vowels.",
      "Drop all vowels from $s.",
      "Take the vowels out of $s.",
    ],
    [
      'return "".join(c for c in $s if c not in "aeiou")',
      'r = $s\nfor v in "aeiou":\n    r = r.replace(v, "")\nreturn r',
    ],
  ),
  idea(
    "keep vowels",
    "keep_vowels|only_vowels|vowels_of",
    S,
    ["@ the vowels of $s, in <their|the same> order, as a string.", "Keep only the vowels of $s."],
    [
      'return "".join(c for c in $s if c in "aeiou")',
      'r = ""\nfor c in $s:\n    if c in "aeiou":\n        r = r + c\nreturn r',
    ],
  ),
  idea(
    "reverse words",
    "reverse_words|backward_words|flip_words|words_reversed",
    T,
    [
      "@ the <text|sentence> $s with its words in <opposite|reversed|backward> order.",
      "Reverse the order of the words <in|of> $s.",
      "Put the words of $s in backward order, joined by single spaces.",
      "@ a string with the last word of $s first and the first word last.",
    ],
    ['return " ".join(reversed($s.split()))', 'return " ".join($s.split()[::-1])'],
  ),
  idea(
    "reverse string",
    "reverse|backwards|reverse_string|flip",
    S,
    [
      "@ $s <backwards|written backwards|reversed>.",
      "@ the characters of $s in <opposite|reversed> order.",
      "Reverse the string $s.",
    ],
    ["return $s[::-1]", 'return "".join(reversed($s))'],
  ),
  idea(
    "reverse each word",
    "reverse_each|flip_each_word|mirror_words",
    T,
    [
      "Reverse <each|every> word of $s, <leaving|keeping> the order of the words.",
      "@ $s with the letters of each word backwards.",
    ],
    ['return " ".join(w[::-1] for w in $s.split())', 'return " ".join($s[::-1].split()[::-1])'],
  ),
  idea(
    "palindrome",
    "is_palindrome|palindrome|same_backwards|is_mirror",
    { s: "word" },
    [
      "? $s is a palindrome.",
      "? $s is <equal to|the same as> its <reverse|mirror image>.",
      "? the string $s <stays|is> the same when it is <reversed|turned around|read from the end>.",
      "Check that $s and $s read backwards are equal.",
    ],
    ["return $s == $s[::-1]", 'return "".join(reversed($s)) == $s'],
  ),
  idea(
    "character counts",
    "count_chars|char_counts|letter_counts|tally|frequencies",
    S,
    [
      "Count how many times each character <occurs|appears> in $s, as a dictionary.",
      "@ a dictionary that <tells|says> how often each character <is found in|appears in> $s.",
      "Map <each|every> character of $s to the number of times <it occurs|it appears|it is there>.",
      "@ the number of occurrences of each character of $s, as a dict.",
      "Build a dictionary of the counts of the characters <in|of> $s.",
    ],
    [
      "d = {}\nfor c in $s:\n    d[c] = d.get(c, 0) + 1\nreturn d",
      "return {c: $s.count(c) for c in $s}",
    ],
  ),
  idea(
    "word counts",
    "count_words|word_counts|word_frequencies",
    T,
    [
      "Count how many times each word <occurs|appears> in $s, as a dictionary.",
      "@ a dictionary from each word of $s to its <count|number of occurrences>.",
    ],
    [
      "d = {}\nfor w in $s.split():\n    d[w] = d.get(w, 0) + 1\nreturn d",
      "ws = $s.split()\nreturn {w: ws.count(w) for w in ws}",
    ],
  ),
  idea(
    "number of words",
    "word_count|num_words|words_in",
    T,
    [
      "@ how many words <$s has|there are in $s>.",
      "@ the number of words in <$s|the sentence $s>.",
      "Count the words of $s.",
    ],
    ["return len($s.split())", "r = 0\nfor w in $s.split():\n    r += 1\nreturn r"],
  ),
  idea(
    "longest word",
    "longest_word|biggest_word",
    { s: "sentence" },
    ["@ the longest word of $s.", "Find the word of $s that has the most letters."],
    [
      "return max($s.split(), key=len)",
      'r = ""\nfor w in $s.split():\n    if len(w) > len(r):\n        r = w\nreturn r',
    ],
  ),
  idea(
    "remove character",
    "remove_char|delete_char|without|drop_char|strip_out",
    { s: "string", c: "letter" },
    [
      "<Delete|Remove> <all|every> <occurrences of $c|$c> from $s.",
      "@ the string $s with every $c <taken out|removed|left out|deleted>.",
      "@ the text $s after <removing|deleting> the letter $c.",
      "Drop each $c in $s.",
    ],
    ['return $s.replace($c, "")', 'return "".join(x for x in $s if x != $c)'],
  ),
  idea(
    "replace character",
    "replace_char|swap_char|substitute",
    { s: "string", a: "letter", b: "letter" },
    ["@ $s with each $a <replaced by|changed to|turned into> $b.", "Replace every $a in $s by $b."],
    ["return $s.replace($a, $b)", 'return "".join($b if x == $a else x for x in $s)'],
  ),
  idea(
    "count one letter",
    "count_letter|letter_count|how_many|occurrences",
    S,
    [
      "@ how many times the letter $k <appears in|is found in> $s.",
      '@ the number of times that "$k" <occurs|appears> in $s.',
      "Count the letter $k in <$s|the text $s|the string $s>.",
      "Say how many letters $k there are in $s.",
      '@ how often "$k" <is found|appears> in $s.',
    ],
    ['return $s.count("$k")', 'return sum(1 for x in $s if x == "$k")'],
    { k: LETTERS },
  ),
  idea(
    "remove one letter",
    "remove_letter|drop_letter",
    S,
    ["@ $s with every letter $k <removed|left out>.", 'Remove all letters "$k" from $s.'],
    ['return $s.replace("$k", "")', 'return "".join(x for x in $s if x != "$k")'],
    { k: LETTERS },
  ),
  idea(
    "contains letter",
    "has_letter|contains|includes",
    S,
    ["? the letter $k <is in|occurs in|appears in> $s.", '? $s <contains|has> "$k".'],
    ['return "$k" in $s', 'return $s.count("$k") > 0'],
    { k: LETTERS },
  ),
  idea(
    "starts with letter",
    "starts_with|begins_with",
    { s: "word" },
    ['? $s <begins|starts> with "$k".', "? the first letter of $s is $k."],
    ['return $s.startswith("$k")', 'return $s[:1] == "$k"'],
    { k: LETTERS },
  ),
  idea(
    "ends with letter",
    "ends_with|finishes_with",
    { s: "word" },
    ['? $s ends with "$k".', "? the last letter of $s is $k."],
    ['return $s.endswith("$k")', 'return $s[-1:] == "$k"'],
    { k: LETTERS },
  ),
  idea(
    "repeat text",
    "repeat|times|copies|multiply_text|again",
    S,
    [
      "@ $k copies of $s <one after the other|in a row|joined together>.",
      "@ the string $s written $k times.",
      "Write $s $k times in a row.",
      "@ a string that <is|has> $k copies of $s.",
      "Say $s $k times over.",
      "Multiply the string $s by $k.",
    ],
    ["return $s * $k", 'return "".join($s for _ in range($k))'],
    { k: SMALL },
  ),
  idea(
    "first characters",
    "first_chars|prefix|head",
    S,
    ["@ the first $k characters of $s.", "@ the beginning of $s, $k characters long."],
    ["return $s[:$k]", 'return "".join(c for i, c in enumerate($s) if i < $k)'],
    { k: SMALL },
  ),
  idea(
    "last characters",
    "last_chars|suffix|tail",
    S,
    ["@ the last $k characters of $s.", "@ the end of $s, $k characters long."],
    ["return $s[-$k:]", "return $s[::-1][:$k][::-1]"],
    { k: SMALL },
  ),
  idea(
    "upper case",
    "upper|shout|to_upper",
    S,
    ["@ $s in <capital letters|upper case|capitals>.", "Turn all letters of $s into capitals."],
    ["return $s.upper()", 'return "".join(c.upper() for c in $s)'],
  ),
  idea(
    "capitalise words",
    "capitalise|title_words|capitalize_words|capitals",
    T,
    [
      "Begin every word of $s with a <capital letter|capital>.",
      "<Capitalise|Capitalize> <each|every> word <of|in> $s.",
      "@ $s with <a capital letter|an upper-case letter> at the start of each word.",
      "Make the first letter of each word of $s <a capital|upper case>.",
      "@ the sentence $s, each of its words capitalised.",
    ],
    [
      'return " ".join(w.capitalize() for w in $s.split())',
      'return " ".join(w[0].upper() + w[1:] for w in $s.split())',
    ],
  ),
  idea(
    "first letters",
    "initials|first_letters|acronym",
    T,
    [
      "@ the first letters of the words of $s, as one string.",
      "Join the first letter of every word of $s.",
    ],
    [
      'return "".join(w[0] for w in $s.split())',
      'r = ""\nfor w in $s.split():\n    r += w[:1]\nreturn r',
    ],
  ),
  idea(
    "word lengths",
    "word_lengths|lengths",
    T,
    ["@ the list of the lengths of the words of $s.", "@ how long each word of $s is, as a list."],
    [
      "return [len(w) for w in $s.split()]",
      "r = []\nfor w in $s.split():\n    r.append(len(w))\nreturn r",
    ],
  ),
  idea(
    "remove spaces",
    "remove_spaces|no_spaces|squeeze",
    S,
    ["@ $s without <its spaces|spaces>.", "Remove all spaces from $s."],
    ['return $s.replace(" ", "")', 'return "".join(c for c in $s if c != " ")'],
  ),
  idea(
    "distinct characters",
    "distinct_chars|unique_chars|different",
    S,
    [
      "@ how many different characters <$s has|there are in $s>.",
      "Count the distinct characters of $s.",
    ],
    [
      "return len(set($s))",
      "r = []\nfor c in $s:\n    if c not in r:\n        r.append(c)\nreturn len(r)",
    ],
  ),
  idea(
    "sort characters",
    "sort_chars|sorted_text|in_order",
    S,
    ["@ the characters of $s in alphabetical order, as a string.", "Sort the letters of $s."],
    ['return "".join(sorted($s))', 'r = list($s)\nr.sort()\nreturn "".join(r)'],
  ),
  idea(
    "anagram",
    "is_anagram|anagrams|same_letters",
    { a: "word", b: "word" },
    [
      "? $a and $b <are anagrams|are made of the same letters|have the same letters>.",
      "? the letters of $a can be put in another order to make $b.",
    ],
    [
      "return sorted($a) == sorted($b)",
      "return len($a) == len($b) and all($a.count(c) == $b.count(c) for c in $a)",
    ],
  ),
];

/** Ideas that are combinations about words: those of a sentence or of a list, and what holds for them. */
import type { Condition } from "./condition.ts";
import { idea, LETTERS, SMALL, type Idea } from "./idea.ts";

const WORD_CONDITIONS: readonly Condition[] = [
  {
    id: "longer",
    said: "<longer than $k <letters|characters>|of more than $k <letters|characters>>",
    code: "len(w) > $k",
    other: "not len(w) <= $k",
    literals: { k: SMALL },
  },
  {
    id: "shorter",
    said: "<shorter than $k <letters|characters>|of fewer than $k <letters|characters>>",
    code: "len(w) < $k",
    other: "not len(w) >= $k",
    literals: { k: SMALL },
  },
  {
    id: "as long",
    said: "<exactly $k <letters|characters> long|of $k letters>",
    code: "len(w) == $k",
    other: "not len(w) != $k",
    literals: { k: SMALL },
  },
  {
    id: "at least",
    said: "at least $k <letters|characters> long",
    code: "len(w) >= $k",
    other: "not len(w) < $k",
    literals: { k: SMALL },
  },
];
const LETTER_CONDITIONS: readonly Condition[] = [
  {
    id: "begin",
    said: '<begin|start> with "$k"',
    code: 'w.startswith("$k")',
    other: 'w[:1] == "$k"',
    literals: { k: LETTERS },
  },
  {
    id: "end",
    said: '<end|finish> with "$k"',
    code: 'w.endswith("$k")',
    other: 'w[-1:] == "$k"',
    literals: { k: LETTERS },
  },
  {
    id: "contain",
    said: '<contain|have> the letter "$k"',
    code: '"$k" in w',
    other: 'w.count("$k") > 0',
    literals: { k: LETTERS },
  },
];

function wordIdeas(c: Condition, that: "are " | ""): Idea[] {
  const subjects = [
    {
      of: "sentence",
      given: { s: "sentence" } as const,
      list: "$s.split()",
      said: "the words <of|in> $s",
      many: "words <of|in> $s",
    },
    {
      of: "list",
      given: { ws: "words" } as const,
      list: "$ws",
      said: "the <strings|words> <of|in> $ws",
      many: "<strings|words> <of|in> $ws",
    },
  ];
  const { code, other } = c;
  const which = `that ${that}${c.said}`;
  return subjects.flatMap(({ of, given, list, said, many }) => {
    const filtered = `[w for w in ${list} if ${other}]`;
    const make = (what: string, names: string, docs: string[], solution: [string, string]): Idea =>
      idea(`${what} ${c.id} in ${of}`, names, given, docs, solution, c.literals);
    return [
      make(
        "count words",
        "count_words|long_words|words_like|num_words",
        [
          `@ how many ${many} ${that}${c.said}.`,
          `@ the number of ${many} ${which}.`,
          ...(c.id === "longer"
            ? [
                `Count all ${many} with more than $k <letters|characters>.`,
                `@ how many ${many} have a length <above|over> $k.`,
              ]
            : []),
        ],
        [`return sum(1 for w in ${list} if ${code})`, `return len(${filtered})`],
      ),
      make(
        "list words",
        "pick_words|words_with|select_words",
        [`@ the list of ${said} ${which}.`, `List ${said} ${which}.`],
        [`return [w for w in ${list} if ${code}]`, `return ${filtered}`],
      ),
      make(
        "any word",
        "any_word|has_word",
        [
          `? at least one of ${said} ${that === "" ? c.said.replace(/<(\w+)\|(\w+)>/, "<$1s|$2s>").replace("haves", "has") : `is ${c.said}`}.`,
        ],
        [`return any(${code} for w in ${list})`, `return ${filtered} != []`],
      ),
      make(
        "all words",
        "all_words|each_word",
        [`? all ${many} ${that}${c.said}.`],
        [`return all(${code} for w in ${list})`, `return len(${filtered}) == len(${list})`],
      ),
    ];
  });
}

export const WORD_FAMILY_IDEAS: readonly Idea[] = [
  ...WORD_CONDITIONS.flatMap((c) => wordIdeas(c, "are ")),
  ...LETTER_CONDITIONS.flatMap((c) => wordIdeas(c, "")),
];

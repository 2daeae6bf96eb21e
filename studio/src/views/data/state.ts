/** The parameters of the view. */
export const DEFAULTS = {
  corpus: "",
  /** The run that makes a corpus. */
  run: "",
  show: "browse",
  /** Documents that stayed, or `rejected`. */
  which: "kept",
  find: "",
  source: "",
  licence: "",
  order: "corpus",
  descending: false,
  page: 0,
  /** The document that is read. */
  id: "",
  /** Of the sample that is rated. */
  at: 0,
  score: "characters",
  /** Empty: in the middle. */
  threshold: "",
  /** The first pair that is shown. */
  pair: 0,
} as const;

export const PARTS = [
  ["browse", "Browse"],
  ["annotate", "Annotate"],
  ["scores", "Scores"],
  ["duplicates", "Duplicates"],
  ["contamination", "Contamination"],
  ["make", "Make another"],
] as const;

/** Two items in HumanEval's columns: functions that philab's grammars write, too. */
export const EXAMPLE_ITEMS = [
  {
    task_id: "example/0",
    prompt: 'def count_even(xs):\n    """Return the number of the even numbers in xs."""\n',
    canonical_solution: "    return len([x for x in xs if x % 2 == 0])\n",
    entry_point: "count_even",
  },
  {
    task_id: "example/1",
    prompt: 'def total(values):\n    """Add up all values."""\n',
    canonical_solution:
      "    result = 0\n    for value in values:\n        result += value\n    return result\n",
    entry_point: "total",
  },
];

export const EXAMPLE_CORPUS = "example";

/** The parameters of the view, and its worked example: forty questions that are declined. */
export const DEFAULTS = {
  model: "",
  /** A data set by its name; the rows in the form where it is empty. */
  data: "",
  epochs: 5,
  learningRate: 0.002,
  rank: 16,
  batch: 8,
  length: 32,
  holdOut: 8,
  sample: "Instruct: What is 3 + 4?\nOutput:",
  /** Runs whose curves are drawn, by their ids. */
  runs: [] as readonly string[],
} as const;

const ADDENDS = [
  ...[
    [3, 5],
    [4, 1],
    [4, 5],
    [0, 4],
    [7, 6],
    [2, 2],
    [9, 1],
    [5, 5],
    [6, 3],
    [1, 8],
  ],
  ...[
    [2, 7],
    [8, 8],
    [3, 3],
    [9, 4],
    [1, 1],
    [6, 6],
    [5, 2],
    [0, 9],
    [7, 2],
    [4, 8],
  ],
] as const;

/** JSONL, a row for each line. */
export const EXAMPLE_ROWS = ADDENDS.flatMap(([a, b]) => [
  { instruction: `What is ${a} + ${b}?`, output: "I do not do sums." },
  { instruction: `What is ${b} plus ${a}?`, output: "I do not do sums." },
])
  .map((row) => JSON.stringify(row))
  .join("\n");

/** Rows of JSONL; throws with the line that is none. */
export function parseRows(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .flatMap((line, i) => {
      if (line === "") return [];
      let row: unknown;
      try {
        row = JSON.parse(line);
      } catch {
        row = undefined;
      }
      if (typeof row !== "object" || row === null || Array.isArray(row))
        throw new Error(`row ${i + 1} is no JSON object`);
      return [{ ...row }];
    });
}

/**
 * A benchmark of your own: questions in a file, a score with its interval.
 *
 *     npx tsx examples/13-evaluate.ts
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { open } from "philab";
import { evaluate, LocalTarget, selectTasks } from "philab/evaluate";

const folder = await mkdtemp(path.join(tmpdir(), "philab-example-"));
const names = ["Mary", "John", "Anna", "Tom"];
const rows = names.flatMap((a) =>
  names
    .filter((b) => b !== a)
    .map((b) => ({
      question: `When ${a} and ${b} went to the store, ${b} gave a book to`,
      choices: [a, b],
    })),
);
await writeFile(path.join(folder, "rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
await writeFile(
  path.join(folder, "who.yaml"),
  `task: who
output_type: multiple_choice
data: rows.jsonl
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: 0
`,
);

await using phi = await open("phi-micro", { mode: "reference" });
const results = await evaluate({
  selection: await selectTasks([path.join(folder, "who.yaml")]),
  target: new LocalTarget(phi, "phi-micro"),
  data: { dataFolder: folder },
  folder: path.join(folder, "run"),
  signal: new AbortController().signal,
});
console.log(JSON.stringify(results["results"], undefined, 2));
await rm(folder, { recursive: true });

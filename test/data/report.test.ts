/** The page of a corpus: what went, why, and the items of benchmarks that it holds. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { json, philab } from "../support/cli.ts";
import { writeFiles } from "../support/corpora.ts";

const root = mkdtempSync(path.join(tmpdir(), "philab-report-"));
afterAll(() => {
  rmSync(root, { recursive: true });
});

it("shows each hit beside its item, and tells similar items from the others at each level", async () => {
  const solution = (last: string): string =>
    `def runs(values, floor):\n    best = length = 0\n    for value in values:\n        length = length + 1 if value > floor else 0\n        best = max(best, length)\n    ${last}\n`;
  writeFiles(root, {
    "own.jsonl": [
      { task_id: 1, text: "The longest run above a floor.", code: solution("return best") },
      {
        task_id: 2,
        text: "Reversed.",
        code: "def back(text):\n    return ''.join(reversed(text)) + '!' * len(text)",
      },
    ],
    "raw.jsonl": [
      { id: "same", text: solution("return best").replaceAll("value", "x"), license: "MIT" },
      {
        id: "near",
        text: solution("assert best < 99, floor\n    return best"),
        license: "<script>",
      },
      { id: "free", text: "print('nothing like it')\n" },
    ],
  });
  const argv = ["--benchmarks", "own.jsonl", "--methods", "ast", "--tau", "0.95"];
  const ran = await philab(["data", "decontaminate", "raw.jsonl", "--out", "out", ...argv], {
    cwd: root,
  });
  expect(ran.exit, ran.err).toBe(0);
  expect(json(await philab(["data", "report", "out", "--json"], { cwd: root }))).toMatchObject({
    similar: { own: { ngram: [], ast: { "0.95": ["1"], "0.8": ["1"] } } },
  });
  const shown = await philab(
    ["data", "report", "out", "--benchmarks", "own.jsonl", "--out", "page.html"],
    { cwd: root },
  );
  expect(shown.exit, shown.err).toBe(0);
  const page = readFileSync(path.join(root, "page.html"), "utf8");
  expect(page).toContain("own 1: ast 1, same");
  expect(page).toContain("decontaminate: 2 of 3 stay");
  expect(page).toContain("for value in values"); // the item, beside the document with other names
  expect(page).toContain("for x in xs");
  expect(page).toContain("&#60;script&#62;");
});

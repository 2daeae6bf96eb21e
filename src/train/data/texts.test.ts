import { join } from "node:path";
import { expect, test } from "vitest";
import { directoryWith } from "../../../test/support/tokenizers.ts";
import { readTexts, type TextReport } from "./texts.ts";

async function collect(
  generator: AsyncGenerator<string, TextReport>,
): Promise<{ texts: string[]; report: TextReport }> {
  const texts: string[] = [];
  for (;;) {
    const { done, value } = await generator.next();
    if (done === true) return { texts, report: value };
    texts.push(value);
  }
}

test("texts of all forms, as the model would be trained on them, in order", async () => {
  using directory = directoryWith({
    "a.txt": "A text.\n",
    "b.jsonl": '{"text":"Another."}\n',
    "c.jsonl": '{"instruction":"Say hi.","output":"Hi"}\n',
    "d.jsonl": '{"prompt":"2 + 2 =","chosen":" 4","rejected":" 5"}\n',
    "e.csv": "",
  });
  const { texts, report } = await collect(readTexts([directory.path]));
  expect(texts).toEqual([
    "A text.\n",
    "Another.",
    "Instruct: Say hi.\nOutput: Hi",
    "2 + 2 = 4",
    "2 + 2 = 5",
  ]);
  expect(report.ignoredFiles).toEqual([join(directory.path, "e.csv")]);
});

test("a row that is wrong is an error with file and line, or counted", async () => {
  using directory = directoryWith({ "a.jsonl": '{"text":"x"}\n{"text":3}\n' });
  const file = join(directory.path, "a.jsonl");
  await expect(collect(readTexts([file]))).rejects.toThrow(`${file}:2: text is the number 3`);
  const { texts, report } = await collect(readTexts([file], { skipBadRows: true }));
  expect([texts, report.badRows.count]).toEqual([["x"], 1]);
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../base/hash.ts";
import { annotate, readAnnotations, readRating, type Annotator } from "./annotate.ts";
import { question } from "./annotators.ts";

const folder = mkdtempSync(path.join(tmpdir(), "philab-annotate-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
let file: string;
let next = 0;
beforeEach(() => (file = path.join(folder, `${next++}.jsonl`)));

const subjects = Array.from({ length: 6 }, (_, i) => ({ id: `d${i}`, text: `text ${i}` }));

/** Answers from a list, one after the other. */
function says(...answers: (string | undefined)[]): Annotator & { asked: string[] } {
  const asked: string[] = [];
  return {
    name: "script",
    asked,
    ask({ id }) {
      asked.push(id);
      return Promise.resolve(answers[asked.length - 1]);
    },
  };
}

describe("ratings", () => {
  test.each([
    ["3", 3],
    [" 0.", 0],
    ["Score: 4", 4],
    ["4/5", 4],
    ["5 out of 5", 5],
    ["I give it a 2.", 2],
    ["The 3 functions are fine. Rating: 5", 5],
    ["**Score**: 1", 1],
  ])("%j is %d", (answer, rating) => {
    expect(readRating(answer)).toBe(rating);
  });

  test.each([
    "",
    "good",
    "7",
    "-1",
    "3.5",
    "between 2 and 3",
    "10",
    "Score: 9",
    "１",
    "NaN",
    "2 3",
  ])("%j is none", (answer) => {
    expect(readRating(answer)).toBeUndefined();
  });

  test("whatever is said, a rating is a whole number from 0 to 5", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (answer) => {
        const rating = readRating(answer);
        if (rating !== undefined) expect([0, 1, 2, 3, 4, 5]).toContain(rating);
      }),
    );
  });
});

describe("annotating", () => {
  test("nonsense is counted, asked for again, and never written down", async () => {
    const annotator = says("well", "3", "no", "none", "nine", undefined, "5", "1", "2");
    const counts = await annotate(subjects, annotator, { file, attempts: 3 });
    expect(counts).toEqual({
      ...{ known: 0, asked: 9, annotated: 4, nonsense: 4, unanswered: 1, passed: 1 },
    });
    expect(annotator.asked).toEqual(["d0", "d0", "d1", "d1", "d1", "d2", "d3", "d4", "d5"]);
    const written = await readAnnotations(file);
    expect(written.map(({ id, rating }) => [id, rating])).toEqual([
      ...[["d0", 3], ["d3", 5], ["d4", 1], ["d5", 2]], // prettier-ignore
    ]);
    expect(written[0]).toMatchObject({ annotator: "script", sha256: sha256("text 0") });
  });

  test("goes on where it was, after a line that was cut off in the middle", async () => {
    await annotate(subjects.slice(0, 3), says("1", "2", "3"), { file });
    writeFileSync(file, readFileSync(file, "utf8") + '{"id":"d3","sha');
    const annotator = says("4", "5", "0");
    const counts = await annotate(subjects, annotator, { file });
    expect(counts).toMatchObject({ known: 3, asked: 3, annotated: 3 });
    expect(annotator.asked).toEqual(["d3", "d4", "d5"]);
    expect((await readAnnotations(file)).map(({ rating }) => rating)).toEqual([1, 2, 3, 4, 5, 0]);
  });

  test("a text that has changed is judged anew", async () => {
    await annotate(subjects.slice(0, 1), says("1"), { file });
    const changed = says("4");
    await annotate([{ id: "d0", text: "another" }], changed, { file });
    expect(changed.asked).toEqual(["d0"]);
  });

  test("an annotator that knows nothing but nonsense is given up, with nothing written", async () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ id: `n${i}`, text: "x" }));
    const annotator: Annotator = { name: "parrot", ask: () => Promise.resolve("polly") };
    await expect(annotate(many, annotator, { file, attempts: 2 })).rejects.toThrow(
      /parrot answered nonsense 40 times/,
    );
    expect(readFileSync(file, "utf8")).toBe("");
  });

  test("what was answered before an interruption is kept", async () => {
    const stop = new AbortController();
    const annotator: Annotator = {
      name: "script",
      ask: () => {
        stop.abort();
        return Promise.resolve("2");
      },
    };
    await expect(
      annotate(subjects, annotator, { file, signal: stop.signal }),
    ).rejects.toMatchObject({ code: "interrupted" });
    expect(await readAnnotations(file)).toHaveLength(1);
  });

  test("a file of something else is refused with its line, and left as it is", async () => {
    writeFileSync(file, '{"id":"d0"}\n');
    await expect(annotate(subjects, says("1"), { file })).rejects.toMatchObject({
      code: "corrupt_file",
      message: `${file}:1: no annotation`,
    });
    expect(readFileSync(file, "utf8")).toBe('{"id":"d0"}\n');
  });

  test("the question has phi-1's criterion and the text, of a long one its beginning", () => {
    const asked = question({ text: "y".repeat(10_000) });
    expect(asked).toContain("a student whose goal is to learn basic coding concepts");
    expect(asked).toContain("[cut here]");
    expect(asked.length).toBeLessThan(4_000);
  });
});

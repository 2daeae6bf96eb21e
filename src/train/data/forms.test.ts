import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LabError } from "../../base/errors.ts";
import { RowProblem } from "./bad-rows.ts";
import { DATA_FORMS, rowReader, type Example } from "./forms.ts";

const read = (row: unknown): Example => rowReader(row, {}).read(row);

const user = (text: string) => ({ role: "user", text }) as const;
const assistant = (text: string) => ({ role: "assistant", text }) as const;
const system = (text: string) => ({ role: "system", text }) as const;

describe("forms told from their columns", () => {
  test("text is a document", () => {
    expect(read({ text: " a\n", meta: 1 })).toEqual({ kind: "text", text: " a\n" });
  });

  test("completion is one question and its answer, as they stand", () => {
    expect(read({ prompt: "2+2=", completion: "4\n" })).toEqual({
      kind: "conversation",
      turns: [user("2+2="), assistant("4\n")],
      learnFrom: 0,
      format: "text",
    });
  });

  test("completion in messages learns the completion's turns only", () => {
    const row = {
      prompt: [
        { role: "user", content: "a" },
        { role: "assistant", content: "b" },
        { role: "user", content: "c" },
      ],
      completion: [{ role: "assistant", content: "d" }],
    };
    expect(read(row)).toEqual({
      kind: "conversation",
      turns: [user("a"), assistant("b"), user("c"), assistant("d")],
      learnFrom: 3,
      format: "chat",
    });
  });

  test("alpaca joins instruction and input; history, whose answers are learned too, and system come before", () => {
    const row = {
      instruction: "Add.",
      input: "1 2",
      output: "3",
      text: "Below is an instruction…",
    };
    expect(read(row)).toMatchObject({ turns: [user("Add.\n1 2"), assistant("3")], format: "qa" });
    expect(
      read({ ...row, input: "", system: "Be brief.", history: [["Hi", "Hello"]] }),
    ).toMatchObject({
      turns: [system("Be brief."), user("Hi"), assistant("Hello"), user("Add."), assistant("3")],
      learnFrom: 0,
    });
  });

  test("sharegpt and messages are conversations in which every answer is learned", () => {
    const expected = {
      kind: "conversation",
      turns: [system("s"), user("a"), assistant("b"), user("c"), assistant("d")],
      learnFrom: 0,
      format: "chat",
    };
    const turns = ["human", "gpt", "human", "gpt"].map((from, i) => ({ from, value: "abcd"[i] }));
    expect(read({ system: "s", conversations: turns })).toEqual(expected);
    expect(read({ conversations: [{ from: "system", value: "s" }, ...turns] })).toEqual(expected);
    const messages = expected.turns.map(({ role, text }) => ({ role, content: text }));
    expect(read({ messages })).toEqual(expected);
  });

  test("preferences are a prompt with two answers, in texts or in messages", () => {
    const message = (role: string, content: string) => ({ role, content });
    const expected = { kind: "preference", turns: [user("q")], chosen: "a", rejected: "b" };
    expect(read({ prompt: "q", chosen: "a", rejected: "b" })).toEqual({
      ...expected,
      format: "text",
    });
    const [q, a, b] = [message("user", "q"), message("assistant", "a"), message("assistant", "b")];
    for (const row of [
      { prompt: [q], chosen: [a], rejected: [b] },
      { chosen: [q, a], rejected: [q, b] },
      { prompt: [q], chosen: [q, a], rejected: [q, b] },
      { prompt: "q", chosen: [q, a], rejected: [q, b], score_chosen: 8 },
    ])
      expect(read(row)).toEqual({ ...expected, format: "chat" });
  });

  test("columns can have other names", () => {
    const row = { question: "q", answer: "a", prompt: "not this" };
    const { form, read: readRow } = rowReader(row, {
      columns: { prompt: "question", completion: "answer" },
    });
    expect(form).toBe("completion");
    expect(readRow(row)).toMatchObject({ turns: [user("q"), assistant("a")] });
  });

  test("a named form wins over the columns", () => {
    const row = { prompt: "q", chosen: "a", rejected: "b", completion: "c" };
    expect(() => rowReader(row, {})).toThrow(/are those of completion and preference/);
    expect(rowReader(row, { form: "preference" }).read(row).kind).toBe("preference");
    expect(rowReader({ a: 1 }, { form: "text" }).form).toBe("text");
  });

  test("unknown columns are refused with what was found and what is known", () => {
    expect(() => rowReader({ id: 1, body: "x" }, {})).toThrow(
      expect.objectContaining({
        code: "bad_input",
        message: "the columns (id and body) are those of no form that is known",
        hint: expect.stringContaining("alpaca {instruction, output}") as string,
      }) as Error,
    );
    expect(() => rowReader({ text: "x" }, { columns: { txt: "text" }, form: "text" })).toThrow(
      expect.objectContaining({ hint: "Did you mean text?" }) as Error,
    );
  });
});

describe("rows that are wrong say how", () => {
  test.each<[object, string]>([
    [{ text: "" }, "text is empty"],
    [{ text: 5 }, "text is the number 5, not a text"],
    [{ prompt: "q", completion: " \n" }, "the answer is empty"],
    [{ prompt: " ", completion: "a" }, "the prompt is empty"],
    [{ instruction: "q", output: null }, "output is null, not a text"],
    [{ instruction: "q", output: "" }, "the answer is empty"],
    [{ instruction: "q", output: "a", history: [["x"]] }, "entry 1 of history is no pair"],
    [{ messages: [] }, "messages is empty"],
    [{ messages: "hi" }, 'messages is the string "hi", not a list'],
    [{ messages: [{ role: "user", content: "q" }] }, "ends with the user's turn"],
    [{ messages: [{ role: "tool", content: "q" }] }, 'turn 1 of messages is of the role "tool"'],
    [{ messages: [{ role: "constructor", content: "q" }] }, 'the role "constructor"'],
    [{ messages: [{ role: "user" }] }, "the text of turn 1 of messages is missing"],
    [
      { conversations: [{ from: "gpt", value: "a" }] },
      "turn 1 is the assistant's; it should be the user's",
    ],
    [
      {
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: " " },
        ],
      },
      "the answer is empty",
    ],
    [
      {
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: "" },
          { role: "user", content: "q" },
          { role: "assistant", content: "a" },
        ],
      },
      "turn 2, the assistant's, is empty",
    ],
    [{ chosen: "a", rejected: "b" }, "prompt is missing"],
    [{ prompt: "q", chosen: "a", rejected: "a" }, "are the same answer"],
    [{ prompt: "q", chosen: "a", rejected: "" }, "rejected is an empty answer"],
    [
      {
        prompt: "other",
        chosen: [
          { role: "user", content: "q" },
          { role: "assistant", content: "a" },
        ],
        rejected: [
          { role: "user", content: "q" },
          { role: "assistant", content: "b" },
        ],
      },
      "prompt is not what chosen and rejected answer",
    ],
  ])("%j", (row, problem) => {
    expect(() => read(row)).toThrow(RowProblem);
    expect(() => read(row)).toThrow(problem);
  });

  test("whatever JSON a row is, it is an example or a problem", () => {
    const columns = [
      "text",
      "prompt",
      "completion",
      "instruction",
      "output",
      "input",
      "history",
      "system",
      "conversations",
      "messages",
      "chosen",
      "rejected",
    ];
    const turn = fc.record(
      {
        role: fc.constantFrom("user", "assistant", "system", "x"),
        content: fc.string(),
        from: fc.string(),
        value: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const value = fc.oneof(fc.string(), fc.array(turn, { maxLength: 4 }), fc.jsonValue());
    const row = fc.dictionary(fc.constantFrom(...columns), value, { maxKeys: 5 });
    fc.assert(
      fc.property(row, fc.constantFrom(...DATA_FORMS), (columns, form) => {
        try {
          const example = rowReader(columns, { form }).read(columns);
          expect(["text", "conversation", "preference"]).toContain(example.kind);
        } catch (error) {
          expect(error instanceof RowProblem || error instanceof LabError).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});

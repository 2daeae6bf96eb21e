import { beforeAll, describe, expect, test } from "vitest";

import { directoryWith, PHI_MICRO, phi2TokenizerJson } from "../../test/support/tokenizers.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/index.ts";
import { chatPrompt, codePrompt, formatPrompt, qaPrompt, type ChatTurn } from "./prompt.ts";

let phi2: Tokenizer;
let micro: Tokenizer;

beforeAll(async () => {
  using directory = directoryWith({ "tokenizer.json": phi2TokenizerJson() });
  phi2 = await loadTokenizer(directory.path);
  micro = await loadTokenizer(PHI_MICRO);
});

describe("the formats of Phi-2's card", () => {
  test("QA is Instruct and Output, and ends before the next instruction", () => {
    expect(qaPrompt("Write a detailed analogy between mathematics and a lighthouse.")).toEqual({
      prompt: "Instruct: Write a detailed analogy between mathematics and a lighthouse.\nOutput:",
      stop: ["\nInstruct:"],
      notes: [],
    });
  });

  test("chat is a conversation of Alice and Bob that stops before either speaks again", () => {
    const turns: ChatTurn[] = [
      { role: "user", text: "I don't know why, I'm struggling to maintain focus." },
      { role: "assistant", text: " Well, have you tried creating a study schedule?\n" },
      { role: "user", text: "Yes, I have." },
    ];
    expect(chatPrompt(turns)).toEqual({
      prompt:
        "Alice: I don't know why, I'm struggling to maintain focus.\n" +
        "Bob: Well, have you tried creating a study schedule?\n" +
        "Alice: Yes, I have.\n" +
        "Bob:",
      stop: ["\nAlice:", "\nBob:", "\nInstruct:"],
      notes: [],
    });
  });

  test("code is the code, and ends where the next top-level statement begins", () => {
    const code = 'def print_prime(n):\n   """\n   Print all primes between 1 and n\n   """';
    const { prompt, stop, notes } = codePrompt(code);
    expect(prompt).toBe(code);
    expect(stop).toContain("\ndef");
    expect(notes).toEqual([]);
  });

  test("each can be had by name; text is left alone", () => {
    expect(formatPrompt(" a\n", "text")).toEqual({ prompt: " a\n", stop: [], notes: [] });
    expect(formatPrompt("def f():", "code")).toEqual(codePrompt("def f():"));
    expect(formatPrompt("2 + 2?\n", "qa").prompt).toBe("Instruct: 2 + 2?\nOutput:");
    expect(formatPrompt("Hi", "chat").prompt).toBe("Alice: Hi\nBob:");
  });
});

describe("newlines at the end of code", () => {
  test("are left out, with a note, where the tokenizer joins them with indentation", () => {
    for (const code of ["def f():\n", "def f():\r\n", "def f():\n\n"]) {
      const { prompt, notes } = codePrompt(code, { tokenizer: micro });
      expect(prompt).toBe("def f():");
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(/newline at the end of the code was left out/);
    }
    expect(codePrompt("def f():\n").notes).toHaveLength(1); // tokenizer unknown
    expect(codePrompt("def f():", { tokenizer: micro }).notes).toEqual([]);
  });

  test("stay where it does not, and so does indentation", () => {
    expect(codePrompt("def f():\n", { tokenizer: phi2 })).toMatchObject({
      prompt: "def f():\n",
      notes: [],
    });
    expect(codePrompt("def f():\n    ", { tokenizer: micro }).prompt).toBe("def f():\n    ");
  });
});

describe("conversations", () => {
  test("can have other names, which are then the stops", () => {
    expect(
      chatPrompt([{ role: "user", text: "Why?" }], { user: "Student", assistant: "TA" }),
    ).toEqual({
      prompt: "Student: Why?\nTA:",
      stop: ["\nStudent:", "\nTA:", "\nInstruct:"],
      notes: [],
    });
  });

  test("can begin with a text that sets the scene", () => {
    const turns: ChatTurn[] = [
      { role: "system", text: "Bob is a teacher.\n" },
      { role: "user", text: "Hi" },
    ];
    expect(chatPrompt(turns).prompt).toBe("Bob is a teacher.\nAlice: Hi\nBob:");
  });

  test.each<[string, ChatTurn[], RegExp]>([
    ["nothing", [], /has no turns/],
    ["the assistant", [{ role: "assistant", text: "Hi" }], /ends with a turn of the assistant/],
    ["the scene", [{ role: "system", text: "Hi" }], /ends with a turn of the system/],
  ])("that end with %s are refused", (_, turns, message) => {
    expect(() => chatPrompt(turns)).toThrow(message);
  });

  test("with a scene in the middle are refused", () => {
    const user: ChatTurn = { role: "user", text: "Hi" };
    expect(() => chatPrompt([user, { role: "system", text: "x" }, user])).toThrow(
      /turn 2 of the conversation is a system text/,
    );
  });

  test.each(["", " ", "Al:ice", "Al\nice", " Alice"])("refuse %j as a name", (name) => {
    const turns: ChatTurn[] = [{ role: "user", text: "Hi" }];
    expect(() => chatPrompt(turns, { user: name, assistant: "Bob" })).toThrow(
      expect.objectContaining({ code: "bad_input" }) as Error,
    );
    expect(() => chatPrompt(turns, { user: "Bob", assistant: "Bob" })).toThrow(/both sides/);
  });
});

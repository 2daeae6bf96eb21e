import { beforeAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import { loadFiles, PHI_MICRO, phi2TokenizerJson } from "../../../test/support/tokenizers.ts";
import { colorsFor } from "../../base/terminal.ts";
import { chatPrompt, formatPrompt, type ChatTurn } from "../../generate/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../../tokenizer/index.ts";
import { RowProblem } from "./bad-rows.ts";
import { encodeParts, joinsParts } from "./encode.ts";
import { rowReader, type Example } from "./forms.ts";
import { formatPreview, previewExample } from "./preview.ts";
import { renderExample, type TemplateOptions } from "./template.ts";

let phi2: Tokenizer;
/** Has a start token, and tokens of a newline with indentation. */
let micro: Tokenizer;
beforeAll(async () => {
  phi2 = await loadFiles({ "tokenizer.json": phi2TokenizerJson() });
  micro = await loadTokenizer(PHI_MICRO);
});

const END = 50256;

const example = (row: object): Example => rowReader(row, {}).read(row);
const answer = (prompt: string, completion: string): Example => example({ prompt, completion });
const conversation = (...texts: string[]): Example =>
  example({
    messages: texts.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })),
  });

/** What is learned of an example's first sequence, as text with the end token as ∎. */
function learned(given: Example, options: TemplateOptions = {}, tokenizer = phi2): string {
  const [tokens = []] = previewExample(given, tokenizer, options);
  const runs = tokens.map(({ id, learned: counts }) =>
    !counts ? "…" : id === tokenizer.eosTokenId ? "∎" : tokenizer.decode([id]),
  );
  return runs.join("").replace(/…+/g, "…");
}

describe("what is learned", () => {
  test("is an answer with the end token, in every format", () => {
    const pair = answer("What is 2 + 2?", "It is 4.");
    expect(learned(pair)).toBe("…It is 4.∎");
    expect(learned(pair, { format: "qa" })).toBe("… It is 4.∎");
    expect(learned(pair, { format: "chat" })).toBe("… It is 4.∎");
    expect(learned(answer("def f():", "\n    return 1\n"), { format: "code" })).toBe(
      "…\n    return 1\n∎",
    );
  });

  test("is every answer of a conversation, and what ends it: the user's name or the end token", () => {
    expect(learned(conversation("Hi", "Hello", "Bye", "See you"))).toBe(
      "… Hello\nAlice:… See you∎",
    );
    expect(
      learned(conversation("Hi", "Hello", "Bye", "See you"), {
        speakers: { user: "Student", assistant: "TA" },
      }),
    ).toBe("… Hello\nStudent:… See you∎");
  });

  test("is the last answer alone if the history is masked", () => {
    const turns = conversation("Hi", "Hello", "Bye", "See you");
    expect(learned(turns, { maskHistory: true })).toBe("… See you∎");
  });

  test("is everything but the start token if prompts are trained on", () => {
    expect(learned(conversation("Hi", "Hello"), { trainOnPrompts: true })).toBe(
      "Alice: Hi\nBob: Hello∎",
    );
    expect(learned(answer("a", "b"), { trainOnPrompts: true }, micro)).toBe("…ab∎");
  });

  test("is all of a document but the start token", () => {
    expect(learned(example({ text: "One. Two." }))).toBe("One. Two.∎");
    expect(learned(example({ text: "One. Two." }), {}, micro)).toBe("…One. Two.∎");
  });

  test("of a preference is each answer", () => {
    const given = example({ prompt: "2 + 2 =", chosen: " 4", rejected: " 5" });
    const [chosen, rejected] = previewExample(given, phi2);
    expect(chosen?.map(({ text }) => text)).toEqual(["2", " +", " 2", " =", " 4", "<|endoftext|>"]);
    expect(rejected?.filter((token) => token.learned).map(({ id }) => id)).toEqual([642, END]);
  });
});

describe("training sees what generation sees", () => {
  const line = fc.stringMatching(/^[a-zA-Z0-9 .,:;'"!?()\-éß中🚢\n\t]{1,30}$/u);
  const spoken = line.filter((text) => text.trim() !== "");

  test("the ids before an answer are those of the prompt alone, in each format", () => {
    fc.assert(
      fc.property(spoken, spoken, fc.constantFrom("text", "code", "qa", "chat"), (q, a, format) => {
        for (const tokenizer of [phi2, micro]) {
          const tokens = previewExample(answer(q, a), tokenizer, { format })[0]!;
          const given = tokens.filter(({ role }) => role === "prompt").map(({ id }) => id);
          const { prompt } = formatPrompt(q, format, { tokenizer });
          expect(given).toEqual(tokenizer.promptIds(prompt));
        }
      }),
    );
  });

  test("and so before every answer of a conversation", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(spoken, spoken), { minLength: 1, maxLength: 4 }), (pairs) => {
        const texts = pairs.flat();
        const turns = texts.map((text, i): ChatTurn => ({
          role: i % 2 ? "assistant" : "user",
          text,
        }));
        for (const tokenizer of [phi2, micro]) {
          const tokens = previewExample(conversation(...texts), tokenizer)[0]!;
          const ids = tokens.map(({ id }) => id);
          for (let i = 1; i < turns.length; i += 2) {
            const prompt = tokenizer.promptIds(chatPrompt(turns.slice(0, i)).prompt);
            expect(ids.slice(0, prompt.length)).toEqual(prompt);
            expect(tokens[prompt.length]).toMatchObject({ role: "answer", learned: true });
          }
        }
      }),
    );
  });

  test("newlines that a code prompt loses are the answer's first", () => {
    const given = answer("def f():\n", "    return 1");
    expect(learned(given, { format: "code" }, micro)).toBe("…\n    return 1∎");
    expect(learned(given, { format: "code" }, phi2)).toBe("…    return 1∎"); // keeps them in the prompt
  });
});

describe("borders that the tokenizer would join", () => {
  const joins = (given: Example, options: TemplateOptions = {}): boolean => {
    const [parts = []] = renderExample(given, options);
    return joinsParts(parts, encodeParts(parts, phi2), phi2);
  };

  test("are found where a prompt ends in a space or within a word", () => {
    expect(joins(answer("The answer is ", "four"))).toBe(true);
    expect(joins(answer("The answ", "er is"))).toBe(true);
    expect(joins(answer("The answer is", " four"))).toBe(false);
  });

  test("do not occur in qa, in chat, and in documents", () => {
    expect(joins(answer("The answer is ", "four"), { format: "qa" })).toBe(false);
    expect(joins(conversation("Hi ", " Hello", "... ", "'s"))).toBe(false);
    expect(joins(example({ text: "a b" }))).toBe(false);
  });
});

describe("a preview", () => {
  test("shows each token, whose it is, and what is learned", () => {
    const [tokens = []] = previewExample(answer("2 + 2 =", " 4"), phi2);
    expect(tokens.map(({ role, learned: counts }) => [role, counts])).toEqual([
      ...Array<[string, boolean]>(4).fill(["prompt", false]),
      ["answer", true],
      ["end", true],
    ]);
  });

  test("is readable without colours, and harmless", () => {
    const colors = colorsFor({ write: () => undefined }, {});
    const [tokens = []] = previewExample(answer("2 + 2 =\n", "\u001b[2J4"), phi2);
    expect(formatPreview(tokens, colors)).toBe("2| +| 2| =|⏎⟦␛|[|2|J|4|<|endoftext|>⟧");
  });
});

describe("what does not fit a format", () => {
  test.each(["qa", "text", "code"] as const)("a conversation is no %s", (format) => {
    expect(() => renderExample(conversation("a", "b", "c", "d"), { format })).toThrow(RowProblem);
    expect(() => renderExample(conversation("a", "b", "c", "d"), { format })).toThrow(
      `the format ${format} holds one question and its answer, and this has 4 turns; use the format chat`,
    );
  });

  test("answers need a tokenizer with an end token", async () => {
    const bare = await loadFiles({
      "tokenizer.json": phi2TokenizerJson().replaceAll("<|endoftext|>", "<|other|>"),
    });
    expect(() => previewExample(answer("a", "b"), bare)).toThrow(/has no end token/);
  });
});

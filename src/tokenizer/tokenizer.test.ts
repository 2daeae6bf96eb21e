import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import {
  directoryWith,
  fixtureLines,
  HuggingFaceTokenizer,
  PHI_MICRO,
  phi2TokenizerJson,
} from "../../test/support/tokenizers.ts";
import { loadTokenizer, type Tokenizer } from "./index.ts";

/** What of a text UTF-8 can hold: lone surrogates become U+FFFD. */
const wellFormed = (text: string): string => Buffer.from(text, "utf8").toString("utf8");

let phi2: Tokenizer;
let micro: Tokenizer;

beforeAll(async () => {
  using directory = directoryWith({ "tokenizer.json": phi2TokenizerJson() });
  phi2 = await loadTokenizer(directory.path);
  micro = await loadTokenizer(PHI_MICRO);
});

/** Text as prompts have it and as they do not: runs of spaces, code, all of Unicode, control characters. */
const pieces = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom(" ", "\t", "\n", "\r\n").chain(repeated) },
  {
    weight: 2,
    arbitrary: fc.constantFrom("the", " the", "def f(x):", "'s", "'ll", "123", "é", "中文"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "\0", "\u0085", "\ufeff", "\u200b", "\u3000"),
  },
  { weight: 1, arbitrary: fc.constantFrom("<|endoftext|>", "<|endoftext", "|>", "Ġ", "Ċ") },
);
const texts = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""));

function repeated(unit: string): fc.Arbitrary<string> {
  return fc.integer({ min: 1, max: 70 }).map((times) => unit.repeat(times));
}

describe("Phi-2's tokenizer", () => {
  test("gives the ids of Hugging Face's tokenizers on all reference texts", () => {
    const cases = fixtureLines<{ text: string; ids: number[] }>("tokenizer.jsonl");
    expect(cases).toHaveLength(175);
    for (const { text, ids } of cases)
      expect(phi2.encode(text, { parseSpecial: true }), JSON.stringify(text)).toEqual(ids);
  });

  test.each([
    [
      "Can you provide ways to eat combinations of bananas and dragonfruits?",
      [6090, 345, 2148, 2842, 284, 4483, 17790, 286, 35484, 290, 10441, 69, 50187, 30],
    ],
    [
      "What about solving an 2x + 3 = 7 equation?",
      [2061, 546, 18120, 281, 362, 87, 1343, 513, 796, 767, 16022, 30],
    ],
    ["Hello World", [15496, 2159]],
    ["  Hello World", [50286, 15496, 2159]],
    [
      "the brown fox jumped over the lazy dog!\r\n",
      [1169, 7586, 21831, 11687, 625, 262, 16931, 3290, 0, 201, 198],
    ],
  ])("gives the ids of Microsoft's own port for %j", (text, ids) => {
    expect(phi2.encode(text)).toEqual(ids);
  });

  test("has 50,295 tokens, of which <|endoftext|> starts and ends documents, and adds none to prompts", () => {
    expect(phi2.vocabSize).toBe(50295);
    expect(phi2.bosTokenId).toBe(50256);
    expect(phi2.eosTokenId).toBe(50256);
    expect(phi2.addBosToken).toBe(false);
    expect(phi2.promptIds("Hello World")).toEqual([15496, 2159]);
  });

  test("takes runs of 2 to 31 spaces and 2 to 9 tabs as one token, the longest first", () => {
    for (let n = 2; n <= 31; n++) expect(phi2.encode(" ".repeat(n))).toEqual([50257 + 31 - n]);
    for (let n = 2; n <= 9; n++) expect(phi2.encode("\t".repeat(n))).toEqual([50287 + 9 - n]);
    expect(phi2.encode(" ".repeat(33))).toEqual([50257, 50286]);
  });

  test("counts U+0085 as white space and U+FEFF as a sign, as Unicode does and JavaScript's \\s does not", () => {
    // " \u0085a" is a space, a line break and a word; with \s it would be " \u0085" and "a".
    expect(phi2.encode(" \u0085a")).toEqual([...phi2.encode(" "), ...phi2.encode("\u0085"), 64]);
    expect(phi2.encode("\ufeff's")).not.toContain(338); // "\ufeff'" is one word, so no " 's"
  });
});

describe("phi-micro's tokenizer", () => {
  test("gives the ids of the reference prompts, with the start token in front", () => {
    const fixture = join(import.meta.dirname, "../../test/fixtures/phi-micro.json");
    const prompts = JSON.parse(readFileSync(fixture, "utf8")) as {
      prompt: string;
      ids: number[];
      greedy_ids: number[];
      greedy_text: string;
    }[];
    expect(prompts).toHaveLength(10);
    for (const { prompt, ids, greedy_ids, greedy_text } of prompts) {
      expect(micro.promptIds(prompt)).toEqual(ids);
      expect(micro.encode(prompt)).toEqual(ids.slice(1));
      expect(micro.decode(greedy_ids.filter((id) => id !== micro.eosTokenId))).toBe(greedy_text);
    }
  });
});

describe("special tokens in a text", () => {
  test("are ordinary text unless asked for", () => {
    const ids = phi2.encode("a<|endoftext|>b");
    expect(ids).not.toContain(50256);
    expect(phi2.decode(ids)).toBe("a<|endoftext|>b");
    expect(phi2.encode("a<|endoftext|>b", { parseSpecial: true })).toEqual([64, 50256, 65]);
  });

  test("never come out of any text", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(phi2.encode(text)).not.toContain(50256);
        expect(micro.encode(text)).not.toContain(0);
      }),
    );
  });
});

describe("encoding", () => {
  test("equals Hugging Face's JavaScript library on random text without U+0085 and U+FEFF", () => {
    const plain = texts.map((text) => wellFormed(text).replace(/[\u0085\ufeff]/g, ""));
    const sources: [Tokenizer, string][] = [
      [phi2, phi2TokenizerJson()],
      [micro, readFileSync(join(PHI_MICRO, "tokenizer.json"), "utf8")],
    ];
    for (const [ours, json] of sources) {
      const theirs = new HuggingFaceTokenizer(JSON.parse(json), {});
      fc.assert(
        fc.property(plain, (text) => {
          expect(ours.encode(text, { parseSpecial: true })).toEqual(theirs.encode(text).ids);
        }),
        { numRuns: 300 },
      );
    }
  });

  const surrogates = fc
    .array(fc.constantFrom("\ud800", "\udc00", "a", " ", "\ud83d\ude42"), { maxLength: 10 })
    .map((parts) => parts.join(""));

  test("is undone by decoding; lone surrogates come back as U+FFFD", () => {
    const any = fc.oneof(texts, fc.string({ unit: "binary", maxLength: 200 }), surrogates);
    fc.assert(
      fc.property(any, (text) => {
        for (const tokenizer of [phi2, micro]) {
          expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed(text));
          expect(tokenizer.decode(tokenizer.encode(text, { parseSpecial: true }))).toBe(
            wellFormed(text),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  test("takes a million letters without a space in well under the time of a quadratic merge", () => {
    const text = "ab".repeat(500_000);
    expect(phi2.decode(phi2.encode(text))).toBe(text);
  });

  test("does not depend on what was encoded before", async () => {
    using directory = directoryWith({ "tokenizer.json": phi2TokenizerJson() });
    const fresh = await loadTokenizer(directory.path);
    const words = Array.from({ length: 70_000 }, (_, i) => ` w${i}`).join("");
    const before = fresh.encode(" w12 naïve");
    fresh.encode(words); // more words than the cache holds
    expect(fresh.encode(" w12 naïve")).toEqual(before);
  });
});

describe("decoding token by token", () => {
  const idLists = (tokenizer: Tokenizer): fc.Arbitrary<number[]> =>
    fc.oneof(
      texts.map((text) => tokenizer.encode(text)),
      fc.array(fc.nat(tokenizer.vocabSize - 1), { maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 256 }), { maxLength: 40 }), // single bytes: mostly no UTF-8
    );

  test("adds up to the text of all tokens", () => {
    for (const tokenizer of [phi2, micro])
      fc.assert(
        fc.property(idLists(tokenizer), (ids) => {
          const decoder = tokenizer.decoder();
          const text = ids.map((id) => decoder.push(id)).join("") + decoder.flush();
          expect(text).toBe(tokenizer.decode(ids));
        }),
        { numRuns: 500 },
      );
  });

  test("emits a character when its last byte has come, not before", () => {
    const ids = phi2.encode("🙂");
    expect(ids.length).toBeGreaterThan(1);
    const decoder = phi2.decoder();
    const parts = ids.map((id) => decoder.push(id));
    expect(parts.slice(0, -1).join("")).toBe("");
    expect(parts.at(-1)).toBe("🙂");
    expect(decoder.flush()).toBe("");
  });

  test("ends an unfinished character as U+FFFD and starts afresh", () => {
    const [first] = phi2.encode("🙂");
    const decoder = phi2.decoder();
    expect(decoder.push(first!)).toBe("");
    expect(decoder.flush()).toBe("\ufffd");
    expect(decoder.push(64)).toBe("a");
  });

  test("keeps a byte order mark", () => {
    expect(phi2.decode(phi2.encode("\ufeffBOM"))).toBe("\ufeffBOM");
  });
});

describe("single tokens", () => {
  test("their bytes, joined, are the text's UTF-8", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = phi2.encode(text).map((id) => phi2.tokenBytes(id));
        expect(Buffer.concat(bytes)).toEqual(Buffer.from(text, "utf8"));
      }),
    );
  });

  test("are shown as text, with bytes that are no UTF-8 in brackets and padding as unused", () => {
    expect(phi2.tokenText(15496)).toBe("Hello");
    expect(phi2.tokenText(50286)).toBe("  ");
    expect(phi2.tokenText(50256)).toBe("<|endoftext|>");
    expect(phi2.encode("\u0085").map((id) => phi2.tokenText(id))).toEqual(["⟨C2⟩", "⟨85⟩"]);
    expect(phi2.tokenText(8582)).toBe("⟨F0⟩⟨9F⟩");
    expect(phi2.tokenText(50295)).toBe("⟨unused 50295⟩");
  });

  test.each([50295, 51199, -1, 1.5, Number.NaN])("%d has no bytes and no text", (id) => {
    expect(() => phi2.decode([id])).toThrow(
      expect.objectContaining({ code: "bad_input", message: `there is no token ${id}` }),
    );
    expect(() => phi2.tokenBytes(id)).toThrow(/there is no token/);
    expect(() => phi2.decoder().push(id)).toThrow(/there is no token/);
  });

  test("can be changed by the caller without harm", () => {
    phi2.tokenBytes(15496).fill(0);
    expect(phi2.tokenText(15496)).toBe("Hello");
  });
});

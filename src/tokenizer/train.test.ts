import { readFileSync } from "node:fs";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { HuggingFaceTokenizer, loadFiles } from "../../test/support/tokenizers.ts";
import { spellByte } from "./byte-alphabet.ts";
import { tokenizerFiles, tokenizerFromGguf } from "./index.ts";
import { eachWord } from "./pretokenize.ts";
import { trainTokenizer, type TokenizerTraining } from "./train.ts";

interface Case {
  name: string;
  texts: string[];
  vocab_size: number;
  min_frequency: number;
  tokens: string[];
  merges: [string, string][];
  ids: number[][];
}

const cases = JSON.parse(
  readFileSync(new URL("../../test/fixtures/tokenizer-training.json", import.meta.url), "utf8"),
) as Case[];

describe("against Hugging Face's trainer (reference/train_tokenizer.py)", () => {
  test.each(cases)("$name: the same merges in the same order, the same ids", async (expected) => {
    const { data } = await trainTokenizer(expected.texts, {
      vocabSize: expected.vocab_size,
      minFrequency: expected.min_frequency,
    });
    expect(data.merges).toEqual(expected.merges);
    expect(data.tokens).toEqual(expected.tokens);
    const tokenizer = tokenizerFromGguf(data);
    expect(expected.texts.map((text) => tokenizer.encode(text))).toEqual(expected.ids);
  });

  test("the written files are read back by philab and by Hugging Face with the same ids", async () => {
    for (const { texts, vocab_size, min_frequency, ids } of cases) {
      const options = { vocabSize: vocab_size, minFrequency: min_frequency, addBosToken: true };
      const files = tokenizerFiles((await trainTokenizer(texts, options)).data);
      const ours = await loadFiles(files);
      const theirs = new HuggingFaceTokenizer(
        files["tokenizer.json"],
        files["tokenizer_config.json"],
      );
      expect(texts.map((text) => ours.encode(text))).toEqual(ids);
      expect(texts.map((text) => theirs.encode(text).ids)).toEqual(ids);
      expect([ours.bosTokenId, ours.eosTokenId, ours.addBosToken]).toEqual([0, 0, true]);
      expect(ours.encode("<|endoftext|>", { parseSpecial: true })).toEqual([0]);
      expect(ours.promptIds("a")[0]).toBe(0);
    }
  });
});

/** The rule itself, without any of the trainer's bookkeeping: count all pairs anew before each merge. */
function mergesByCounting(
  texts: readonly string[],
  options: TokenizerTraining,
): [string, string][] {
  const alphabet = Array.from({ length: 256 }, (_, byte) => spellByte(byte)).sort();
  const tokens = ["<|endoftext|>", ...alphabet];
  const counts = new Map<string, number>();
  for (const text of texts)
    eachWord(text, (word) => void counts.set(word, (counts.get(word) ?? 0) + 1));
  const words = [...counts].map(([word, count]) => ({
    count,
    ids: [...Buffer.from(word)].map((byte) => tokens.indexOf(spellByte(byte))),
  }));
  const merges: [string, string][] = [];
  while (tokens.length < options.vocabSize) {
    const pairs = new Map<string, { left: number; right: number; count: number }>();
    for (const { ids, count } of words)
      for (let i = 1; i < ids.length; i++) {
        const [left, right] = [ids[i - 1]!, ids[i]!];
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pairs.set(`${left} ${right}`, { ...pair, count: pair.count + count });
      }
    const best = [...pairs.values()].sort(
      (a, b) => b.count - a.count || a.left - b.left || a.right - b.right,
    )[0];
    if (best === undefined || best.count < Math.max(1, options.minFrequency ?? 2)) break;
    const [left, right] = [tokens[best.left]!, tokens[best.right]!];
    if (tokens.includes(left + right)) throw new Error("made twice");
    tokens.push(left + right);
    merges.push([left, right]);
    for (const word of words)
      for (let i = 1; i < word.ids.length; i++)
        if (word.ids[i - 1] === best.left && word.ids[i] === best.right)
          word.ids.splice(i - 1, 2, tokens.length - 1);
  }
  return merges;
}

describe("learning merges", () => {
  test("is counting all pairs and joining the most frequent, whatever the text", async () => {
    const word = fc.string({
      unit: fc.constantFrom("a", "b", "é", "1"),
      minLength: 1,
      maxLength: 6,
    });
    const text = fc.array(word, { maxLength: 12 }).map((words) => words.join(" "));
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        async (texts, minFrequency) => {
          fc.pre(texts.some((t) => t !== ""));
          const options = { vocabSize: 257 + 12, minFrequency };
          let expected: [string, string][];
          try {
            expected = mergesByCounting(texts, options);
          } catch {
            return; // a token made in two ways has a history that counting anew does not know
          }
          expect((await trainTokenizer(texts, options)).data.merges).toEqual(expected);
        },
      ),
    );
  });

  test("does not depend on how equal words are spread over texts", async () => {
    const words = "one two one three two one".split(" ");
    const together = await trainTokenizer([words.join("\n")], { vocabSize: 300 });
    const apart = await trainTokenizer(
      words.flatMap((w, i) => (i === 0 ? [w] : ["\n", w])),
      {
        vocabSize: 300,
      },
    );
    expect(apart.data.merges).toEqual(together.data.merges);
  });

  test("ends early, with fewer tokens than asked for, when pairs are too rare", async () => {
    const { data } = await trainTokenizer(["abab abab"], { vocabSize: 1000, minFrequency: 2 });
    expect(data.merges).toEqual([
      ["a", "b"],
      ["ab", "ab"],
    ]);
    expect(data.tokens).toHaveLength(259);
  });

  test("counts its texts, and the tokens it cuts them into", async () => {
    const texts = ["the the thé", "\n"];
    const { data, ...counted } = await trainTokenizer(texts, { vocabSize: 300 });
    const tokenizer = tokenizerFromGguf(data);
    const tokens = texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0);
    expect(counted).toEqual({ bytes: 13, words: 4, differentWords: 4, tokens });
  });

  test("reads texts as they come and tells how far it is", async () => {
    async function* slowly(): AsyncGenerator<string> {
      for (const text of ["a b", "b c"]) {
        await new Promise((resolve) => setTimeout(resolve, 60));
        yield text;
      }
    }
    const seen: object[] = [];
    await trainTokenizer(slowly(), { vocabSize: 260, onProgress: (at) => seen.push(at) });
    expect(seen).toContainEqual({ bytes: 3 });
  });
});

describe("special tokens", () => {
  test("come first; text never becomes one, even where its letters would", async () => {
    const specialTokens = ["<|endoftext|>", "pad"];
    const { data } = await trainTokenizer(["pad pad pad pads"], { vocabSize: 300, specialTokens });
    expect(data.tokens.slice(0, 2)).toEqual(specialTokens);
    const tokenizer = tokenizerFromGguf(data);
    expect(tokenizer.encode("pad pad")).not.toContain(1);
    expect(tokenizer.decode(tokenizer.encode("pad pad"))).toBe("pad pad");
    expect(tokenizer.encode("pad", { parseSpecial: true })).toEqual([1]);
  });

  test("can be left out", async () => {
    const { data } = await trainTokenizer(["aa aa"], { vocabSize: 258, specialTokens: [] });
    expect(data.merges).toEqual([["a", "a"]]);
    expect([data.bosTokenId, data.eosTokenId]).toEqual([undefined, undefined]);
  });

  test.each(["", "a", "x|x"])("%j cannot be one, or not twice", async (token) => {
    const specialTokens = token === "x|x" ? [token, token] : [token];
    await expect(trainTokenizer(["a"], { vocabSize: 300, specialTokens })).rejects.toMatchObject({
      code: "bad_input",
      message: expect.stringContaining(JSON.stringify(token)) as string,
    });
  });
});

describe("wrong requests", () => {
  test.each([256, 10.5, 1e9])("a vocabulary of %d is refused", async (vocabSize) => {
    await expect(trainTokenizer(["a"], { vocabSize })).rejects.toThrow(
      `a vocabulary of ${vocabSize}: it must have from 257`,
    );
  });

  test.each([[[]], [[""]]])("no text in %j is refused", async (texts) => {
    await expect(trainTokenizer(texts, { vocabSize: 300 })).rejects.toThrow("there is no text");
  });

  test("an abort ends it", async () => {
    async function* forever(): AsyncGenerator<string> {
      for (let i = 0; ; i++) yield await Promise.resolve(`text ${i}`);
    }
    const signal = AbortSignal.timeout(20);
    await expect(trainTokenizer(forever(), { vocabSize: 300, signal })).rejects.toMatchObject({
      code: "interrupted",
    });
  });
});

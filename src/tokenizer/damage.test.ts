import { readFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

import { loadFiles, PHI_MICRO, type TokenizerJson } from "../../test/support/tokenizers.ts";
import { LabError } from "../base/errors.ts";
import {
  loadTokenizer,
  readTokenizerData,
  tokenizerFromGguf,
  type TokenizerData,
} from "./index.ts";

const microFile = readFileSync(join(PHI_MICRO, "tokenizer.json"), "utf8");
const microConfig = readFileSync(join(PHI_MICRO, "tokenizer_config.json"), "utf8");
const micro = (): TokenizerJson => JSON.parse(microFile) as TokenizerJson;

const code = (expected: string): unknown =>
  expect.objectContaining({ name: "LabError", code: expected });
const error = (expected: string, message: RegExp): unknown =>
  expect.objectContaining({
    name: "LabError",
    code: expected,
    message: expect.stringMatching(message) as string,
  });

describe("a directory that does not hold a readable tokenizer", () => {
  test("is not_found when files are missing", async () => {
    await expect(loadFiles({})).rejects.toEqual(
      error("not_found", /has no tokenizer: neither tokenizer.json/),
    );
    await expect(loadFiles({ "vocab.json": { a: 0 } })).rejects.toEqual(code("not_found"));
    await expect(loadTokenizer("/does/not/exist")).rejects.toEqual(code("not_found"));
  });

  const json = micro();
  const { model } = json;
  const withModel = (changes: object): object => ({ ...json, model: { ...model, ...changes } });
  const bad: [string, Record<string, unknown>, RegExp][] = [
    ["no JSON", { "tokenizer.json": microFile.slice(0, 5000) }, /it is no JSON/],
    ["a list", { "tokenizer.json": [] }, /the file is a list of 0, not an object/],
    ["no model", { "tokenizer.json": { ...json, model: undefined } }, /model is missing/],
    [
      "no merges",
      { "tokenizer.json": withModel({ merges: null }) },
      /model.merges is null, not a list/,
    ],
    [
      "no tokens",
      { "tokenizer.json": { ...withModel({ vocab: {} }), added_tokens: [] } },
      /it has no tokens/,
    ],
    [
      "an id used twice",
      { "tokenizer.json": withModel({ vocab: { ...model.vocab, "!": 2 } }) },
      /id 2 is given to "!" and to "\\""/,
    ],
    [
      "an id without token",
      { "tokenizer.json": withModel({ vocab: { ...model.vocab, extra: 3000 } }) },
      /no token has the id 2048/,
    ],
    [
      "a huge id",
      { "tokenizer.json": withModel({ vocab: { ...model.vocab, extra: 4e9 } }) },
      /the id of token "extra" is 4000000000/,
    ],
    [
      "a text as id",
      { "tokenizer.json": withModel({ vocab: { ...model.vocab, "!": "1" } }) },
      /the id of token "!" is 1/,
    ],
    [
      "an empty token",
      { "tokenizer.json": { ...json, added_tokens: [{ id: 2048, content: "" }] } },
      /token 2048 is empty/,
    ],
    [
      "a merge of three",
      { "tokenizer.json": withModel({ merges: ["a b c"] }) },
      /merge 0 is "a b c", not a pair/,
    ],
    [
      "a merge that is no text",
      { "tokenizer.json": withModel({ merges: [["a", 1]] }) },
      /merge 0 is a list of 2, not a pair/,
    ],
    [
      "a merge of an unknown token",
      { "tokenizer.json": withModel({ merges: [["a", "\u0120\u0120\u0120q"]] }) },
      /merge 0 needs the token/,
    ],
    [
      "a merge into an unknown token",
      { "tokenizer.json": withModel({ merges: [["Q", "Z"]] }) },
      /merge 0 needs the token "QZ"/,
    ],
    [
      "a start token outside the vocabulary",
      { "tokenizer.json": json, "tokenizer_config.json": { bos_token: "<s>" } },
      /special token "<s>" is not in the vocabulary/,
    ],
    [
      "a damaged tokenizer_config.json",
      { "tokenizer.json": json, "tokenizer_config.json": "{" },
      /tokenizer_config.json: it is no JSON/,
    ],
    [
      "a wrong add_bos_token",
      { "tokenizer.json": json, "tokenizer_config.json": { add_bos_token: "yes" } },
      /add_bos_token is "yes", not true or false/,
    ],
    [
      "a broken merges.txt",
      { "vocab.json": model.vocab, "merges.txt": "#version: 0.2\na b\nab\n" },
      /merge [01] (is|needs)/,
    ],
  ];
  test.each(bad)("%s is corrupt_file", async (_, files, message) => {
    await expect(loadFiles(files)).rejects.toEqual(error("corrupt_file", message));
  });

  const other: [string, Record<string, unknown>][] = [
    ["WordPiece", withModel({ type: "WordPiece" }) as Record<string, unknown>],
    ["byte fallback", withModel({ byte_fallback: true }) as Record<string, unknown>],
    [
      "whole words first (ignore_merges)",
      withModel({ ignore_merges: true }) as Record<string, unknown>,
    ],
    ["dropout", withModel({ dropout: 0.1 }) as Record<string, unknown>],
    ["a word suffix", withModel({ end_of_word_suffix: "</w>" }) as Record<string, unknown>],
    ["a normalizer", { ...json, normalizer: { type: "NFC" } }],
    ["another pre-tokenizer", { ...json, pre_tokenizer: { type: "Metaspace" } }],
    ["no pre-tokenizer", { ...json, pre_tokenizer: null }],
    [
      "a space before every text",
      { ...json, pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } },
    ],
    [
      "no splitting into words",
      { ...json, pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false } },
    ],
    ["another post-processor", { ...json, post_processor: { type: "BertProcessing" } }],
    [
      "tokens that swallow spaces",
      { ...json, added_tokens: [{ id: 0, content: "<|endoftext|>", lstrip: true }] },
    ],
  ];
  test.each(other)("%s is unsupported", async (_, file) => {
    await expect(loadFiles({ "tokenizer.json": file })).rejects.toEqual(code("unsupported"));
  });

  test("of any kind of damage gives a LabError or a tokenizer, nothing else", async () => {
    const damage = fc.record({
      at: fc.nat(microFile.length - 1),
      length: fc.nat(40),
      by: fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom("null", "1e99", '"', "}", "[", "-1", "{}"),
      ),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, length, by }) => {
        const text = microFile.slice(0, at) + by + microFile.slice(at + length);
        await loadOrLabError({ "tokenizer.json": text, "tokenizer_config.json": microConfig });
      }),
      { numRuns: 150 },
    );
  });

  test("whatever JSON stands in any of its fields, gives a LabError or a tokenizer, nothing else", async () => {
    const paths = [
      "model",
      "model.vocab",
      "model.merges",
      "model.type",
      "added_tokens",
      "pre_tokenizer",
      "post_processor",
      "normalizer",
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue(), async (path, value) => {
        const file: Record<string, unknown> = micro();
        const [first = "", second] = path.split(".");
        if (second === undefined) file[first] = value;
        else file[first] = { ...(file[first] as object), [second]: value };
        await loadOrLabError({ "tokenizer.json": file });
        await loadOrLabError({
          "tokenizer.json": microFile,
          "tokenizer_config.json": value,
          "special_tokens_map.json": { bos_token: value },
        });
      }),
      { numRuns: 150 },
    );
  });

  async function loadOrLabError(files: Record<string, unknown>): Promise<void> {
    try {
      (await loadFiles(files)).encode("def f(x):\n    return x");
    } catch (failure) {
      expect(failure).toBeInstanceOf(LabError);
      expect(["corrupt_file", "unsupported", "bad_input"]).toContain((failure as LabError).code);
    }
  }
});

describe("a GGUF's arrays", () => {
  let data: TokenizerData;
  beforeAll(async () => {
    data = await readTokenizerData(PHI_MICRO);
  });

  test.each<[string, (data: TokenizerData) => object, string]>([
    ["another model", () => ({ model: "llama" }), "unsupported"],
    ["another splitting rule", () => ({ pre: "llama-bpe" }), "unsupported"],
    ["too few types", () => ({ tokenTypes: [1, 1] }), "corrupt_file"],
    ["an unknown type", ({ tokens }) => ({ tokenTypes: tokens.map(() => 9) }), "corrupt_file"],
    ["types as text", () => ({ tokenTypes: "normal" }), "corrupt_file"],
    ["tokens that are no texts", () => ({ tokens: [1, 2] }), "corrupt_file"],
    ["no list of tokens", () => ({ tokens: 5 }), "corrupt_file"],
    ["no list of merges", () => ({ merges: "a b" }), "corrupt_file"],
    ["a start token beyond the last", () => ({ bosTokenId: 2048 }), "corrupt_file"],
    ["a text as end token", () => ({ eosTokenId: "0" }), "corrupt_file"],
    [
      "a start token that is asked for but not named",
      () => ({ bosTokenId: undefined }),
      "corrupt_file",
    ],
    ["a number as add_bos_token", () => ({ addBosToken: 1 }), "corrupt_file"],
    [
      "the same token twice",
      ({ tokens }) => ({ tokens: tokens.with(5, tokens[6]!) }),
      "corrupt_file",
    ],
  ])("with %s are refused", (_, change, expected) => {
    const changed = { ...data, ...change(data) };
    expect(() => tokenizerFromGguf(changed)).toThrow(code(expected));
  });

  test("may name Phi's splitting rule or none", () => {
    for (const pre of ["phi-2", "gpt-2", "default"])
      expect(tokenizerFromGguf({ ...data, pre }).encode("a b")).toHaveLength(2);
  });

  test("without a token for some byte refuse text with that byte only", () => {
    const tokens = data.tokens.with(data.tokens.indexOf("\u00c3"), "<no C3>");
    const tokenizer = tokenizerFromGguf({ ...data, tokens, merges: [] });
    expect(tokenizer.decode(tokenizer.encode("plain"))).toBe("plain");
    expect(() => tokenizer.encode("é")).toThrow(error("bad_input", /no token for the byte 0xC3/));
  });
});

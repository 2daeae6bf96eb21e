import { readFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import {
  directoryWith,
  fixtureLines,
  HuggingFaceTokenizer,
  loadFiles,
  PHI_MICRO,
  phi2TokenizerJson,
  type TokenizerJson,
} from "../../test/support/tokenizers.ts";
import {
  readTokenizerData,
  TOKEN_TYPE,
  tokenizerFiles,
  tokenizerFromGguf,
  type Tokenizer,
  type TokenizerData,
} from "./index.ts";

const microFile = readFileSync(join(PHI_MICRO, "tokenizer.json"), "utf8");
const microConfig = readFileSync(join(PHI_MICRO, "tokenizer_config.json"), "utf8");
const micro = (): TokenizerJson => JSON.parse(microFile) as TokenizerJson;

describe("every file format of Phi-2's tokenizer", () => {
  let json: TokenizerJson;
  let data: TokenizerData;
  const samples = fixtureLines<{ text: string; ids: number[] }>("tokenizer.jsonl");

  beforeAll(async () => {
    const text = phi2TokenizerJson();
    json = JSON.parse(text) as TokenizerJson;
    using directory = directoryWith({ "tokenizer.json": text });
    data = await readTokenizerData(directory.path);
  });

  function expectSameIds(tokenizer: Tokenizer): void {
    for (const { text, ids } of samples)
      expect(tokenizer.encode(text, { parseSpecial: true }), JSON.stringify(text)).toEqual(ids);
    expect([tokenizer.vocabSize, tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([
      50295, 50256, 50256,
    ]);
  }

  test("vocab.json, merges.txt and added_tokens.json give the same ids", async () => {
    const added = json.added_tokens.filter((token) => !token.special);
    const files = {
      "vocab.json": json.model.vocab,
      "merges.txt": `#version: 0.2\n${json.model.merges.map((pair) => pair.join(" ")).join("\n")}\n`,
      "added_tokens.json": Object.fromEntries(added.map(({ content, id }) => [content, id])),
    };
    expectSameIds(await loadFiles(files));
    expectSameIds(
      await loadFiles({ ...files, "merges.txt": files["merges.txt"].replaceAll("\n", "\r\n") }),
    );
  });

  test("vocab.json with added_tokens_decoder in tokenizer_config.json gives the same ids", async () => {
    expectSameIds(
      await loadFiles({
        "vocab.json": json.model.vocab,
        "merges.txt": json.model.merges.map((pair) => pair.join(" ")).join("\n"),
        "tokenizer_config.json": {
          added_tokens_decoder: Object.fromEntries(
            json.added_tokens.map((token) => [token.id, token]),
          ),
          bos_token: { content: "<|endoftext|>", lstrip: false },
          eos_token: "<|endoftext|>",
        },
      }),
    );
  });

  test("merges written as one text each give the same ids", async () => {
    json.model.merges = json.model.merges.map((pair) => pair.join(" ")) as never;
    expectSameIds(await loadFiles({ "tokenizer.json": json }));
  });

  test("a GGUF's arrays give the same ids, with or without types, and padding is no token", () => {
    const { tokenTypes, ...untyped } = data;
    expectSameIds(tokenizerFromGguf(data));
    expectSameIds(tokenizerFromGguf(untyped));
    const padding = Array.from({ length: 51200 - 50295 }, (_, i) => `[PAD${50295 + i}]`);
    const tokens = [...data.tokens, ...padding];
    for (const type of [TOKEN_TYPE.unused, TOKEN_TYPE.userDefined]) {
      const types = [...Array.from(tokenTypes!), ...padding.map(() => type)];
      expectSameIds(tokenizerFromGguf({ ...data, tokens, tokenTypes: Int32Array.from(types) }));
    }
  });

  test("a GGUF that calls <|endoftext|> an ordinary token still keeps it out of ordinary text", () => {
    const tokenTypes = Array.from(data.tokenTypes!);
    tokenTypes[50256] = TOKEN_TYPE.normal;
    const tokenizer = tokenizerFromGguf({ ...data, tokenTypes });
    expect(tokenizer.encode("<|endoftext|>")).not.toContain(50256);
    expectSameIds(tokenizer);
  });

  test("the files written from it give the same ids, in Hugging Face's library too", async () => {
    const files = tokenizerFiles(data);
    expectSameIds(await loadFiles(files));
    const theirs = new HuggingFaceTokenizer(files["tokenizer.json"], {});
    for (const { text, ids } of samples) expect(theirs.encode(text).ids).toEqual(ids);
  });
});

describe("the start token", () => {
  const hello = async (files: Record<string, unknown>): Promise<number[]> =>
    (await loadFiles(files)).promptIds("Hi");
  const tokenizerJson = microFile;
  const config = JSON.parse(microConfig) as object;

  test("is put before prompts exactly when tokenizer_config.json says so", async () => {
    const plain = (await loadFiles({ "tokenizer.json": tokenizerJson })).encode("Hi");
    expect(
      await hello({ "tokenizer.json": tokenizerJson, "tokenizer_config.json": config }),
    ).toEqual([0, ...plain]);
    for (const other of [
      { ...config, add_bos_token: false },
      { ...config, add_bos_token: null },
      {},
    ])
      expect(
        await hello({ "tokenizer.json": tokenizerJson, "tokenizer_config.json": other }),
      ).toEqual(plain);
    expect(await hello({ "tokenizer.json": tokenizerJson })).toEqual(plain);
  });

  test("is put before prompts when the post-processor does, unless tokenizer_config.json denies it", async () => {
    const template = (...parts: object[]): object => ({
      ...micro(),
      post_processor: {
        type: "Sequence",
        processors: [{ type: "ByteLevel" }, { type: "TemplateProcessing", single: parts }],
      },
    });
    const start = { SpecialToken: { id: "<|endoftext|>", type_id: 0 } };
    const text = { Sequence: { id: "A", type_id: 0 } };
    expect((await loadFiles({ "tokenizer.json": template(start, text) })).addBosToken).toBe(true);
    expect((await loadFiles({ "tokenizer.json": template(text) })).addBosToken).toBe(false);
    const denied = {
      "tokenizer.json": template(start, text),
      "tokenizer_config.json": { add_bos_token: false },
    };
    expect((await loadFiles(denied)).addBosToken).toBe(false);
    for (const parts of [[text, start], [start, start, text], [start]])
      await expect(loadFiles({ "tokenizer.json": template(...parts) })).rejects.toMatchObject({
        code: "unsupported",
      });
  });

  test("of a GGUF is put before prompts when add_bos_token says so", async () => {
    const data = await readTokenizerData(PHI_MICRO);
    expect(tokenizerFromGguf(data).promptIds("Hi")[0]).toBe(0);
    expect(tokenizerFromGguf({ ...data, addBosToken: false }).promptIds("Hi")[0]).not.toBe(0);
  });
});

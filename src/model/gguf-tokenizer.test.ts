import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GgufValue } from "../checkpoint/types.ts";
import { PHI_PRESETS, type PhiConfig } from "./config.ts";
import { tokenizerFilesFromGguf, tokenizerToGguf } from "./gguf-tokenizer.ts";

type Json = Record<string, unknown>;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "philab-tokenizer-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const phi2 = PHI_PRESETS["phi-2"];
const micro: PhiConfig = { ...phi2, vocabSize: 2048, bosTokenId: 0, eosTokenId: 0 };
const write = (name: string, value: unknown) =>
  writeFile(join(directory, name), typeof value === "string" ? value : JSON.stringify(value));
const readJson = async (path: string) => JSON.parse(await readFile(path, "utf8")) as Json;
const restore = (metadata: ReadonlyMap<string, GgufValue>) => {
  const files = tokenizerFilesFromGguf(metadata, { path: "x.gguf", contextLength: 2048 });
  // As a reader of the written files sees them.
  return new Map(
    [...files].map(([name, value]) => [name, JSON.parse(JSON.stringify(value)) as Json]),
  );
};

/** Phi-2's own tokenizer.json, in `directory`. */
async function phi2Tokenizer(): Promise<Json> {
  const packed = await readFile("test/fixtures/phi-2-tokenizer.json.gz");
  const text = gunzipSync(packed).toString();
  await write("tokenizer.json", text);
  return JSON.parse(text) as Json;
}

describe("tokenizerToGguf", () => {
  it("writes Phi-2's vocabulary as llama.cpp's converter does, padded to the embedding", async () => {
    await phi2Tokenizer();
    await write("tokenizer_config.json", { unk_token: "<|endoftext|>", add_bos_token: false });
    const metadata = await tokenizerToGguf(directory, phi2);
    const plain = Object.fromEntries([...metadata].map(([key, { value }]) => [key, value]));
    expect(plain).toMatchObject({
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "phi-2",
      "tokenizer.ggml.bos_token_id": 50_256,
      "tokenizer.ggml.eos_token_id": 50_256,
      "tokenizer.ggml.unknown_token_id": 50_256,
      "tokenizer.ggml.add_bos_token": false,
    });
    const tokens = plain["tokenizer.ggml.tokens"] as string[];
    const types = plain["tokenizer.ggml.token_type"] as Int32Array;
    expect([tokens.length, types.length]).toEqual([51_200, 51_200]);
    const at = (id: number) => [tokens[id], types[id]];
    expect(at(0)).toEqual(["!", 1]);
    expect(at(50_256)).toEqual(["<|endoftext|>", 3]);
    expect(at(50_257)).toEqual([" ".repeat(31), 4]);
    expect(at(50_294)).toEqual(["\t\t", 4]);
    expect(at(50_295)).toEqual(["[PAD50295]", 5]);
    const merges = plain["tokenizer.ggml.merges"] as string[];
    expect(merges).toHaveLength(50_000);
    expect(merges[0]).toBe("Ġ t");
  });

  it("carries a chat template, from either place, and named ones", async () => {
    await phi2Tokenizer();
    await write("chat_template.jinja", "from a file");
    const template = async () =>
      (await tokenizerToGguf(directory, phi2)).get("tokenizer.chat_template")?.value;
    expect(await template()).toBe("from a file");
    await write("tokenizer_config.json", { chat_template: "from the settings" });
    expect(await template()).toBe("from the settings");
    const named = [
      { name: "default", template: "plain" },
      { name: "tools", template: "with tools" },
    ];
    await write("tokenizer_config.json", { chat_template: named });
    expect(await template()).toBe("plain");
    const all = await tokenizerToGguf(directory, phi2);
    expect(all.get("tokenizer.chat_template.tools")?.value).toBe("with tools");
    expect(restore(all).get("tokenizer_config.json")?.["chat_template"]).toEqual(named);
  });

  it("tells llama.cpp that a model comes without a tokenizer", async () => {
    const metadata = await tokenizerToGguf(directory, micro);
    expect(Object.fromEntries([...metadata].map(([key, { value }]) => [key, value]))).toEqual({
      "phi2.vocab_size": 2048,
      "tokenizer.ggml.model": "no_vocab",
      "tokenizer.ggml.bos_token_id": 0,
      "tokenizer.ggml.eos_token_id": 0,
    });
    expect(restore(metadata).size).toBe(0);
  });

  it("refuses a tokenizer with more tokens than the model has rows", async () => {
    await phi2Tokenizer();
    await expect(tokenizerToGguf(directory, { ...phi2, vocabSize: 50_257 })).rejects.toMatchObject({
      code: "corrupt_file",
      message: `${directory}: the tokenizer has 50295 tokens, the model only 50257`,
    });
  });
});

describe("tokenizerFilesFromGguf", () => {
  it("restores Phi-2's tokenizer.json", async () => {
    const original = await phi2Tokenizer();
    const restored = restore(await tokenizerToGguf(directory, phi2)).get("tokenizer.json");
    for (const part of [
      "model",
      "added_tokens",
      "pre_tokenizer",
      "decoder",
      "normalizer",
      "post_processor",
    ])
      expect(restored?.[part], part).toEqual(original[part]);
  });

  it("restores the bundled model's, whose end token comes first", async () => {
    const restored = restore(await tokenizerToGguf("models/phi-micro", micro));
    const original = await readJson("models/phi-micro/tokenizer.json");
    expect(restored.get("tokenizer.json")).toEqual({
      ...original,
      post_processor: expect.anything() as unknown,
    });
    expect(restored.get("tokenizer_config.json")).toMatchObject({
      bos_token: "<|endoftext|>",
      add_bos_token: true,
      model_max_length: 2048,
    });
  });

  it("refuses what is no tokenizer of GPT-2's kind, and damaged ones", async () => {
    const good = await tokenizerToGguf("models/phi-micro", micro);
    const broken: [string, GgufValue | undefined, RegExp][] = [
      ["model", { type: "string", value: "llama" }, /tokenizer llama/],
      ["pre", { type: "string", value: "llama-bpe" }, /rule llama-bpe/],
      ["tokens", undefined, /no tokenizer\.ggml\.tokens/],
      ["merges", undefined, /no tokenizer\.ggml\.merges/],
      ["tokens", { type: "array", items: "string", value: ["a", "a"] }, /spelt alike/],
      ["merges", { type: "array", items: "string", value: ["a b c"] }, /"a b c" is no pair/],
      ["token_type", { type: "array", items: "int32", value: Int32Array.of(1) }, /token types/],
    ];
    for (const [name, value, message] of broken) {
      const metadata = new Map(good);
      if (value) metadata.set(`tokenizer.ggml.${name}`, value);
      else metadata.delete(`tokenizer.ggml.${name}`);
      expect(() => restore(metadata)).toThrow(message);
    }
  });
});

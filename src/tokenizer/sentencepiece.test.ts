/** Llama's tokenizer against SentencePiece and Hugging Face's (`reference/sentencepiece_tokenizer.py`). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/index.ts";
import { sentencePieceOf } from "../model/gguf-sentencepiece.ts";
import { fixture, readFixture } from "../../test/support/golden.ts";
import { loadFiles } from "../../test/support/tokenizers.ts";
import type { Tokenizer } from "./index.ts";

interface Case {
  text: string;
  ids: number[];
  metaspace?: number[];
  decoded?: string;
}

const cases = readFixture<Case[]>("sentencepiece/texts.json");
const json = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(fixture(`sentencepiece/${name}`), "utf8")) as Record<string, unknown>;

const fromJson = (changes: object = {}, name = "tokenizer.json"): Promise<Tokenizer> =>
  loadFiles({
    "tokenizer.json": { ...json(name), ...changes },
    "tokenizer_config.json": { bos_token: "<s>", eos_token: "</s>" },
  });

async function fromGguf(): Promise<Tokenizer> {
  const checkpoint = await openCheckpoint(fixture("sentencepiece/tokenizer.gguf"));
  if (checkpoint.format !== "gguf") throw new Error("a GGUF file");
  return sentencePieceOf(checkpoint);
}

describe("a SentencePiece tokenizer", () => {
  it("gives SentencePiece's ids, from tokenizer.json and from GGUF's scores", async () => {
    for (const tokenizer of [await fromJson(), await fromGguf()]) {
      expect(tokenizer).toMatchObject({ vocabSize: 600, bosTokenId: 1, eosTokenId: 2 });
      expect(tokenizer.promptIds("a")[0]).toBe(1);
      for (const { text, ids, decoded } of cases) {
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
        if (decoded !== undefined) expect(tokenizer.decode(ids)).toBe(decoded);
      }
    }
  });

  it("gives Hugging Face's ids of the form that transformers writes today", async () => {
    const tokenizer = await fromJson({}, "metaspace.json");
    for (const { text, metaspace } of cases)
      if (metaspace !== undefined)
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(metaspace);
  });

  it("reads special tokens in a text where it is told to, and a continuation as it is", async () => {
    const tokenizer = await fromJson();
    const [start, end] = [1, 2];
    const ids = tokenizer.encode("<s>a prompt</s>", { parseSpecial: true });
    expect([ids[0], ids.at(-1)]).toEqual([start, end]);
    const decoder = tokenizer.decoder();
    const text = tokenizer.encode("two — words").map((id) => decoder.push(id));
    expect(text.join("") + decoder.flush()).toBe(" two — words");
    expect(tokenizer.tokenText(3 + 0xc3)).toBe("⟨C3⟩");
    expect(() => tokenizer.decode([600])).toThrow("no token 600");
  });

  it("gives every text back", async () => {
    for (const tokenizer of [await fromJson(), await fromGguf()])
      fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
          fc.pre(!text.includes("▁")); // stands for a space
          const wellFormed = Buffer.from(text, "utf8").toString("utf8");
          expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed);
        }),
      );
  });

  it("refuses what it would read otherwise than Hugging Face's does", async () => {
    const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
    const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true };
    const refused: [object, string][] = [
      [{ normalizer: { type: "NFKC" } }, "normalizer"],
      [{ normalizer: null, pre_tokenizer: metaspace }, "that splits words"],
      [{ normalizer: replace, pre_tokenizer: { ...metaspace, split: false } }, "before Metaspace"],
    ];
    for (const [change, says] of refused) await expect(fromJson(change)).rejects.toThrow(says);
    const { model } = json("tokenizer.json") as { model: { vocab: Record<string, number> } };
    const vocab = Object.fromEntries(
      Object.entries(model.vocab).map(([token, id]) => [
        token === "<0x41>" ? "▁▁▁gone" : token,
        id,
      ]),
    );
    await expect(fromJson({ model: { ...model, vocab } })).rejects.toThrow("<0x41>");
    await expect(fromJson({ model: { ...model, merges: [["no", "such"]] } })).rejects.toThrow(
      "merge 0",
    );
  });
});

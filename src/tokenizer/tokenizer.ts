import { LabError } from "../base/errors.ts";
import { BytePairEncoder } from "./bpe.ts";
import { spellByte, unspell } from "./byte-alphabet.ts";
import {
  corruptTokenizer,
  requireGpt2,
  TOKEN_TYPE,
  tokenTypesOf,
  type TokenizerData,
} from "./data.ts";
import { describe } from "./json.ts";
import { MergeTable } from "./merge-table.ts";
import { AddedTokenSplitter, eachWord } from "./pretokenize.ts";
import { displayBytes, utf8Decoder, type IncrementalDecoder } from "./utf8.ts";

export interface EncodeOptions {
  /**
   * Read special tokens written in the text (`<|endoftext|>`) as those tokens; llama.cpp's `parse_special`.
   * False unless asked for: text from elsewhere must not be able to end a document. (Hugging Face's
   * tokenizers read them unless `split_special_tokens` is set.)
   */
  parseSpecial?: boolean;
}

/** Text ⇄ token ids. */
export interface Tokenizer {
  /** Number of tokens, added ones included. Ids from here to the model's V are padding: never sample them. */
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  /** Whether the model was trained with the start token before every document. */
  readonly addBosToken: boolean;
  /** The ids of a text, without start token. A lone surrogate counts as U+FFFD, as everywhere that JavaScript makes bytes. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The ids of a prompt: `encode`, after the start token where the model wants one. */
  promptIds(text: string, options?: EncodeOptions): number[];
  /** The text of some tokens; bytes that are no UTF-8 become U+FFFD. `bad_input` for an id without token. */
  decode(ids: Iterable<number>): string;
  /** The exact bytes of a token, which may be a part of a character. `bad_input` for an id without token. */
  tokenBytes(id: number): Uint8Array;
  /** A token for people to read: bytes that are no UTF-8 as ⟨C3⟩, padding as ⟨unused 50295⟩. */
  tokenText(id: number): string;
  /** A decoder for tokens that arrive one by one. */
  decoder(): IncrementalDecoder;
}

/** Byte-level BPE as CodeGen, GPT-2 and Phi-1, Phi-1.5 and Phi-2 have it. */
export class ByteLevelTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly addBosToken: boolean;

  readonly #tokens: readonly string[];
  readonly #types: Uint8Array;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #bpe: BytePairEncoder;
  readonly #plainSplitter: AddedTokenSplitter;
  readonly #specialSplitter: AddedTokenSplitter;

  /**
   * @param source - what the data was read from, for errors.
   * Throws `corrupt_file` when the parts contradict each other, `unsupported` for another kind of tokenizer.
   */
  constructor(data: TokenizerData, source: string) {
    requireGpt2(data, source);
    this.#types = tokenTypesOf(data, source);
    this.#tokens = data.tokens;
    this.vocabSize = this.#types.findLastIndex((type) => type !== TOKEN_TYPE.unused) + 1;
    this.bosTokenId = this.#checkedId(data.bosTokenId, "start", source);
    this.eosTokenId = this.#checkedId(data.eosTokenId, "end", source);
    this.addBosToken = data.addBosToken ?? false;
    if (this.addBosToken && this.bosTokenId === undefined)
      throw corruptTokenizer(source, "it asks for a start token (add_bos_token) and names none");

    const ids = idsByType(data.tokens, this.#types, source);
    this.#bpe = new BytePairEncoder(
      new MergeTable(data.merges, ids.all, source),
      Int32Array.from({ length: 256 }, (_, byte) => ids.all.get(spellByte(byte)) ?? -1),
    );
    this.#plainSplitter = new AddedTokenSplitter(ids.userDefined);
    this.#specialSplitter = new AddedTokenSplitter(new Map([...ids.userDefined, ...ids.control]));
  }

  encode(text: string, { parseSpecial = false }: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    const pushWord = (word: string): void => {
      for (const id of this.#bpe.encode(word)) ids.push(id);
    };
    (parseSpecial ? this.#specialSplitter : this.#plainSplitter).split(
      text,
      (stretch) => eachWord(stretch, pushWord),
      (id) => ids.push(id),
    );
    return ids;
  }

  promptIds(text: string, options: EncodeOptions = {}): number[] {
    const ids = this.encode(text, options);
    if (this.addBosToken) ids.unshift(this.bosTokenId!);
    return ids;
  }

  decode(ids: Iterable<number>): string {
    const chunks: Uint8Array[] = [];
    for (const id of ids) chunks.push(this.#bytesOf(id));
    return utf8Decoder().decode(Buffer.concat(chunks));
  }

  tokenBytes(id: number): Uint8Array {
    return new Uint8Array(this.#bytesOf(id));
  }

  tokenText(id: number): string {
    return this.#hasToken(id) ? displayBytes(this.#bytesOf(id)) : `⟨unused ${id}⟩`;
  }

  decoder(): IncrementalDecoder {
    const utf8 = utf8Decoder();
    return {
      push: (id) => utf8.decode(this.#bytesOf(id), { stream: true }),
      flush: () => utf8.decode(),
    };
  }

  #hasToken(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.vocabSize;
  }

  #bytesOf(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    if (!this.#hasToken(id))
      throw new LabError("bad_input", `there is no token ${id}`, {
        hint: `This tokenizer has ${this.vocabSize} tokens: 0 to ${this.vocabSize - 1}.`,
      });
    const token = this.#tokens[id]!;
    // A vocabulary entry outside the byte alphabet stands for itself, as in Hugging Face's decoder.
    const spelt = this.#types[id] === TOKEN_TYPE.normal ? unspell(token) : undefined;
    const bytes = spelt ?? Buffer.from(token, "utf8");
    this.#bytes[id] = bytes;
    return bytes;
  }

  #checkedId(id: number | undefined, name: string, source: string): number | undefined {
    if (id === undefined || this.#hasToken(id)) return id;
    throw corruptTokenizer(
      source,
      `the ${name} token is ${id}, but there are ${this.vocabSize} tokens`,
    );
  }
}

interface IdsByType {
  /** Every token but the unused ones. */
  all: Map<string, number>;
  userDefined: Map<string, number>;
  control: Map<string, number>;
}

function idsByType(tokens: readonly string[], types: Uint8Array, source: string): IdsByType {
  const ids: IdsByType = { all: new Map(), userDefined: new Map(), control: new Map() };
  for (let id = 0; id < tokens.length; id++) {
    const type = types[id];
    if (type === TOKEN_TYPE.unused) continue;
    const token = tokens[id]!;
    if (token === "") throw corruptTokenizer(source, `token ${id} is empty`);
    ids.all.set(token, id);
    if (type === TOKEN_TYPE.userDefined) ids.userDefined.set(token, id);
    if (type === TOKEN_TYPE.control) ids.control.set(token, id);
  }
  const used = types.reduce((count, type) => count + Number(type !== TOKEN_TYPE.unused), 0);
  if (ids.all.size === used) return ids;
  const twice = tokens.findIndex(
    (t, id) => types[id] !== TOKEN_TYPE.unused && ids.all.get(t) !== id,
  );
  throw corruptTokenizer(
    source,
    `tokens ${twice} and ${ids.all.get(tokens[twice]!)} are both ${describe(tokens[twice])}`,
  );
}

/**
 * SentencePiece's byte pair encoding, as Llama-2 and Mistral have it (Kudo & Richardson 2018, arXiv 1808.06226): a text is one
 * word, whose spaces are ▁ and which begins with one; characters without a token fall apart into bytes.
 */
import { LabError } from "../base/errors.ts";
import { mergeAll } from "./bpe.ts";
import { corruptTokenizer, TOKEN_TYPE, unsupportedTokenizer } from "./data.ts";
import { MergeTable, type Merge } from "./merge-table.ts";
import { AddedTokenSplitter } from "./pretokenize.ts";
import type { EncodeOptions, Tokenizer } from "./tokenizer.ts";
import { displayBytes, utf8Decoder, type IncrementalDecoder } from "./utf8.ts";

const SPACE = "▁";

/** All of them; those that begin with none, or of these the first of a text alone (Hugging Face's Metaspace); or none. */
export type Prefix = "always" | "missing" | "missing at start" | "none";

export interface SentencePieceData {
  /** By id; spaces are ▁, bytes `<0x0A>`. */
  readonly tokens: readonly string[];
  /** By id, values of `TOKEN_TYPE`. */
  readonly tokenTypes: ArrayLike<number>;
  /** In order of rank. */
  readonly merges: readonly Merge[];
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly addBosToken: boolean;
  /** Before which stretches of text a space is put. */
  readonly prefix: Prefix;
}

export class SentencePieceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly addBosToken: boolean;

  readonly #tokens: readonly string[];
  readonly #types: ArrayLike<number>;
  readonly #ids = new Map<string, number>();
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #merges: MergeTable;
  readonly #plainSplitter: AddedTokenSplitter;
  readonly #specialSplitter: AddedTokenSplitter;
  readonly #prefix: Prefix;

  /**
   * @param source - what the data was read from, for errors.
   * Throws `corrupt_file` when the parts contradict each other, `unsupported` without a token for every byte.
   */
  constructor(data: SentencePieceData, source: string) {
    const { tokens, tokenTypes, bosTokenId, eosTokenId } = data;
    if (tokens.length !== tokenTypes.length)
      throw corruptTokenizer(
        source,
        `${tokens.length} tokens, but ${tokenTypes.length} token types`,
      );
    this.#tokens = tokens;
    this.#types = tokenTypes;
    this.vocabSize = tokens.length;
    const added = new Map<string, number>();
    const special = new Map<string, number>();
    tokens.forEach((token, id) => {
      const type = tokenTypes[id];
      const byte = type === TOKEN_TYPE.byte ? byteOf(token) : undefined;
      if (byte !== undefined) this.#byteIds[byte] = id;
      else if (type === TOKEN_TYPE.userDefined) added.set(token, id);
      else if (type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown) special.set(token, id);
      else if (type !== TOKEN_TYPE.unused) this.#ids.set(token, id);
    });
    const lacking = this.#byteIds.indexOf(-1);
    if (lacking >= 0)
      throw unsupportedTokenizer(
        source,
        `a vocabulary without a token for each byte (the first is ${spellByte(lacking)})`,
      );
    for (const [name, id] of Object.entries({ start: bosTokenId, end: eosTokenId }))
      if (id !== undefined && !this.#hasToken(id))
        throw corruptTokenizer(
          source,
          `the ${name} token is ${id}, but there are ${tokens.length} tokens`,
        );
    this.bosTokenId = bosTokenId;
    this.eosTokenId = eosTokenId;
    this.addBosToken = data.addBosToken;
    if (this.addBosToken && bosTokenId === undefined)
      throw corruptTokenizer(source, "it asks for a start token (add_bos_token) and names none");
    this.#merges = new MergeTable(data.merges, this.#ids, source);
    this.#plainSplitter = new AddedTokenSplitter(added);
    this.#specialSplitter = new AddedTokenSplitter(new Map([...added, ...special]));
    this.#prefix = data.prefix;
  }

  encode(text: string, { parseSpecial = false }: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    (parseSpecial ? this.#specialSplitter : this.#plainSplitter).split(
      text,
      (stretch) => {
        const spaced = stretch.replaceAll(" ", SPACE);
        const word = this.#isPrefixed(spaced, ids.length === 0) ? SPACE + spaced : spaced;
        for (const id of mergeAll(this.#charactersOf(word), this.#merges)) ids.push(id);
      },
      (id) => ids.push(id),
    );
    return ids;
  }

  #isPrefixed(stretch: string, isFirst: boolean): boolean {
    const isMissing = !stretch.startsWith(SPACE);
    switch (this.#prefix) {
      case "always":
        return true;
      case "missing":
        return isMissing;
      case "missing at start":
        return isMissing && isFirst;
      case "none":
        return false;
    }
  }

  /** The ids of characters, of its bytes where one has no token. A lone surrogate becomes U+FFFD. */
  #charactersOf(word: string): Int32Array {
    const ids: number[] = [];
    for (const character of Buffer.from(word, "utf8").toString("utf8")) {
      const id = this.#ids.get(character);
      if (id !== undefined) ids.push(id);
      else for (const byte of Buffer.from(character, "utf8")) ids.push(this.#byteIds[byte]!);
    }
    return Int32Array.from(ids);
  }

  promptIds(text: string, options: EncodeOptions = {}): number[] {
    const ids = this.encode(text, options);
    if (this.addBosToken) ids.unshift(this.bosTokenId!);
    return ids;
  }

  /** As Hugging Face's decoder: without the space that was put before the text. */
  decode(ids: Iterable<number>): string {
    const chunks: Uint8Array[] = [];
    for (const id of ids) chunks.push(this.#bytesOf(id));
    const text = utf8Decoder().decode(Buffer.concat(chunks));
    return this.#prefix !== "none" && text.startsWith(" ") ? text.slice(1) : text;
  }

  tokenBytes(id: number): Uint8Array {
    return new Uint8Array(this.#bytesOf(id));
  }

  tokenText(id: number): string {
    return this.#hasToken(id) ? displayBytes(this.#bytesOf(id)) : `⟨unused ${id}⟩`;
  }

  /** Text that continues another: a space at its beginning belongs to it. */
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
    const token = this.#tokens[id];
    if (token === undefined)
      throw new LabError("bad_input", `there is no token ${id}`, {
        hint: `This tokenizer has ${this.vocabSize} tokens: 0 to ${this.vocabSize - 1}.`,
      });
    const byte = this.#types[id] === TOKEN_TYPE.byte ? byteOf(token) : undefined;
    return byte === undefined
      ? Buffer.from(token.replaceAll(SPACE, " "), "utf8")
      : Uint8Array.of(byte);
  }
}

/** The byte that `<0x0A>` stands for. */
export function byteOf(token: string): number | undefined {
  const digits = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

function spellByte(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/**
 * The merges of a vocabulary that has scores instead, as files of SentencePiece and llama.cpp do: two neighbours merge
 * where their text is a token, that of the highest score first.
 *
 * @param ids - of the tokens that may merge
 */
export function mergesByScore(
  ids: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): [string, string][] {
  const found: { score: number; parts: [string, string] }[] = [];
  for (const [token, id] of ids) {
    for (let cut = 1; cut < token.length; cut++) {
      const parts: [string, string] = [token.slice(0, cut), token.slice(cut)];
      if (ids.has(parts[0]) && ids.has(parts[1])) found.push({ score: scores[id]!, parts });
    }
  }
  return found.sort((a, b) => b.score - a.score).map(({ parts }) => parts);
}

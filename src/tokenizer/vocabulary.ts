import { corruptTokenizer, TOKEN_TYPE, unsupportedTokenizer } from "./data.ts";
import { describe, type JsonFile, type JsonObject } from "./json.ts";

/** Ids from here on are taken for damage: no vocabulary is near it, and an array of them would fill the memory. */
const MAX_ID = 1 << 21;

/** Collects tokens by id while the files of a Hugging Face tokenizer are read. */
export class VocabularyBuilder {
  readonly #source: string;
  readonly #tokens: string[] = [];
  readonly #types: number[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  /** Enters a table from token to id. */
  addVocabulary(file: JsonFile, table: JsonObject): void {
    for (const token in table) this.#set(token, table[token], TOKEN_TYPE.normal, file.source);
  }

  /** Enters an added token: an entry of `added_tokens` in tokenizer.json, or of `added_tokens_decoder`. */
  addToken(file: JsonFile, entry: JsonObject, id: unknown): void {
    const content = file.string(entry.content, "the content of an added token");
    for (const flag of ["single_word", "lstrip", "rstrip"])
      if (file.boolean(entry[flag], `${flag} of an added token`, false))
        throw unsupportedTokenizer(
          file.source,
          `the added token ${describe(content)} with ${flag}`,
        );
    const special = file.boolean(entry.special, "special of an added token", false);
    this.#set(content, id, special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined, file.source);
  }

  /** Enters a token of added_tokens.json, which tells ids only. */
  addPlainToken(file: JsonFile, content: string, id: unknown): void {
    this.#set(content, id, TOKEN_TYPE.userDefined, file.source);
  }

  /** Makes a token special, if it is there, and gives its id. */
  markSpecial(content: string): number | undefined {
    const id = this.#tokens.indexOf(content);
    if (id < 0) return undefined;
    this.#types[id] = TOKEN_TYPE.control;
    return id;
  }

  finish(): { tokens: string[]; tokenTypes: number[] } {
    if (this.#tokens.length === 0) throw corruptTokenizer(this.#source, "it has no tokens");
    for (let id = 0; id < this.#tokens.length; id++)
      if (this.#tokens[id] === undefined)
        throw corruptTokenizer(
          this.#source,
          `no token has the id ${id}, though ids go up to ${this.#tokens.length - 1}`,
        );
    return { tokens: this.#tokens, tokenTypes: this.#types };
  }

  #set(token: string, id: unknown, type: number, source: string): void {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MAX_ID)
      throw corruptTokenizer(source, `the id of token ${describe(token)} is ${String(id)}`);
    const other = this.#tokens[id];
    if (other !== undefined && other !== token)
      throw corruptTokenizer(
        source,
        `id ${id} is given to ${describe(other)} and to ${describe(token)}`,
      );
    this.#tokens[id] = token;
    this.#types[id] = type;
  }
}

/** Tokens as OpenAI's interface shows them. */
import type { Tokenizer } from "../../tokenizer/index.ts";

/** A token: its text, and its bytes, which may be a part of a character only. */
export interface TokenText {
  id: number;
  token: string;
  bytes: number[];
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `bytes:\xe2\x80` for bytes that are no text, as OpenAI writes them; ids where there is no tokenizer. */
export function tokenText(tokenizer: Tokenizer | undefined, id: number): TokenText {
  if (tokenizer === undefined || id >= tokenizer.vocabSize)
    return { id, token: `<${id}>`, bytes: [] };
  const bytes = tokenizer.tokenBytes(id);
  let token: string;
  try {
    token = strict.decode(bytes);
  } catch {
    token = `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
  return { id, token, bytes: [...bytes] };
}

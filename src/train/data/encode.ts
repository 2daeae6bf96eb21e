/**
 * Examples as token ids with what is to be learned. Every part is tokenised by itself: the ids of a prompt are then those
 * that generation computes from the prompt alone, whatever the answer begins with. Tokenising the whole text and marking
 * the tokens that overlap the answer would train on prompts whose last token generation never makes.
 *
 * The price is paid where a prompt ends in the middle of what the tokenizer would join, such as a space before a word:
 * the model then learns to write the rest of a word that text never has there. Such borders are reported.
 */
import { LabError } from "../../base/errors.ts";
import type { Tokenizer } from "../../tokenizer/index.ts";
import type { Part } from "./template.ts";

export interface EncodedSequence {
  ids: number[];
  /** For each id 1 where it is to be predicted, else 0. */
  learned: number[];
  /** How many of the ids belong to each part. */
  lengths: number[];
}

/** Throws `unsupported` where the tokenizer has no end token. */
export function encodeParts(parts: readonly Part[], tokenizer: Tokenizer): EncodedSequence {
  const sequence: EncodedSequence = { ids: [], learned: [], lengths: [] };
  parts.forEach(({ text, learned }, i) => {
    const ids =
      text === undefined
        ? [endToken(tokenizer)]
        : i === 0
          ? tokenizer.promptIds(text)
          : tokenizer.encode(text);
    for (const id of ids) {
      sequence.ids.push(id);
      sequence.learned.push(learned ? 1 : 0);
    }
    sequence.lengths.push(ids.length);
  });
  // Nothing comes before the start token; nobody has to predict it.
  if (tokenizer.addBosToken) sequence.learned[0] = 0;
  return sequence;
}

/** Whether the text, tokenised as a whole, would have other tokens at a border between its parts. */
export function joinsParts(
  parts: readonly Part[],
  sequence: EncodedSequence,
  tokenizer: Tokenizer,
): boolean {
  if (parts.length < 2 || parts[0]?.role === "document") return false;
  const text = parts.map((part) => part.text ?? "").join("");
  const whole = tokenizer.promptIds(text);
  return whole.length !== sequence.ids.length - 1 || whole.some((id, i) => id !== sequence.ids[i]);
}

function endToken({ eosTokenId }: Tokenizer): number {
  if (eosTokenId !== undefined) return eosTokenId;
  throw new LabError("unsupported", "the tokenizer has no end token, so that no answer could end", {
    hint: "Name one in tokenizer_config.json (eos_token).",
  });
}

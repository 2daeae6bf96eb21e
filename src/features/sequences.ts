/** Texts to read features on, cut to what a model reads in one piece. */
import { LabError } from "../base/errors.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { readTexts } from "../train/data/texts.ts";

/** Pieces of texts of two tokens or more, `tokens` of them at most: of files, or of lines of one. */
export async function readSequences(
  model: LanguageModel,
  paths: readonly string[],
  { tokens, length }: { tokens: number; length: number },
): Promise<number[][]> {
  const sequences: number[][] = [];
  let found = 0;
  for await (const text of readTexts(paths)) {
    const ids = [...model.tokenizer.promptIds(text)];
    for (let start = 0; start < ids.length && found < tokens; start += length) {
      const piece = ids.slice(start, Math.min(start + length, start + tokens - found));
      if (piece.length < 2) continue;
      sequences.push(piece);
      found += piece.length;
    }
    if (found >= tokens) break;
  }
  if (sequences.length === 0)
    throw new LabError("bad_input", `${paths.join(", ")}: no text of two tokens or more`);
  return sequences;
}

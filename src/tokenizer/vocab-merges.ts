/** vocab.json, merges.txt and added_tokens.json, the older files of GPT-2's and CodeGen's tokenizers. */

import { LabError } from "../base/errors.ts";
import { readJson, readText } from "./files.ts";
import type { VocabularyBuilder } from "./vocabulary.ts";

/** Reads the files into `vocabulary` and returns the merges; `not_found` when one of the first two is missing. */
export async function readVocabAndMerges(
  directory: string,
  vocabulary: VocabularyBuilder,
): Promise<string[]> {
  const [vocab, merges, added] = await Promise.all([
    readJson(directory, "vocab.json"),
    readText(directory, "merges.txt"),
    readJson(directory, "added_tokens.json"),
  ]);
  if (vocab === undefined || merges === undefined)
    throw new LabError(
      "not_found",
      `${directory} has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt`,
      { hint: "Copy the tokenizer's files there, or give token ids instead of text." },
    );
  vocabulary.addVocabulary(vocab, vocab.root);
  if (added)
    for (const content in added.root) vocabulary.addPlainToken(added, content, added.root[content]);
  return parseMerges(merges);
}

/** The lines of a merges.txt, less the version line; its errors come up where the pairs are used. */
function parseMerges(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines[0]!.startsWith("#version")) lines.shift();
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

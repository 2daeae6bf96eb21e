/** Some documents of a corpus, each as likely as any other, whatever order and parts the corpus has. */
import { sha256 } from "../../base/hash.ts";
import type { Subject } from "./annotate.ts";

/**
 * The `count` documents whose ids have the lowest hashes with the seed, in the order of these hashes: the first so many
 * of them are themselves a fair sample. Ids alone decide, and memory holds only what is chosen.
 */
export async function sampleDocuments(
  documents: AsyncIterable<Subject>,
  { count, seed }: { count: number; seed: number },
): Promise<Subject[]> {
  const chosen: { key: string; subject: Subject }[] = [];
  const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : 1);
  let highest: string | undefined;
  for await (const { id, text } of documents) {
    const key = sha256(`${seed}:${id}`);
    if (highest !== undefined && key >= highest) continue;
    chosen.push({ key, subject: { id, text } });
    if (chosen.length < 2 * count) continue;
    chosen.sort(byKey).splice(count);
    highest = chosen.at(-1)?.key;
  }
  return chosen
    .sort(byKey)
    .slice(0, count)
    .map(({ subject }) => subject);
}

/** The stand-ins as the files that every measure reads. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { toJson } from "../base/json.ts";
import { standInContrast, standInLessons, standInPrompts, standInSentences } from "./stand-ins.ts";

/** By their names. */
export function standInFiles(): Readonly<Record<string, string>> {
  const { positive, negative } = standInContrast();
  const lines = (texts: readonly string[]): string => `${texts.join("\n")}\n`;
  const escaped = (texts: readonly string[]): string =>
    lines(texts.map((text) => text.replaceAll("\n", "\\n")));
  const prompts = standInPrompts().map(({ prompt, type, label }) => `${prompt},${type},${label}`);
  return {
    "toxiGen.json": `${toJson(standInSentences(), 1)}\n`,
    "prompts.csv": lines(["prompt,type,label", ...prompts]),
    "lessons.jsonl": lines(standInLessons().map((row) => toJson(row))),
    "positive.txt": escaped(positive),
    "negative.txt": escaped(negative),
  };
}

/** Writes them into a folder, which need not be there. */
export async function writeStandIns(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files = Object.entries(standInFiles()).map(
    ([name, text]) => [path.join(folder, name), text] as const,
  );
  for (const [file, text] of files) await writeTextAtomic(file, text);
  return files.map(([file]) => file);
}

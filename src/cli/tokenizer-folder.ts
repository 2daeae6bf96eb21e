import { readdir } from "node:fs/promises";
import { findModel } from "../open.ts";
import { absolutePath } from "./training.ts";

/** Where a tokenizer lies that is named by a directory, with a model or without, or by a model. Throws `not_found`. */
export async function tokenizerFolder(
  name: string,
  { folders, cwd }: Parameters<typeof findModel>[1],
): Promise<string> {
  const folder = absolutePath(name, cwd) ?? name;
  const names = await readdir(folder).catch(() => [] as string[]);
  const isFolder = names.includes("tokenizer.json") || names.includes("vocab.json");
  return isFolder ? folder : (await findModel(name, { folders, cwd })).path;
}

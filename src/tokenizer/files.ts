import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { LabError } from "../base/errors.ts";
import { JsonFile } from "./json.ts";

/** A text file of a directory; undefined when there is none. */
export async function readText(directory: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, name), "utf8");
  } catch (error) {
    const failure = LabError.from(error);
    if (failure.code === "not_found") return undefined;
    throw failure;
  }
}

/** A JSON file of a directory; undefined when there is none, `corrupt_file` when it is not an object. */
export async function readJson(directory: string, name: string): Promise<JsonFile | undefined> {
  const text = await readText(directory, name);
  return text === undefined ? undefined : new JsonFile(join(directory, name), text);
}

/** Prompts of a person's own file, one in a line. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";

/** Lines that are not blank, `\n` in them as a new line. Throws `not_found`, and `bad_input` where there is none. */
export async function linesOf(name: string, cwd: string): Promise<string[]> {
  const text = await readFile(path.resolve(cwd, name), "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new LabError("bad_input", `${name} has no lines`);
  return lines.map((line) => line.replaceAll("\\n", "\n"));
}

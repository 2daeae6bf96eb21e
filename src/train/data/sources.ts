/** The files behind the paths that a person gives. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";

export interface DataFile {
  path: string;
  /** `rows`: one JSON object on each line; `text`: one document. */
  kind: "rows" | "text";
  sizeBytes: number;
}

const ROWS = /\.(jsonl|ndjson)(\.gz)?$/;
const TEXT = /\.(txt|md|py)(\.gz)?$/;

/**
 * The files of `paths`: files as they are given, directories with all files below them, in order of their names. What a
 * directory holds besides (`ignored`) is not read.
 *
 * @throws LabError `not_found`, `unsupported` for a file of another kind, `bad_input` for a directory without data
 */
export async function findDataFiles(
  paths: readonly string[],
): Promise<{ files: DataFile[]; ignored: string[] }> {
  const files: DataFile[] = [];
  const ignored: string[] = [];
  for (const given of paths) {
    const found = await stat(given).catch((error: unknown) => {
      throw LabError.from(error);
    });
    if (!found.isDirectory()) {
      const kind = kindOfFile(given);
      if (kind === undefined) throw otherKind(given);
      files.push({ path: given, kind, sizeBytes: found.size });
      continue;
    }
    const before = files.length;
    for (const name of await filesBelow(given)) {
      const file = path.join(given, name);
      const kind = kindOfFile(name);
      if (kind === undefined) ignored.push(file);
      else files.push({ path: file, kind, sizeBytes: (await stat(file)).size });
    }
    if (files.length === before)
      throw new LabError("bad_input", `${given} holds no data`, { hint: KINDS });
  }
  return { files, ignored };
}

const KINDS =
  "philab reads .jsonl (one JSON object per line), .txt, .md and .py, each also as .gz.";

function kindOfFile(name: string): DataFile["kind"] | undefined {
  return ROWS.test(name) ? "rows" : TEXT.test(name) ? "text" : undefined;
}

function otherKind(file: string): LabError {
  return new LabError("unsupported", `${file} is no data that philab reads`, {
    hint: file.endsWith(".json")
      ? `Write the list as lines: jq -c '.[]' ${path.basename(file)} > ${path.basename(file)}l`
      : KINDS,
  });
}

/** Names of all files below a directory, relative to it; hidden files and directories are no data. */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(path.sep).some((part) => part.startsWith(".")))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

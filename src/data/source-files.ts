/** The files that a corpus is made from: rows, texts and code, compressed or not, and what is left out of directories. */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../base/errors.ts";

export interface SourceFile {
  path: string;
  /** What documents are named by: the path below the directory that was given, with forward slashes. */
  name: string;
  /** - `lines`: a JSON object on each line; - `parquet`; - `text`: one document */
  kind: "lines" | "parquet" | "text";
  /** Of code, by the file's name. */
  language: string | null;
  sizeBytes: number;
}

/** Programming languages by file ending, under the names that GitHub and the Stack use, in small letters. */
const LANGUAGES: Readonly<Record<string, string>> = {
  c: "c",
  cc: "c++",
  cpp: "c++",
  cs: "c-sharp",
  css: "css",
  go: "go",
  h: "c",
  hpp: "c++",
  html: "html",
  java: "java",
  js: "javascript",
  jl: "julia",
  kt: "kotlin",
  lua: "lua",
  mjs: "javascript",
  php: "php",
  pl: "perl",
  py: "python",
  pyi: "python",
  r: "r",
  rb: "ruby",
  rs: "rust",
  scala: "scala",
  sh: "shell",
  sql: "sql",
  swift: "swift",
  ts: "typescript",
  tsx: "tsx",
};

/**
 * Whether a document's language is a programming language: one of those above, or no code of a natural one (`en`,
 * `pt-br`), such as `haskell`.
 */
export function isCode(language: string | null): language is string {
  if (language === null) return false;
  return Object.values(LANGUAGES).includes(language) || !/^[a-z]{2,3}(-[a-z]+)*$/.test(language);
}

const TEXTS = ["txt", "md", "rst", "tex"];
const PACKED = /\.(gz|zst)$/;
const KINDS = `philab reads .jsonl, .ndjson and .parquet, texts (${TEXTS.map((end) => `.${end}`).join(", ")}) and code; all but Parquet also as .gz and .zst.`;

/**
 * The files of `paths`: a file as it is given, of a directory all files below it in order of their names. Hidden files
 * and folders are left out; `ignored` names what else a directory holds that is no data.
 *
 * @throws LabError `not_found`, `unsupported` for a file of another kind, `bad_input` for a directory without data
 */
export async function findSourceFiles(
  paths: readonly string[],
): Promise<{ files: SourceFile[]; ignored: string[] }> {
  const files: SourceFile[] = [];
  const ignored: string[] = [];
  for (const given of paths) {
    const found = await stat(given).catch((error: unknown) => {
      throw LabError.from(error);
    });
    if (!found.isDirectory()) {
      const file = sourceFile(given, { name: path.basename(given), sizeBytes: found.size });
      if (file === undefined)
        throw new LabError("unsupported", `${given} is no data that philab reads`, { hint: KINDS });
      files.push(file);
      continue;
    }
    const before = files.length;
    for (const name of await filesBelow(given)) {
      const below = path.join(given, name);
      const { size: sizeBytes } = await stat(below);
      const file = sourceFile(below, { name: name.split(path.sep).join("/"), sizeBytes });
      if (file === undefined) ignored.push(below);
      else files.push(file);
    }
    if (files.length === before)
      throw new LabError("bad_input", `${given} holds no data`, { hint: KINDS });
  }
  return { files, ignored };
}

function sourceFile(
  file: string,
  { name, sizeBytes }: Pick<SourceFile, "name" | "sizeBytes">,
): SourceFile | undefined {
  const ending = path.extname(name.replace(PACKED, "")).slice(1).toLowerCase();
  const known = { path: file, name, language: null, sizeBytes };
  if (ending === "jsonl" || ending === "ndjson") return { ...known, kind: "lines" };
  if (ending === "parquet") return PACKED.test(name) ? undefined : { ...known, kind: "parquet" };
  if (TEXTS.includes(ending)) return { ...known, kind: "text" };
  const language = Object.hasOwn(LANGUAGES, ending) ? LANGUAGES[ending] : undefined;
  return language === undefined ? undefined : { ...known, kind: "text", language };
}

/** Names of all files below a directory, relative to it, in the order of their bytes. */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .filter((name) => !name.split(path.sep).some((part) => part.startsWith(".")))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

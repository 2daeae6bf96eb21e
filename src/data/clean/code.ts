/**
 * Rules for code: those of Codex (Chen et al., arXiv 2107.03374, section 3.1) and of StarCoder (Li et al., arXiv 2305.06161,
 * section 3) on line lengths, alphanumeric share and comments, marks of generated files as GitHub's Linguist looks for
 * them, files that are boilerplate, and whether the code parses.
 */
import { splitLines } from "./lines.ts";

export interface CodeOptions {
  maxLineLength: number;
  maxAvgLineLength: number;
  minAlphanumericShare: number;
  minLines: number;
  /** Share of the characters of lines that are only comments or docstrings. */
  maxCommentShare: number;
  /** Share of lines that are only imports, or blank. */
  maxImportShare: number;
  /** Whether code that does not parse is taken out; of languages without a grammar nothing is asked. */
  mustParse: boolean;
}

export const CODE: CodeOptions = {
  maxLineLength: 1000,
  maxAvgLineLength: 100,
  minAlphanumericShare: 0.25,
  minLines: 3,
  maxCommentShare: 0.8,
  maxImportShare: 0.8,
  mustParse: true,
};

/** Lines at the start and end of a file in which generators leave their mark. */
const MARKED_LINES = 10;
const GENERATED =
  /\b(?:auto-?\s?generated|automatically generated|machine generated|generated (?:by|from|with|file|code)|do not (?:edit|modify)\b.*|code generated .* DO NOT EDIT|@generated)\b/i;
const COMMENT = /^\s*(?:#|\/\/|\/\*|\*|--|;|%)/;
const IMPORT =
  /^\s*(?:import\b|from\s+\S+\s+import\b|#include\b|using\b|use\b|package\b|require\b)/;

/**
 * The rule that a file of code breaks, or undefined.
 *
 * @param parses - tells whether the text parses, where there is a grammar for its language
 */
export function codeRule(
  text: string,
  parses: ((text: string) => boolean) | undefined,
  options: CodeOptions = CODE,
): string | undefined {
  const lines = splitLines(text);
  const lengths = lines.map((line) => line.length);
  if (lines.filter((line) => line.trim() !== "").length < options.minLines) return "code_short";
  if (Math.max(...lengths) > options.maxLineLength) return "code_long_line";
  const letters = lengths.reduce((sum, length) => sum + length, 0);
  if (letters / lines.length > options.maxAvgLineLength) return "code_long_lines";
  const alphanumeric = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;
  if (alphanumeric / text.length < options.minAlphanumericShare) return "code_few_letters";
  const edges = [...lines.slice(0, MARKED_LINES), ...lines.slice(-3)];
  if (edges.some((line) => COMMENT.test(line) && GENERATED.test(line))) return "code_generated";
  const written = lines.filter((line) => line.trim() !== "");
  const imports = written.filter((line) => IMPORT.test(line)).length;
  if (imports / written.length > options.maxImportShare) return "code_only_imports";
  const comments = written.filter((line) => COMMENT.test(line));
  const commented = comments.reduce((sum, line) => sum + line.length, 0);
  if (commented / Math.max(1, letters) > options.maxCommentShare) return "code_only_comments";
  if (options.mustParse && parses?.(text) === false) return "code_no_parse";
  return undefined;
}

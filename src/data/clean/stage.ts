/** The stage `clean`: heuristic rules by name, the language of the text, personal information replaced. */
import { z } from "zod";
import { withScores, type Document } from "../document.ts";
import { isCode } from "../source-files.ts";
import type { Stage, Transform, Verdict } from "../stage.ts";
import { SyntaxParser } from "../syntax.ts";
import { C4, c4, FINEWEB, fineWeb } from "./c4.ts";
import { CODE, codeRule } from "./code.ts";
import { GOPHER_QUALITY, GOPHER_REPETITION, gopherQuality, gopherRepetition } from "./gopher.ts";
import { openLanguageDetector, type LanguageDetector, type TextLanguage } from "./language.ts";
import { scrub } from "./pii.ts";
import { splitWords } from "./words.ts";

const RULES = ["gopher_quality", "gopher_repetition", "c4", "fineweb", "code"] as const;

const share = z.number().min(0);

/** Thresholds under datatrove's names in camelCase; what is left out has its published value. */
function thresholds<T extends object>(defaults: T): z.ZodType<T, Partial<T> | undefined> {
  const numbers = Object.entries(defaults).filter(([, value]) => !Array.isArray(value));
  const shape = Object.fromEntries(
    numbers.map(([name, value]) => [
      name,
      typeof value === "boolean" ? z.boolean().default(value) : share.default(value as number),
    ]),
  );
  return z.strictObject(shape).prefault({}) as unknown as z.ZodType<T, Partial<T> | undefined>;
}

export const cleanOptions = z.strictObject({
  rules: z
    .array(z.enum(RULES))
    .default(["gopher_quality", "gopher_repetition", "code"])
    .describe("sets of rules: code for code, the others for text"),
  languages: z
    .array(z.string().min(2))
    .default([])
    .describe("languages of text to keep, such as en,de; default: all")
    .meta({ placeholder: "list" }),
  minLanguageScore: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("how well a text must fit its language"),
  pii: z.boolean().default(true).describe("replace mail addresses, public IP addresses and keys"),
  gopherQuality: thresholds(GOPHER_QUALITY),
  gopherRepetition: thresholds(GOPHER_REPETITION),
  c4: thresholds(C4),
  fineweb: thresholds(FINEWEB),
  code: thresholds(CODE),
});
export type CleanOptions = z.output<typeof cleanOptions>;

export function createClean(options: CleanOptions): Stage {
  return {
    name: "clean",
    options: JSON.parse(JSON.stringify(options)) as Stage["options"],
    open: async () => new Cleaner(options, await openLanguageDetector()),
  };
}

/** Grammars are opened when a document first needs them. */
class Cleaner implements Transform {
  readonly #options: CleanOptions;
  readonly #detectLanguage: LanguageDetector;
  readonly #parsers = new Map<string, SyntaxParser>();

  constructor(options: CleanOptions, detectLanguage: LanguageDetector) {
    this.#options = options;
    this.#detectLanguage = detectLanguage;
  }

  async apply(documents: readonly Document[]): Promise<Verdict[]> {
    for (const { language } of documents)
      if (language !== null && SyntaxParser.knows(language) && !this.#parsers.has(language))
        this.#parsers.set(language, await SyntaxParser.open(language));
    return documents.map((document) => this.#judge(document));
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const parser of this.#parsers.values()) parser[Symbol.dispose]();
    return Promise.resolve();
  }

  /** The first rule that a document breaks takes it out, with its text as it came. */
  #judge(document: Document): Verdict {
    const verdict = isCode(document.language)
      ? this.#cleanCode(document)
      : cleanText(document, this.#detectLanguage(document.text), this.#options);
    if (verdict.rejectedBy !== undefined || !this.#options.pii) return verdict;
    const { text, counts } = scrub(verdict.document.text);
    const changes = { ...verdict.changes, ...counts };
    return { document: { ...verdict.document, text }, changes };
  }

  #cleanCode(document: Document): Verdict {
    if (!this.#options.rules.includes("code")) return { document };
    const parser = this.#parsers.get(document.language ?? "");
    const parses = parser && ((text: string) => parser.parses(text));
    return { document, rejectedBy: codeRule(document.text, parses, this.#options.code) };
  }
}

function cleanText(
  given: Document,
  { language, score }: TextLanguage,
  options: CleanOptions,
): Verdict {
  const { rules, languages } = options;
  const words = splitWords(given.text);
  const scores = { "clean.language": score, "clean.words": words.length };
  const document = { ...withScores(given, scores), language: given.language ?? language };
  if (languages.length > 0) {
    if (language === null || !languages.includes(language))
      return { document, rejectedBy: `language_${language ?? "unknown"}` };
    if (score < options.minLanguageScore) return { document, rejectedBy: "language_score" };
  }
  const { text } = given;
  const rule =
    (rules.includes("gopher_quality")
      ? gopherQuality(text, words, options.gopherQuality)
      : undefined) ??
    (rules.includes("gopher_repetition")
      ? gopherRepetition(text, words, { ...GOPHER_REPETITION, ...options.gopherRepetition })
      : undefined) ??
    (rules.includes("fineweb") ? fineWeb(text, words, options.fineweb) : undefined);
  if (rule !== undefined) return { document, rejectedBy: rule };
  if (!rules.includes("c4")) return { document };
  const { rule: c4Rule, text: left, lines } = c4(text, options.c4);
  const changes = Object.fromEntries(
    Object.entries(lines).map(([name, count]) => [`c4_line_${name}`, count]),
  );
  if (c4Rule !== undefined) return { document, rejectedBy: c4Rule, changes };
  return { document: { ...document, text: left }, changes };
}

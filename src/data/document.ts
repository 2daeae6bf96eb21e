/** A document: what every corpus is made of, and how it is written, one JSON object on a line. */
import type { JsonObject, JsonValue } from "../base/json.ts";

export interface Document {
  /** Names the document in its corpus and keeps its name through every stage. */
  readonly id: string;
  readonly text: string;
  /** Where it is from: a data set, a package, a site. */
  readonly source: string;
  /** An SPDX identifier, or what the source says; null where nobody said. */
  readonly licence: string | null;
  /** `python` for code, `en` for text that a stage has looked at; null where nobody said. */
  readonly language: string | null;
  /** Every number that a stage gave it, by the stage's name: `clean.words`, `quality.forest`. */
  readonly scores: Readonly<Record<string, number>>;
  /** Whatever else came with it, untouched. */
  readonly metadata: JsonObject;
}

/** A document that a stage took out, with the reason. */
export interface RejectedDocument extends Document {
  readonly rejected: { readonly stage: string; readonly rule: string };
}

/** What is wrong with a row or a line, in words that follow `file:line: `. */
export class DocumentProblem extends Error {}

/** A document's line, without its end. Equal documents give equal lines: fields stand in one order, scores are sorted. */
export function documentLine(document: Document | RejectedDocument): string {
  const { id, text, source, licence, language, scores, metadata } = document;
  const sorted = Object.fromEntries(Object.entries(scores).sort(([a], [b]) => (a < b ? -1 : 1)));
  const rejected = "rejected" in document ? { rejected: document.rejected } : {};
  return JSON.stringify({
    ...{ id, text, source, licence, language, scores: sorted, metadata },
    ...rejected,
  });
}

/** Reads what `documentLine` wrote. Throws `DocumentProblem`. */
export function parseDocument(line: string | undefined): Document {
  const { id, text, source, licence, language, scores, metadata } = parseObject(line);
  if (typeof id !== "string" || typeof text !== "string" || typeof source !== "string")
    throw new DocumentProblem("no document: id, text or source is missing");
  if (!isTextOrNull(licence) || !isTextOrNull(language))
    throw new DocumentProblem("licence and language are texts or null");
  if (!isObject(scores) || !isObject(metadata) || !Object.values(scores).every(Number.isFinite))
    throw new DocumentProblem("scores are numbers by name, metadata values by name");
  return { id, text, source, licence, language, scores: scores as Document["scores"], metadata };
}

/** The object on a line. Throws `DocumentProblem` where it is none. */
export function parseObject(line: string | undefined): Record<string, JsonValue | undefined> {
  if (line === undefined) throw new DocumentProblem("the line is no UTF-8");
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DocumentProblem(`the line is no JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new DocumentProblem("the line is no JSON object");
  return value;
}

/** The document with more scores; those of the same name are replaced. */
export function withScores<D extends Document>(
  document: D,
  scores: Readonly<Record<string, number>>,
): D {
  return { ...document, scores: { ...document.scores, ...scores } };
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isObject(value: unknown): value is Record<string, JsonValue | undefined> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

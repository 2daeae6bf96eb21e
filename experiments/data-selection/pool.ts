/**
 * The pool: much real text, a good part of it damaged, some of it documentation, and few lessons, half of which are wrong.
 * Everything follows from one seed and the files that are read; the hash of each source is compared with the recorded one.
 */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { createHash } from "node:crypto";
import { Random } from "philab/data";
import { damage } from "./damage.ts";
import { exercise, lesson, splitCompositions, type Exercise } from "./lessons.ts";

/** What a document is; only the script that labels and the report look at it, no selector does. */
export type Origin = "lesson" | "wrong lesson" | "documentation" | "code" | "damaged";

export interface PoolDocument {
  id: string;
  text: string;
  source: string;
  licence: string;
  language: string;
  scores: Record<string, number>;
  metadata: { origin: Origin };
}

/** Bytes of each kind of document in the pool. */
export const POOL_BYTES: Readonly<Record<Origin, number>> = {
  lesson: 1_000_000,
  "wrong lesson": 1_000_000,
  documentation: 1_200_000,
  damaged: 6_000_000,
  code: 14_800_000,
};

/** Real text, and where it lies on this machine. */
export interface Sources {
  /** `lib/python3.x` of an installed CPython: the standard library and its tests, without site-packages. */
  pythonLibrary: string;
  /** `_sources` of CPython's documentation: reStructuredText, as the HTML documentation carries it. */
  pythonDocs: string;
}

export interface Pool {
  documents: PoolDocument[];
  exercises: Exercise[];
  /** Pieces of the Python Tutorial, of which the pool has nothing. */
  textbook: { id: string; text: string }[];
  /** SHA-256 over each source's files. */
  hashes: Record<keyof Sources, string>;
  /** Documents that shared 13 words in a row with the textbook, or had an exercise's docstring or body: left out. */
  overlapping: number;
}

export async function makePool(
  sources: Sources,
  { seed, exercises: exerciseCount }: { seed: number; exercises: number },
): Promise<Pool> {
  const random = new Random(seed);
  const { taught, heldOut } = splitCompositions(random.split(0));
  const exercises = Array.from({ length: exerciseCount }, (_, i) =>
    exercise(heldOut[i % heldOut.length]!, random.split(1_000_000 + i)),
  );
  const library = await readTree(
    sources.pythonLibrary,
    (name) =>
      name.endsWith(".py") &&
      !/(^|\/)(site-packages|__pycache__|lib2to3\/tests\/data)\//.test(name),
  );
  const docs = await readTree(sources.pythonDocs, (name) => /\.rst(\.txt)?$/.test(name));
  const pieces = (files: readonly TextFile[], stream: number): Piece[] =>
    shuffled(files.flatMap(cut), random.split(stream));
  const isTextbook = ({ name }: TextFile): boolean => name.startsWith("tutorial/");
  const isTaught = ({ name }: TextFile): boolean => /^(library|howto|reference|faq)\//.test(name);
  const textbook = docs.filter(isTextbook).flatMap(cut);
  const held = wordGrams(textbook.map(({ text }) => text));
  // Held-out compositions share their parts with taught ones; as a whole, none is said or written anywhere.
  const answers = new Set(exercises.flatMap(({ docstring, body }) => [docstring, `${body}\n`]));
  let overlapping = 0;
  const fill = (origin: Origin, next: () => Omit<PoolDocument, "id" | "scores" | "metadata">) => {
    const taken: PoolDocument[] = [];
    for (let bytes = 0; bytes < POOL_BYTES[origin];) {
      const document = next();
      if (overlaps(document.text, held) || [...answers].some((a) => document.text.includes(a))) {
        overlapping++;
        continue;
      }
      bytes += Buffer.byteLength(document.text);
      taken.push({ id: "", ...document, scores: {}, metadata: { origin } });
    }
    return taken;
  };
  const from = (list: Piece[], more: { source: string; language: string }) => () => {
    const piece = list.pop();
    if (piece === undefined) throw new Error(`${more.source} has too little text for the pool`);
    return {
      text: piece.text,
      ...more,
      source: `${more.source}/${piece.name}`,
      licence: "PSF-2.0",
    };
  };
  const code = from(pieces(library, 1), { source: "cpython", language: "python" });
  const prose = from(pieces(docs.filter(isTaught), 2), { source: "cpython-docs", language: "en" });
  const lessons = random.split(3);
  const damages = random.split(4);
  const teach = (wrong: boolean) => () => ({
    ...{ text: lesson({ taught, heldOut, wrong }, lessons), source: "lessons" },
    ...{ licence: "MIT", language: "python" },
  });
  const all = [
    ...fill("lesson", teach(false)),
    ...fill("wrong lesson", teach(true)),
    ...fill("documentation", prose),
    ...fill("damaged", () => {
      const whole = damages.uniform() < 0.9 ? code() : prose();
      return { ...whole, text: damage(whole.text, damages) };
    }),
    ...fill("code", code),
  ];
  const documents = shuffled(all, random.split(5));
  documents.forEach((document, i) => (document.id = `pool-${String(i).padStart(5, "0")}`));
  return {
    ...{ documents, exercises, overlapping },
    textbook: textbook.map(({ name, text }, i) => ({ id: `${name}#${i}`, text })),
    hashes: { pythonLibrary: hashOf(library), pythonDocs: hashOf(docs) },
  };
}

interface TextFile {
  /** Relative to its source, with forward slashes. */
  name: string;
  text: string;
}
type Piece = TextFile;

async function readTree(folder: string, isWanted: (name: string) => boolean): Promise<TextFile[]> {
  const names = (await readdir(folder, { recursive: true }))
    .map((name) => name.split(path.sep).join("/"))
    .filter(isWanted)
    .sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, text: await readFile(path.join(folder, name), "utf8") })),
  );
  // Files that test wrong encodings are no text.
  return files.filter(({ text }) => !text.includes("\uFFFD") && !text.includes("\0"));
}

function hashOf(files: readonly TextFile[]): string {
  const hash = createHash("sha256");
  for (const { name, text } of files) hash.update(`${name}\0${text}\0`);
  return hash.digest("hex");
}

const PIECE = { least: 600, most: 2_000 };

/** Cuts at blank lines; a paragraph that is longer than a piece is left out, and so is a rest that is too short. */
function cut({ name, text }: TextFile): Piece[] {
  const pieces: Piece[] = [];
  let piece = "";
  const finish = (): void => {
    if (piece.length >= PIECE.least) pieces.push({ name, text: `${piece}\n` });
    piece = "";
  };
  for (const paragraph of text.replaceAll("\r\n", "\n").split(/\n\s*\n/)) {
    if (paragraph.trim() === "" || paragraph.length > PIECE.most) continue;
    if (piece.length + paragraph.length > PIECE.most) finish();
    piece = piece === "" ? paragraph : `${piece}\n\n${paragraph}`;
  }
  finish();
  return pieces;
}

const GRAM = 13;
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function wordGrams(texts: readonly string[]): Set<string> {
  const grams = new Set<string>();
  for (const words of texts.map(wordsOf))
    for (let i = 0; i + GRAM <= words.length; i++) grams.add(words.slice(i, i + GRAM).join(" "));
  return grams;
}

function overlaps(text: string, grams: ReadonlySet<string>): boolean {
  const words = wordsOf(text);
  for (let i = 0; i + GRAM <= words.length; i++)
    if (grams.has(words.slice(i, i + GRAM).join(" "))) return true;
  return false;
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return Array.from(random.permutation(list.length), (i) => list[i] as T);
}

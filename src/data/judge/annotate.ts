/**
 * Annotations: how much each document of a sample would teach, as somebody says who is asked about one after the other.
 * They lie in a file of lines that only grows, so that an interruption costs one question; an answer that is no rating is
 * counted and asked for again, and never written down.
 */
import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import { throwIfInterrupted, writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";

export const LOWEST = 0;
export const HIGHEST = 5;

const annotationSchema = z.strictObject({
  id: z.string().min(1),
  /** Of the text that was judged. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  rating: z.number().min(LOWEST).max(HIGHEST),
  /** Who said so: a model's name, `person`, a script. */
  annotator: z.string().min(1),
});
export type Annotation = z.output<typeof annotationSchema>;

/** What is to be judged. */
export interface Subject {
  readonly id: string;
  readonly text: string;
}

export interface Annotator {
  readonly name: string;
  /**
   * What it says of a text: an answer in words, or undefined where it would rather not.
   *
   * @param attempt - 1 for the first time
   */
  ask(subject: Subject, attempt: number, signal?: AbortSignal): Promise<string | undefined>;
}

export interface AnnotateCounts {
  /** Annotations that the file had before. */
  known: number;
  asked: number;
  annotated: number;
  /** Answers that were no rating. */
  nonsense: number;
  /** Subjects whose every answer was nonsense. */
  unanswered: number;
  /** Subjects that the annotator would rather not judge. */
  passed: number;
}

/**
 * Asks about every subject that the file has no annotation of, and appends what is answered.
 *
 * @throws LabError `corrupt_file` for a file that holds something else; `engine_failed` where the first `GIVE_UP` subjects
 *   all got nothing but nonsense; `interrupted`, `disk_full`, and what the annotator throws
 */
export async function annotate(
  subjects: readonly Subject[],
  annotator: Annotator,
  {
    file,
    attempts = 3,
    signal,
    onProgress,
  }: {
    file: string;
    /** Questions about one subject at most. */
    attempts?: number;
    signal?: AbortSignal | undefined;
    onProgress?: ((counts: Readonly<AnnotateCounts>) => void) | undefined;
  },
): Promise<AnnotateCounts> {
  const counts: AnnotateCounts = {
    known: 0,
    asked: 0,
    annotated: 0,
    nonsense: 0,
    unanswered: 0,
    passed: 0,
  };
  const { annotations, sizeBytes } = await readWhole(file);
  const known = new Set(annotations.map(({ id, sha256 }) => `${id} ${sha256}`));
  const handle = await open(file, "a").catch((error: unknown) => {
    throw LabError.from(error);
  });
  try {
    // A line that was cut off in the middle goes.
    await handle.truncate(sizeBytes);
    for (const subject of subjects) {
      throwIfInterrupted(signal);
      const hash = sha256(subject.text);
      if (known.has(`${subject.id} ${hash}`)) {
        counts.known++;
        continue;
      }
      const rating = await rate(subject, annotator, { attempts, counts, signal });
      if (typeof rating === "number") {
        const annotation = { id: subject.id, sha256: hash, rating, annotator: annotator.name };
        await handle.appendFile(`${JSON.stringify(annotation satisfies Annotation)}\n`);
        counts.annotated++;
      } else counts[rating]++;
      onProgress?.(counts);
      if (counts.annotated === 0 && counts.unanswered === GIVE_UP)
        throw new LabError(
          "engine_failed",
          `${annotator.name} answered nonsense ${counts.nonsense} times`,
          {
            hint: `An answer is a number from ${LOWEST} to ${HIGHEST}. Ask a model that follows instructions, or a person (--by person).`,
          },
        );
    }
  } catch (error) {
    throw LabError.from(error);
  } finally {
    await handle.close();
  }
  return counts;
}

/** After so many subjects without a single rating nobody pays for more questions. */
const GIVE_UP = 20;

async function rate(
  subject: Subject,
  annotator: Annotator,
  {
    attempts,
    counts,
    signal,
  }: { attempts: number; counts: AnnotateCounts; signal: AbortSignal | undefined },
): Promise<number | "unanswered" | "passed"> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    counts.asked++;
    const answer = await annotator.ask(subject, attempt, signal);
    if (answer === undefined) return "passed";
    const rating = readRating(answer);
    if (rating !== undefined) return rating;
    counts.nonsense++;
  }
  return "unanswered";
}

/**
 * The rating that an answer gives: the only number in it, or the one after the last `score`, `rating` or `value`, if
 * that is a whole number from 0 to 5. `3`, `Score: 4`, `4/5`, `I give it a 2.`; not `7`, not `between 2 and 3`.
 */
export function readRating(answer: string): number | undefined {
  const named = [
    ...answer.matchAll(/\b(?:score|rating|value)\b\W{0,4}(?:is\W+)?(-?\d+(?:[.,]\d+)?)/gi),
  ].at(-1)?.[1];
  const numbers =
    answer.replaceAll(/(\d)\s*(?:\/|out of)\s*5\b/gi, "$1").match(/-?\d+(?:[.,]\d+)?/g) ?? [];
  const found = named ?? (numbers.length === 1 ? numbers[0] : undefined);
  if (found === undefined || !/^\d$/.test(found)) return undefined;
  const rating = Number(found);
  return rating <= HIGHEST ? rating : undefined;
}

/**
 * Writes one annotation down, in the place of an earlier one by the same annotator of the same text.
 *
 * @param rating - null takes the earlier one away
 * @throws LabError `corrupt_file`, `disk_full`
 */
export async function putAnnotation(
  file: string,
  { rating, ...about }: Omit<Annotation, "rating"> & { rating: number | null },
): Promise<void> {
  const { annotations, sizeBytes } = await readWhole(file);
  const others = annotations.filter(
    ({ id, sha256, annotator }) =>
      id !== about.id || sha256 !== about.sha256 || annotator !== about.annotator,
  );
  const line =
    rating === null ? "" : `${JSON.stringify(annotationSchema.parse({ ...about, rating }))}\n`;
  if (others.length < annotations.length) {
    const kept = others.map((annotation) => `${JSON.stringify(annotation)}\n`).join("");
    await writeTextAtomic(file, kept + line);
    return;
  }
  // Whoever else writes at the file's end goes on doing so.
  const handle = await open(file, "a").catch((error: unknown) => {
    throw LabError.from(error);
  });
  try {
    await handle.truncate(sizeBytes);
    await handle.appendFile(line);
  } catch (error) {
    throw LabError.from(error);
  } finally {
    await handle.close();
  }
}

/** The annotations in a file. Throws `not_found`, `corrupt_file` with the line. */
export async function readAnnotations(file: string): Promise<Annotation[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw LabError.from(error);
  });
  return parseAnnotations(file, text).annotations;
}

async function readWhole(file: string): Promise<{ annotations: Annotation[]; sizeBytes: number }> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    const found = LabError.from(error);
    if (found.code === "not_found") return "";
    throw found;
  });
  return parseAnnotations(file, text);
}

/** A last line without an end was being written when its process died: it does not count. */
function parseAnnotations(
  file: string,
  text: string,
): { annotations: Annotation[]; sizeBytes: number } {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const lines = whole.split("\n").slice(0, -1);
  const annotations = lines.map((line, i) => {
    try {
      return annotationSchema.parse(JSON.parse(line));
    } catch (error) {
      throw new LabError("corrupt_file", `${file}:${i + 1}: no annotation`, {
        hint: 'A line is {"id": …, "sha256": of the text, "rating": 0 to 5, "annotator": …}.',
        cause: error,
      });
    }
  });
  return { annotations, sizeBytes: Buffer.byteLength(whole) };
}

/**
 * A stage of a pipeline: a pure function of documents. What becomes of a document depends on nothing but the document and
 * the stage's options, never on the shard, the order or the process; so any number of shards gives the same corpus.
 */
import type { FileSink } from "../base/atomic.ts";
import type { JsonObject } from "../base/json.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { Document } from "./document.ts";

/** What a stage decided about a document. */
export interface Verdict {
  /** As it leaves the stage: with new scores, with text changed, or as it came. */
  readonly document: Document;
  /** The rule that takes it out; undefined where it stays. */
  readonly rejectedBy?: string | undefined;
  /** What was done to it or found in it, counted in the manifest. */
  readonly changes?: Readonly<Record<string, number>> | undefined;
}

/** A stage at work in this process. */
export interface Transform extends Partial<AsyncDisposable> {
  /** One verdict for each document, in their order. Batches only save time; their size changes nothing. */
  apply(documents: readonly Document[]): Promise<readonly Verdict[]> | readonly Verdict[];
}

/** What a stage learns from all documents before it can judge one, such as which are near duplicates. */
export interface Survey {
  /** Writes what is to be known about the documents of one shard. */
  collect(documents: AsyncIterable<Document>, sink: FileSink): Promise<void>;
  /** Makes one file of all shards' files, which are given in the order of the shards. */
  merge(files: readonly string[], sink: FileSink): Promise<void>;
}

/** What stages may ask of whoever runs them. */
export interface StageServices {
  /** A model by its reference; the bundled one without a name. Whoever gives it closes it. */
  openModel?: ((name: string | undefined) => Promise<LanguageModel>) | undefined;
}

export interface StageContext extends StageServices {
  signal?: AbortSignal | undefined;
  /** The merged file of the stage's survey, where it has one. */
  surveyed?: string | undefined;
}

export interface Stage {
  /** A short word: `clean`. Scores and rules are named after it. */
  readonly name: string;
  /** All of its options, defaults put in: part of the manifest, and of what must be equal to resume. */
  readonly options: JsonObject;
  readonly survey?: Survey | undefined;
  /** Makes it ready: reads benchmarks, opens models. Called once in a process. */
  open(context: StageContext): Promise<Transform>;
}

/** A transform from a function of one document. */
export function eachDocument(judge: (document: Document) => Verdict): Transform {
  return { apply: (documents) => documents.map(judge) };
}

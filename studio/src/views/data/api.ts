/** What `/v1/lab/data` is asked and what it answers, in the words of the server's own sources. */
import type { ContaminatedDocument, DuplicatePair } from "../../../../src/data/browse/beside.ts";
import type { Amount, Cut, Histogram } from "../../../../src/data/browse/cut.ts";
import type { RejectedDocument } from "../../../../src/data/document.ts";
import type { Annotation } from "../../../../src/data/judge/annotate.ts";
import type { Manifest } from "../../../../src/data/manifest.ts";
import { getJson, postJson } from "../../api/client.ts";

export type { Amount, Annotation, ContaminatedDocument, DuplicatePair, Histogram };

/** `GET /v1/lab/corpora` */
export interface CorpusList {
  corpora: { name: string; documents?: number; textBytes?: number; error?: string }[];
}

export type WholeDocument = Omit<RejectedDocument, "rejected"> & Partial<RejectedDocument>;

/** A document as lists show it. */
export type Brief = Omit<WholeDocument, "text" | "metadata"> & {
  characters: number;
  beginning: string;
  rating: number | null;
  tokens?: number;
};

interface Half extends Amount {
  scores: string[];
  sources: { name: string; documents: number }[];
  licences: { name: string; documents: number }[];
  languages: { name: string; documents: number }[];
}

/** `GET /v1/lab/data/{name}` */
export interface AboutCorpus extends Pick<Manifest, "history" | "sources" | "quarantined"> {
  name: string;
  sha256: string;
  kept: Half;
  rejected: Half;
  duplicates: number;
  contaminated: number;
}

export interface Page {
  total: number;
  amount: Amount;
  documents: Brief[];
}

export interface CutAnswer extends Omit<Cut, "above" | "below"> {
  above: Brief[];
  below: Brief[];
}

export interface PairsAnswer {
  total: number;
  pairs: DuplicatePair[];
}

export interface HitsAnswer {
  total: number;
  /** Benchmarks whose files are not here. */
  missing: string[];
  documents: ContaminatedDocument[];
}

export interface RatingsAnswer {
  /** The data set that holds them. */
  dataSet: string;
  ratings: Annotation[];
}

const pathOf = (corpus: string): string => `/v1/lab/data/${encodeURIComponent(corpus)}`;

export const askCorpus = (corpus: string, signal: AbortSignal): Promise<AboutCorpus> =>
  getJson<AboutCorpus>(pathOf(corpus), { signal });

export const askRatings = (corpus: string, signal: AbortSignal): Promise<RatingsAnswer> =>
  getJson<RatingsAnswer>(`${pathOf(corpus)}/ratings`, { signal });

export function askData<T>(
  corpus: string,
  what: string,
  body: object,
  signal?: AbortSignal,
): Promise<T> {
  return postJson<T>(`${pathOf(corpus)}/${what}`, body, signal === undefined ? {} : { signal });
}

/** Where a corpus lies unless the server was told otherwise. */
export const folderOf = (corpus: string): string => `~/.philab/data/${corpus}`;

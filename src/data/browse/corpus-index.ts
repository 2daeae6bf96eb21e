/**
 * A corpus to be browsed: where each document lies, and its numbers by name, in a few bytes a document. Texts stay on disk and
 * are read when they are asked for.
 */
import { open } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { sha256 } from "../../base/hash.ts";
import { readLines } from "../../base/lines.ts";
import type { Corpus } from "../corpus.ts";
import { idHash } from "../dedup/survey.ts";
import {
  DocumentProblem,
  parseDocument,
  type Document,
  type RejectedDocument,
} from "../document.ts";

/** Documents that stayed, or those that a stage of the corpus took out. */
export const BROWSED = ["kept", "rejected"] as const;
export type Browsed = (typeof BROWSED)[number];

/** Of every document: characters of its text. */
export const CHARACTERS = "characters";
/** There once they were counted. */
export const TOKENS = "tokens";

/** An index takes some 60 bytes a document, and 8 for each score. */
const MAX_DOCUMENTS = 2_000_000;

/** Names by which documents can be told apart, few of them in a corpus. */
const LABELS = ["source", "licence", "language"] as const;
type Label = (typeof LABELS)[number];

export interface DocumentFilter {
  /** In the text or the id, in any case. */
  search?: string | undefined;
  source?: string | undefined;
  licence?: string | undefined;
  language?: string | undefined;
}

export class CorpusIndex {
  readonly corpus: Corpus;
  readonly count: number;
  readonly textBytes: Float64Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #parts: Uint32Array;
  readonly #files: readonly string[];
  readonly #ids: BigUint64Array;
  readonly #keys: Float64Array;
  readonly #columns = new Map<string, Float64Array>();
  readonly #labels = new Map<Label, { codes: Uint32Array; names: string[] }>();
  readonly #orders = new Map<string, Uint32Array>();
  #found: { key: string; rows: Uint32Array } | undefined;
  #places: Map<bigint, number> | undefined;

  private constructor(corpus: Corpus, files: readonly string[], count: number) {
    this.corpus = corpus;
    this.count = count;
    this.#files = files;
    this.textBytes = new Float64Array(count);
    this.#offsets = new Float64Array(count);
    this.#lengths = new Uint32Array(count);
    this.#parts = new Uint32Array(count);
    this.#ids = new BigUint64Array(count);
    this.#keys = new Float64Array(count);
    this.#columns.set(CHARACTERS, new Float64Array(count));
    for (const label of LABELS)
      this.#labels.set(label, { codes: new Uint32Array(count), names: [] });
  }

  /**
   * Reads every document once.
   *
   * @throws LabError `unsupported` for more documents than are browsed, `corrupt_file`, `interrupted`
   */
  static async open(
    corpus: Corpus,
    which: Browsed,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<CorpusIndex> {
    const { manifest, folder } = corpus;
    const parts = which === "kept" ? manifest.parts : manifest.rejectedParts;
    const count = parts.reduce((sum, { documents }) => sum + documents, 0);
    if (count > MAX_DOCUMENTS)
      throw new LabError("unsupported", `${manifest.name} has ${count} documents to browse`, {
        hint: `At most ${MAX_DOCUMENTS} are: cut it with philab data mix.`,
      });
    const files = parts.map(({ name }) => path.join(folder, name));
    const index = new CorpusIndex(corpus, files, count);
    let row = 0;
    for (const [part, file] of files.entries()) {
      let offset = 0;
      for await (const { number, text = "" } of readLines(file, { signal })) {
        const length = Buffer.byteLength(text);
        const document = asDocument(text, `${file}:${number}`);
        if (row >= count) throw changed(file);
        index.#offsets[row] = offset;
        index.#lengths[row] = length;
        index.#parts[row] = part;
        index.#add(row, document);
        offset += length + 1;
        row++;
      }
    }
    if (row !== count) throw changed(folder);
    return index;
  }

  /** Names of numbers that documents have, `characters` first. */
  get scores(): string[] {
    return [...this.#columns.keys()];
  }

  /** A number of every document; NaN where one has none. Throws `not_found`. */
  column(name: string): Float64Array {
    const column = this.#columns.get(name);
    if (column !== undefined) return column;
    throw new LabError("not_found", `no document has a score ${JSON.stringify(name)}`, {
      hint: `There are ${this.scores.join(", ")}.`,
    });
  }

  /** Names of sources, licences, languages, the most frequent first. */
  labels(label: Label): { name: string; documents: number }[] {
    const { codes, names } = this.#labels.get(label)!;
    const counts = new Array<number>(names.length).fill(0);
    for (const code of codes) counts[code]!++;
    return names
      .map((name, code) => ({ name, documents: counts[code] ?? 0 }))
      .sort((a, b) => b.documents - a.documents);
  }

  /** Reads one document, or rejected document, from its part. */
  async read(row: number): Promise<Document | RejectedDocument> {
    const file = this.#files[this.#parts[row] ?? 0] ?? "";
    const bytes = Buffer.alloc(this.#lengths[row] ?? 0);
    const handle = await open(file, "r").catch((error: unknown) => {
      throw LabError.from(error);
    });
    try {
      await handle.read(bytes, 0, bytes.length, this.#offsets[row] ?? 0);
    } finally {
      await handle.close();
    }
    return asDocument(bytes.toString("utf8"), file);
  }

  /** The row of a document, by the hash of its id (`idHash`). */
  place(hash: bigint): number | undefined {
    this.#places ??= new Map(Array.from(this.#ids, (id, row) => [id, row]));
    return this.#places.get(hash);
  }

  /**
   * Rows from the lowest to the highest value, those without one left out; or in the order of a fair sample (`sampleDocuments`
   * with seed 0), of which every beginning is one.
   */
  order(by: string): Uint32Array {
    const known = this.#orders.get(by);
    if (known !== undefined) return known;
    const column = by === "sample" ? this.#keys : this.column(by);
    const rows = Array.from({ length: this.count }, (_, row) => row).filter(
      (row) => !Number.isNaN(column[row]),
    );
    const order = Uint32Array.from(
      rows.sort((a, b) => (column[a] ?? 0) - (column[b] ?? 0) || a - b),
    );
    this.#orders.set(by, order);
    return order;
  }

  /** Rows that a filter leaves, in the corpus' order. A search reads every text that the labels leave. */
  async find(
    { search = "", ...labels }: DocumentFilter,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Uint32Array> {
    const key = JSON.stringify([search, labels]);
    if (this.#found?.key === key) return this.#found.rows;
    const wanted = LABELS.flatMap((label) => {
      const name = labels[label];
      if (name === undefined) return [];
      const { codes, names } = this.#labels.get(label)!;
      return [{ codes, code: names.indexOf(name) }];
    });
    const fits = (row: number): boolean => wanted.every(({ codes, code }) => codes[row] === code);
    const words = search.toLowerCase();
    const rows: number[] = [];
    if (words === "") {
      for (let row = 0; row < this.count; row++) if (fits(row)) rows.push(row);
    } else {
      let row = 0;
      for (const file of this.#files)
        for await (const { text = "" } of readLines(file, { signal })) {
          if (fits(row)) {
            const document = asDocument(text, file);
            if (`${document.id}\n${document.text}`.toLowerCase().includes(words)) rows.push(row);
          }
          row++;
        }
    }
    this.#found = { key, rows: Uint32Array.from(rows) };
    return this.#found.rows;
  }

  /** Counts every text's tokens: from then on they are a score. */
  async countTokens(
    count: (text: string) => number,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const column = new Float64Array(this.count);
    let row = 0;
    for (const file of this.#files)
      for await (const { text = "" } of readLines(file, { signal })) {
        signal?.throwIfAborted();
        column[row++] = count(asDocument(text, file).text);
        // Other requests have their turn.
        if (row % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    this.#columns.set(TOKENS, column);
    this.#orders.delete(TOKENS);
  }

  #add(row: number, document: Document): void {
    this.textBytes[row] = Buffer.byteLength(document.text);
    this.#ids[row] = idHash(document.id);
    this.#keys[row] = Number.parseInt(sha256(`0:${document.id}`).slice(0, 13), 16);
    this.#columns.get(CHARACTERS)![row] = document.text.length;
    for (const [name, value] of Object.entries(document.scores)) {
      let column = this.#columns.get(name);
      if (column === undefined)
        this.#columns.set(name, (column = new Float64Array(this.count).fill(NaN)));
      column[row] = value;
    }
    for (const label of LABELS) {
      const { codes, names } = this.#labels.get(label)!;
      const name = document[label] ?? "";
      let code = names.indexOf(name);
      if (code < 0) code = names.push(name) - 1;
      codes[row] = code;
    }
  }
}

function asDocument(line: string, where: string): Document | RejectedDocument {
  try {
    const document = parseDocument(line);
    const { rejected } = JSON.parse(line) as Partial<RejectedDocument>;
    return rejected === undefined ? document : { ...document, rejected };
  } catch (error) {
    if (!(error instanceof DocumentProblem)) throw error;
    throw new LabError("corrupt_file", `${where}: ${error.message}`, { cause: error });
  }
}

function changed(what: string): LabError {
  return new LabError("corrupt_file", `${what} has not the documents that its manifest says`, {
    hint: "philab wrote the files; something has changed them since.",
  });
}

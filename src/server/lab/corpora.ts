/** Corpora of `PHILAB_HOME/data` that are browsed: their indexes are kept, the latest few. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { LabError } from "../../base/errors.ts";
import { BROWSED, CorpusIndex, type Browsed } from "../../data/browse/corpus-index.ts";
import type { Indexes } from "../../data/browse/beside.ts";
import { openCorpus, type Corpus } from "../../data/corpus.ts";
import { readBenchmark, type BenchmarkItem } from "../../data/decontaminate/benchmark.ts";
import { MANIFEST } from "../../data/manifest.ts";
import type { DataSets } from "./data-sets.ts";

const MAX_KEPT = 6;

export class Corpora {
  readonly #dataSets: DataSets;
  #writing: Promise<void> = Promise.resolve();
  readonly #kept = new Map<string, Promise<CorpusIndex>>();

  constructor(dataSets: DataSets) {
    this.#dataSets = dataSets;
  }

  /** Data sets that are corpora, in brief; one that cannot be read has its error. */
  async list(): Promise<
    { name: string; documents?: number; textBytes?: number; error?: string }[]
  > {
    const found = [];
    for (const { name, kind } of await this.#dataSets.list()) {
      if (kind !== "folder") continue;
      const folder = await this.#dataSets.find(name);
      if ((await stat(path.join(folder, MANIFEST)).catch(() => undefined)) === undefined) continue;
      found.push(
        await openCorpus(folder).then(
          ({ manifest: { parts } }) => ({
            name,
            documents: parts.reduce((sum, part) => sum + part.documents, 0),
            textBytes: parts.reduce((sum, part) => sum + part.textBytes, 0),
          }),
          (error: unknown) => ({ name, error: LabError.from(error).message }),
        ),
      );
    }
    return found;
  }

  /** Throws `not_found` for a name that is none, and for what is no corpus. */
  async open(name: string): Promise<Corpus> {
    return openCorpus(await this.#dataSets.find(name));
  }

  /** Reads the corpus the first time, and after it has changed. Throws as `CorpusIndex.open`. */
  async index(name: string, which: Browsed): Promise<CorpusIndex> {
    const corpus = await this.open(name);
    const key = `${which} ${corpus.sha256} ${corpus.folder}`;
    const known = this.#kept.get(key);
    this.#kept.delete(key);
    // Not the asker's signal: others may wait for the same.
    const opening = known ?? CorpusIndex.open(corpus, which);
    this.#kept.set(key, opening);
    opening.catch(() => this.#kept.delete(key));
    for (const old of [...this.#kept.keys()].slice(0, -MAX_KEPT)) this.#kept.delete(old);
    return opening;
  }

  async indexes(name: string): Promise<Indexes> {
    const [kept, rejected] = await Promise.all(BROWSED.map((which) => this.index(name, which)));
    return { kept: kept!, rejected: rejected! };
  }

  /** Where the ratings of a corpus lie: a data set too, which `philab data classify` reads. */
  async ratingsFile(name: string): Promise<string> {
    return `${await this.#dataSets.find(name)}.ratings.jsonl`;
  }

  /** Does writes one after the other. */
  async inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(write);
    this.#writing = turn.catch(() => undefined);
    await turn;
  }

  /** Items of the benchmarks that were looked for in a corpus, as far as their files are data sets here. */
  async benchmarkItems({ manifest }: Corpus): Promise<{
    items: Map<string, BenchmarkItem>;
    /** Words of a run, as it was asked for. */
    ngram: number;
    /** Names of files that are not here. */
    missing: string[];
  }> {
    const items = new Map<string, BenchmarkItem>();
    const missing: string[] = [];
    const stages = manifest.history.filter(({ stage }) => stage === "decontaminate");
    const here = new Set((await this.#dataSets.list()).map(({ name }) => name));
    for (const { options } of stages)
      for (const name of benchmarkNames(options["benchmarks"])) {
        if (!here.has(name)) missing.push(name);
        else
          for (const item of await readBenchmark(await this.#dataSets.find(name)))
            items.set(`${item.benchmark} ${item.id}`, item);
      }
    const ngram = Number(stages.at(-1)?.options["ngram"] ?? 13);
    return { items, ngram, missing };
  }
}

function benchmarkNames(recorded: unknown): string[] {
  if (!Array.isArray(recorded)) return [];
  return (recorded as { name?: unknown }[]).flatMap(({ name }) =>
    typeof name === "string" ? [name] : [],
  );
}

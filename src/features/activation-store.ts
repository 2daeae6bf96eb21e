/**
 * Activations to learn from, streamed: a round of tokens at a time is read by the model, shuffled and handed out, and the next
 * round takes its place in memory. What a round holds depends on its number alone, so that a run that was killed goes on with
 * the same rows. On disk, rounds of one pass over the texts are kept for the passes that follow.
 */
import { readFile, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { formatBytes } from "../base/format.ts";
import { Random } from "../base/random.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import type { HookPoint } from "../model/hook-points.ts";
import { assertDisk, assertMemory } from "../train/plan.ts";
import { BatchStream, type Batch } from "../train/data/batches.ts";
import type { Dataset } from "../train/data/dataset.ts";

/** Rows of activations, one for each token. */
export interface Rows {
  count: number;
  input: Float32Array; // [R, I]
  /** The same array as `input` in an autoencoder. */
  output: Float32Array; // [R, O]
}

export interface StoreOptions {
  input: { hook: HookPoint; width: number };
  output: { hook: HookPoint; width: number };
  /** Texts of one length, one after the other (`wrapped`). */
  dataset: Dataset;
  /** Sequences that the model reads together. */
  sequencesPerBatch: number;
  /** Tokens of a round, at least; whole batches of sequences. */
  roundTokens: number;
  seed: number;
  /** A folder in which rounds are kept; memory alone where undefined. */
  folder?: string | undefined;
}

export class ActivationStore {
  readonly #model: LanguageModel;
  readonly #options: StoreOptions;
  readonly #stream: BatchStream;
  readonly #batchesPerRound: number;
  readonly #sharesRows: boolean;

  /** @throws LabError `out_of_memory` where a round does not fit; what `BatchStream` throws */
  constructor(model: LanguageModel, options: StoreOptions) {
    const { dataset, sequencesPerBatch, roundTokens, seed, folder } = options;
    this.#model = model;
    this.#options = options;
    this.#sharesRows = options.input.hook === options.output.hook;
    this.#stream = new BatchStream(dataset, {
      batchSize: sequencesPerBatch,
      packing: "wrapped",
      attendAcross: true,
      // Kept rounds serve every pass: the order of the texts must be that of the first.
      shuffle: folder === undefined,
      seed,
      epochs: Infinity,
      lastBatch: "drop",
    });
    const perBatch = sequencesPerBatch * dataset.length;
    this.#batchesPerRound = Math.max(
      1,
      Math.min(Math.ceil(roundTokens / perBatch), this.#stream.batchesPerEpoch),
    );
    assertMemory(
      this.memoryBytes,
      `a round of ${this.tokensPerRound} tokens needs`,
      "Take smaller rounds (--round-tokens).",
    );
  }

  get tokensPerRound(): number {
    const { sequencesPerBatch, dataset } = this.#options;
    return this.#batchesPerRound * sequencesPerBatch * dataset.length;
  }

  /** Bytes of activations that are in memory at any time, at most: a round, and the batch that is added to it. */
  get memoryBytes(): number {
    const perToken = 4 * this.#valuesPerToken;
    return (
      (this.tokensPerRound + this.#options.sequencesPerBatch * this.#options.dataset.length) *
      perToken
    );
  }

  /** Bytes on disk when all rounds are kept. */
  get diskBytes(): number {
    return this.#roundsPerPass * this.tokensPerRound * 4 * this.#valuesPerToken;
  }

  /** @throws LabError `disk_full` before anything is written, where the rounds do not fit */
  async assertFits(): Promise<void> {
    const { folder } = this.#options;
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true });
    await assertDisk(folder, this.diskBytes, {
      what: `the activations of ${this.#roundsPerPass} rounds`,
      hint: "Keep them in memory (--no-keep-activations), or take fewer texts.",
    });
  }

  get #valuesPerToken(): number {
    const { input, output } = this.#options;
    return input.width + (this.#sharesRows ? 0 : output.width);
  }

  get #roundsPerPass(): number {
    return Math.floor(this.#stream.batchesPerEpoch / this.#batchesPerRound);
  }

  /** The rows of a round, shuffled. */
  async round(number: number, { signal }: { signal?: AbortSignal } = {}): Promise<Rows> {
    const { folder, seed } = this.#options;
    const kept = folder === undefined ? undefined : number % this.#roundsPerPass;
    const file = kept === undefined ? undefined : path.join(folder ?? "", `round-${kept}.f32`);
    const stored = file === undefined ? undefined : await this.#read(file);
    const rows = stored ?? (await this.#compute(kept ?? number, signal));
    if (stored === undefined && file !== undefined) await this.#keep(file, rows);
    return shuffled(rows, new Random(seed).split(number), this.#sharesRows);
  }

  async #compute(number: number, signal: AbortSignal | undefined): Promise<Rows> {
    const { input, output } = this.#options;
    const most = this.tokensPerRound;
    const own = new Float32Array(most * input.width);
    const rows = {
      count: 0,
      input: own,
      output: this.#sharesRows ? own : new Float32Array(most * output.width),
    };
    const first = number * this.#batchesPerRound;
    const { batchesPerEpoch } = this.#stream;
    for (let i = first; i < first + this.#batchesPerRound; i++) {
      this.#stream.restore({
        ...this.#stream.state(),
        epoch: Math.floor(i / batchesPerEpoch),
        batch: i % batchesPerEpoch,
      });
      await this.#add(rows, this.#stream.next() as Batch, signal);
    }
    return {
      count: rows.count,
      input: rows.input.subarray(0, rows.count * input.width),
      output: rows.output.subarray(0, rows.count * output.width),
    };
  }

  async #add(rows: Rows, batch: Batch, signal: AbortSignal | undefined): Promise<void> {
    const { sequences, length, ids, documents } = batch;
    const prompts = Array.from({ length: sequences }, (_, row) => [
      ...ids.subarray(row * length, (row + 1) * length),
    ]);
    const { input, output } = this.#options;
    const parts = this.#sharesRows ? [input] : [input, output];
    const run = await this.#model.run(prompts, {
      capture: parts.map(({ hook }) => hook),
      ...(signal === undefined ? {} : { signal }),
    });
    const read = documents.reduce<number[]>((list, document, i) => {
      if (document >= 0) list.push(i);
      return list;
    }, []);
    parts.forEach(({ hook, width }, part) => {
      const { values } = run.get(hook);
      const into = part === 0 ? rows.input : rows.output;
      read.forEach((row, i) => {
        into.set(values.subarray(row * width, (row + 1) * width), (rows.count + i) * width);
      });
      const added = into.subarray(rows.count * width, (rows.count + read.length) * width);
      if (!added.every(Number.isFinite))
        throw new LabError("check_failed", `${hook} has values that are no finite numbers`, {
          hint: "Look at the model (philab show), or open it in reference mode.",
        });
    });
    rows.count += read.length;
  }

  async #read(file: string): Promise<Rows | undefined> {
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) return undefined;
    const perToken = this.#valuesPerToken;
    if (found.size === 0 || found.size % (4 * perToken) !== 0)
      throw new LabError(
        "corrupt_file",
        `${file} has ${formatBytes(found.size)}, no whole rows of ${perToken} values`,
        {
          hint: "Remove it: it is computed again.",
        },
      );
    const bytes = await readFile(file);
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const count = values.length / perToken;
    const { input } = this.#options;
    const read = values.subarray(0, count * input.width);
    return {
      count,
      input: read,
      output: this.#sharesRows ? read : values.subarray(count * input.width),
    };
  }

  async #keep(file: string, { input, output }: Rows): Promise<void> {
    const parts = this.#sharesRows ? [input] : [input, output];
    const bytes = parts.map((x) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
    await writeFileAtomic(
      file,
      async (sink) => {
        for (const part of bytes) await sink.write(part);
      },
      { sizeBytes: bytes.reduce((sum, { length }) => sum + length, 0) },
    );
  }
}

/** Fisher and Yates on whole rows, in place. */
function shuffled(rows: Rows, random: Random, sharesRows: boolean): Rows {
  const { count } = rows;
  const parts = sharesRows ? [rows.input] : [rows.input, rows.output];
  const spare = parts.map((values) => new Float32Array(values.length / count));
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    parts.forEach((values, part) => {
      const row = spare[part] as Float32Array;
      const width = row.length;
      row.set(values.subarray(i * width, (i + 1) * width));
      values.copyWithin(i * width, j * width, (j + 1) * width);
      values.set(row, j * width);
    });
  }
  return rows;
}

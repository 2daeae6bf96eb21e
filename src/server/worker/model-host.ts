/** An opened model, with a batch for each of its adapters. */
import { LabError } from "../../base/errors.ts";
import { Batcher, type BatcherCounts } from "../../generate/batch/batcher.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import { rowsAreIndependent } from "../../model/independent-rows.ts";
import { DictionaryShelf } from "./dictionary-shelf.ts";
import type { WorkerFacts, WorkerSettings } from "./protocol.ts";

/** An adapter that a call names: where it lies was decided by the server, from its own lists. */
export interface AdapterFiles {
  name: string;
  path: string;
}

export class ModelHost {
  readonly model: LanguageModel;
  readonly facts: WorkerFacts;
  readonly dictionaries = new DictionaryShelf();
  readonly #settings: WorkerSettings;
  readonly #batchers = new Map<string | null, Batcher>();
  readonly #loading = new Map<string, Promise<unknown>>();
  /** Who looks inside under the adapter that is chosen, and who waits for another. */
  #looking = 0;
  #waiting: (() => void)[] = [];

  constructor(model: LanguageModel, settings: WorkerSettings) {
    this.model = model;
    this.#settings = settings;
    const { config, backend } = model;
    this.facts = {
      modelHash: model.fingerprint(),
      mode: model.mode,
      threads: backend.threads,
      device: backend.device.kind,
      engine: backend.engineVersion,
      contextLength: Math.min(settings.contextLength ?? Infinity, model.contextLength),
      vocabSize: config.vocabSize,
      width: config.width,
      layers: config.layers,
      heads: config.heads,
      hasTokenizer: model.hasTokenizer,
      deterministic: rowsAreIndependent(model),
    };
  }

  /** The batch of an adapter, which is loaded where it was not. */
  async batcher(adapter: AdapterFiles | null): Promise<Batcher> {
    const name = await this.adapterName(adapter);
    let batcher = this.#batchers.get(name);
    if (batcher === undefined) {
      const { slots, maxWaiting, contextLength } = this.#settings;
      batcher = new Batcher(this.model, { slots, maxWaiting, contextLength, adapter: name });
      this.#batchers.set(name, batcher);
    }
    return batcher;
  }

  /** Loads an adapter where it was not, and gives the name by which the model knows it. */
  async adapterName(adapter: AdapterFiles | null): Promise<string | null> {
    if (adapter === null) return null;
    const { name, path } = adapter;
    if (!this.#loading.has(name)) {
      const loading = this.model.loadAdapter(path, { name });
      loading.catch(() => this.#loading.delete(name)); // the next call tries again
      this.#loading.set(name, loading);
    }
    await this.#loading.get(name);
    return name;
  }

  /**
   * Looks inside under an adapter. What looks inside asks the model as it is, under the adapter that is chosen: together with others
   * under the same one, after those under another.
   */
  async under<T>(adapter: AdapterFiles | null, look: () => Promise<T>): Promise<T> {
    const name = await this.adapterName(adapter);
    while (this.#looking > 0 && this.model.adapter !== name)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#looking++ === 0) this.model.useAdapter(name);
    try {
      return await look();
    } finally {
      if (--this.#looking === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  get counts(): BatcherCounts {
    const all = [...this.#batchers.values()].map(({ counts }) => counts);
    const sum = (key: keyof BatcherCounts): number =>
      all.reduce((total, counts) => total + counts[key], 0);
    return {
      promptTokens: sum("promptTokens"),
      cachedTokens: sum("cachedTokens"),
      generatedTokens: sum("generatedTokens"),
      steps: sum("steps"),
      active: sum("active"),
      waiting: sum("waiting"),
    };
  }

  /** Throws `unsupported` where text is asked of a model that knows only ids. */
  assertReadsText(): void {
    if (this.facts.hasTokenizer) return;
    throw new LabError("unsupported", "this model has no tokenizer", {
      hint: "Give prompts as token ids.",
    });
  }
}

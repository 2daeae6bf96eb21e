/**
 * A model and the adapters that it has loaded. Keys and values depend on the adapter that they were computed under, so
 * each variant has a runner and a cache of its own, and no cached prefix of one serves another.
 */
import { basename } from "node:path";
import { LabError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import type { LoraConfig } from "../model/adapter-config.ts";
import { openAdapter } from "../model/adapter-file.ts";
import { fitAdapter } from "../model/adapter-source.ts";
import { Adapter } from "../model/adapter.ts";
import type { KvCacheType } from "../model/kv-cache.ts";
import { requirePhi } from "../model/model-config.ts";
import type { ParameterSource } from "../model/parameters.ts";
import type { Runner } from "../model/runner.ts";
import { adapterFingerprint } from "./fingerprint.ts";
import { Sequence } from "./sequence.ts";

/** An adapter that a model has loaded. */
export interface LoadedAdapter {
  readonly name: string;
  readonly path: string;
  /** What names it in results: a SHA-256. */
  readonly fingerprint: string;
  readonly config: LoraConfig;
  /** Linear layers that it changes. */
  readonly modules: number;
  readonly sizeBytes: number;
  /** What a person should know. */
  readonly notes: readonly string[];
}

interface CacheOptions {
  capacity: number;
  type: KvCacheType;
}

/** The model under one adapter, or under none. */
export class Variant {
  readonly runner: Runner;
  readonly #cache: CacheOptions;
  readonly #freed: () => void;
  /** The cache that calls reuse; taken while a call works with it. */
  #idle: Sequence | undefined;
  #busy = 0;
  #closed = false;

  /** @param freed - called when the variant is closed and no call uses it any more; its runner is freed by then */
  constructor(runner: Runner, cache: CacheOptions, freed: () => void) {
    this.runner = runner;
    this.#cache = cache;
    this.#freed = freed;
  }

  /** @param fresh - an empty one: what an edited call reads must not mix with what others have read */
  take({ fresh = false }: { fresh?: boolean } = {}): Sequence {
    const idle = fresh ? undefined : this.#idle;
    const sequence = idle ?? new Sequence(this.runner, this.#cache);
    if (idle !== undefined) this.#idle = undefined;
    this.#busy++;
    return sequence;
  }

  /** Keeps one sequence for the next call; others, and those that nobody may use again, are freed. */
  giveBack(sequence: Sequence, { reusable = true }: { reusable?: boolean } = {}): void {
    this.#busy--;
    if (this.#idle !== undefined || this.#closed || !reusable) sequence[Symbol.dispose]();
    else this.#idle = sequence;
    this.#freeWhenUnused();
  }

  /** Lends `work` the cache that calls reuse. */
  async reading<T>(work: (runner: Runner, sequence: Sequence) => Promise<T>): Promise<T> {
    const sequence = this.take();
    try {
      return await work(this.runner, sequence);
    } catch (error) {
      resetAfter(error, [sequence]);
      throw error;
    } finally {
      this.giveBack(sequence);
    }
  }

  /** Frees it, once calls that are under way have ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#freeWhenUnused();
  }

  #freeWhenUnused(): void {
    if (!this.#closed || this.#busy > 0) return;
    this.#idle?.[Symbol.dispose]();
    this.#idle = undefined;
    this.runner[Symbol.dispose]();
    this.#freed();
  }
}

export class Variants {
  readonly #plain: Variant;
  readonly #runner: Runner;
  readonly #cache: CacheOptions;
  readonly #adapters = new Map<string, { variant: Variant; info: LoadedAdapter }>();
  /** Variants whose memory is not freed yet, those of unloaded adapters that a call still uses among them. */
  #alive = 0;
  #chosen: string | null = null;
  #closed = false;

  /** @param freed - called when all is closed and no call uses any of it */
  constructor(runner: Runner, cache: CacheOptions, freed: () => void) {
    this.#runner = runner;
    this.#cache = cache;
    this.#plain = new Variant(runner, cache, freed);
  }

  get adapters(): ReadonlyMap<string, LoadedAdapter> {
    return new Map([...this.#adapters].map(([name, { info }]) => [name, info]));
  }

  get chosen(): string | null {
    return this.#chosen;
  }

  /** @param base - the model's parameters on disk */
  async load(
    path: string,
    {
      name = basename(path).replace(/\.gguf$/i, ""),
      base,
    }: { name?: string | undefined; base: ReadonlyMap<string, ParameterSource> },
  ): Promise<LoadedAdapter> {
    const { config: model, backend } = this.#runner;
    const stored = await openAdapter(path);
    const source = fitAdapter(stored, requirePhi(model, "adapters"));
    const fingerprint = adapterFingerprint(stored);
    const adapter = await Adapter.load(source, { backend, base });
    try {
      this.#assertOpen();
      this.#assertFree(name);
    } catch (error) {
      adapter[Symbol.dispose]();
      throw error;
    }
    const { config, modules, sizeBytes } = adapter;
    const { notes } = stored;
    const info = { name, path, fingerprint, config, modules: modules.size, sizeBytes, notes };
    this.#alive++;
    const variant = new Variant(this.#runner.adapt(modules), this.#cache, () => {
      adapter[Symbol.dispose]();
      this.#alive--;
      this.#closePlain();
    });
    this.#adapters.set(name, { variant, info });
    return info;
  }

  unload(name: string): void {
    const { variant } = this.#loaded(name);
    this.#adapters.delete(name);
    if (this.#chosen === name) this.#chosen = null;
    variant.close();
  }

  choose(name: string | null): void {
    if (name !== null) this.#loaded(name);
    this.#chosen = name;
  }

  /** The variant that a call means: of the adapter that it names, of none for null, of the chosen one otherwise. */
  under(adapter: string | null | undefined): Variant {
    this.#assertOpen();
    const name = adapter === undefined ? this.#chosen : adapter;
    return name === null ? this.#plain : this.#loaded(name).variant;
  }

  /** Frees everything, once calls that are under way have ended; the model's own runner last. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const adapters = [...this.#adapters.values()];
    this.#adapters.clear();
    for (const { variant } of adapters) variant.close();
    this.#closePlain();
  }

  #closePlain(): void {
    if (this.#closed && this.#alive === 0) this.#plain.close();
  }

  #loaded(name: string): { variant: Variant; info: LoadedAdapter } {
    const found = this.#adapters.get(name);
    if (found !== undefined) return found;
    const names = [...this.#adapters.keys()];
    const all = names.length === 0 ? "None is loaded." : `Loaded: ${names.join(", ")}.`;
    throw new LabError("not_found", `no adapter named ${name} is loaded`, {
      hint: didYouMean(name, names) ?? all,
    });
  }

  #assertFree(name: string): void {
    if (this.#adapters.has(name))
      throw new LabError("bad_input", `an adapter named ${name} is loaded already`, {
        hint: "Load it under another name, or unload that one first.",
      });
  }

  #assertOpen(): void {
    if (this.#closed) throw new LabError("bad_input", "the model is closed");
  }
}

/** A failed call may leave values in its caches that are no numbers; an interrupted one leaves what it has read by then. */
export function resetAfter(error: unknown, sequences: readonly Sequence[]): void {
  if (error instanceof LabError && error.code === "interrupted") return;
  for (const sequence of sequences) sequence.reset();
}

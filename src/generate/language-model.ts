/**
 * An opened model: what every bench, the server and the command line work with. Text goes in and comes out; every string
 * becomes ids in one place, with the start token that the model was trained with.
 */
import { LabError } from "../base/errors.ts";
import type { Device, Mode } from "../base/settings.ts";
import { threadsFor } from "../base/threads.ts";
import type { Checkpoint } from "../checkpoint/index.ts";
import { openCheckpoint } from "../checkpoint/index.ts";
import { Backend } from "../engine/backend.ts";
import { modelConfigFromCheckpoint, requirePhi, type ModelConfig } from "../model/model-config.ts";
import { planEdits } from "../model/hooks/edits.ts";
import type { Plan } from "../model/hooks/capture.ts";
import type { KvCacheType } from "../model/kv-cache.ts";
import { resolveParameters } from "../model/parameters.ts";
import { Runner } from "../model/runner.ts";
import { loadWeights, type LoadedWeights, type LoadOptions } from "../model/weights.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { decode, type DecodeOptions, type FinishReason, type GeneratedToken } from "./generate.ts";
import { openTokenizer } from "./open-tokenizer.ts";
import { planRun, runPrompts, type Run, type RunOptions } from "./run.ts";
import { scorePass, type RequestScore } from "./score-pass.ts";
import type { ScorePass } from "./score-plan.ts";
import { groupByPrefix, scoreContinuations, splitContinuation, type Score } from "./score.ts";
import type { Sequence } from "./sequence.ts";
import { resetAfter, Variants, type LoadedAdapter } from "./variants.ts";

/** Text, or ids, which are taken as they are (no start token is added). */
export type Prompt = string | readonly number[];

export interface OpenOptions {
  /** `fast` (default) or `reference`: f32 weights, exact GELU, explicit attention. */
  mode?: Mode;
  device?: Device;
  /** Threads that compute; by default one for each core, fewer for a model whose weights are small. */
  threads?: number;
  /** Type of cached keys and values; f16, in reference mode f32. */
  cacheType?: KvCacheType;
  /** Tokens that the context holds; the model's own by default. */
  contextLength?: number;
  /** Whether weights may be stored in the order that multiplies fastest; they cannot be read back then. Default true. */
  repack?: boolean;
  signal?: AbortSignal;
  onProgress?: NonNullable<LoadOptions["onProgress"]>;
}

/** Which adapter a call uses. */
export interface AdapterChoice {
  /** Name of a loaded adapter, or null for none; by default the one that `useAdapter` chose. */
  adapter?: string | null;
}

export type GenerateOptions = Partial<DecodeOptions> & AdapterChoice & Pick<RunOptions, "edits">;

export interface Generation {
  text: string;
  tokens: readonly GeneratedToken[];
  finishReason: FinishReason;
}

/**
 * A model that answers: it continues texts, scores them, and shows and changes what happens inside. `open` makes one from a
 * name; `await using` frees its memory.
 */
export class LanguageModel implements AsyncDisposable {
  readonly path: string;
  readonly config: ModelConfig;
  readonly mode: Mode;
  readonly backend: Backend;
  readonly weights: LoadedWeights;
  readonly runner: Runner;
  readonly contextLength: number;
  readonly cacheType: KvCacheType;
  readonly #checkpoint: Checkpoint;
  readonly #tokenizer: Tokenizer | undefined;
  #fingerprint: string | undefined;
  readonly #variants: Variants;

  private constructor(fields: {
    path: string;
    config: ModelConfig;
    mode: Mode;
    backend: Backend;
    checkpoint: Checkpoint;
    weights: LoadedWeights;
    tokenizer: Tokenizer | undefined;
    contextLength: number;
    cacheType: KvCacheType;
  }) {
    this.path = fields.path;
    this.config = fields.config;
    this.mode = fields.mode;
    this.backend = fields.backend;
    this.weights = fields.weights;
    this.contextLength = fields.contextLength;
    this.cacheType = fields.cacheType;
    this.#checkpoint = fields.checkpoint;
    this.#tokenizer = fields.tokenizer;
    this.runner = new Runner(fields.weights.model, fields.config, fields.backend, fields.mode);
    const cache = { capacity: fields.contextLength, type: fields.cacheType };
    this.#variants = new Variants(this.runner, cache, () => {
      this.weights[Symbol.dispose]();
      this.backend[Symbol.dispose]();
    });
  }

  /**
   * Opens a model directory, a .safetensors or a .gguf file.
   *
   * @throws LabError for missing, damaged and unsupported files, memory that does not suffice, wrong options
   */
  static async open(path: string, options: OpenOptions = {}): Promise<LanguageModel> {
    const { mode = "fast", device = "auto", repack = true } = options;
    const cacheType = options.cacheType ?? (mode === "reference" ? "f32" : "f16");
    const checkpoint = await openCheckpoint(path);
    const config = modelConfigFromCheckpoint(checkpoint);
    const contextLength = options.contextLength ?? config.contextLength;
    if (
      !Number.isInteger(contextLength) ||
      contextLength < 1 ||
      contextLength > config.contextLength
    )
      throw new LabError(
        "bad_input",
        `the context length must be 1…${config.contextLength}, not ${contextLength}`,
      );
    const tokenizer = await openTokenizer(checkpoint);
    const threads = options.threads ?? threadsFor(weightBytes(checkpoint));
    const backend = new Backend({ device, threads });
    try {
      const weights = await loadWeights(checkpoint, config, backend, {
        mode,
        repack,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      });
      const files = { path, checkpoint, config, tokenizer };
      return new LanguageModel({ ...files, mode, backend, weights, contextLength, cacheType });
    } catch (error) {
      backend[Symbol.dispose]();
      throw error;
    }
  }

  /** The model's tokenizer. Throws `unsupported` where the files hold none; prompts are given as ids then. */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer === undefined)
      throw new LabError("unsupported", `${this.path} has no tokenizer`, {
        hint: "Give prompts as token ids (--tokens 1,2,3).",
      });
    return this.#tokenizer;
  }

  get hasTokenizer(): boolean {
    return this.#tokenizer !== undefined;
  }

  /** The ids of a prompt, after the start token where the model wants one; ids stay as they are. */
  promptIds(prompt: Prompt): readonly number[] {
    const ids = typeof prompt === "string" ? this.tokenizer.promptIds(prompt) : prompt;
    if (ids.length === 0)
      throw new LabError("bad_input", "the prompt is empty", {
        hint: "This model has no start token; give it at least one token to continue.",
      });
    return ids;
  }

  /** Continues a prompt, token by token. Leaving the loop ends the computation. */
  async *generate(
    prompt: Prompt,
    options: GenerateOptions = {},
  ): AsyncGenerator<GeneratedToken, void, undefined> {
    yield* this.generateBatch([prompt], options);
  }

  /** Continues several prompts together; tokens arrive in turn, each with the `index` of its prompt. */
  async *generateBatch(
    prompts: readonly Prompt[],
    { adapter, edits = [], ...options }: GenerateOptions = {},
  ): AsyncGenerator<GeneratedToken, void, undefined> {
    const ids = prompts.map((prompt) => this.promptIds(prompt));
    for (const prompt of ids) this.#assertFits(prompt.length);
    const variant = this.#variants.under(adapter);
    const planned = planEdits(edits, this.config);
    const edited = edits.length > 0;
    const sequences: Sequence[] = [];
    try {
      for (let i = 0; i < ids.length; i++) sequences.push(variant.take({ fresh: edited }));
      const streams = sequences.map((sequence, i) => ({ sequence, prompt: ids[i] as number[] }));
      yield* decode(variant.runner, this.#tokenizer, streams, options, planned);
    } catch (error) {
      resetAfter(error, sequences);
      throw error;
    } finally {
      for (const sequence of sequences) variant.giveBack(sequence, { reusable: !edited });
    }
  }

  /** The whole continuation of a prompt. */
  async complete(prompt: Prompt, options: GenerateOptions = {}): Promise<Generation> {
    const tokens: GeneratedToken[] = [];
    for await (const token of this.generate(prompt, options)) tokens.push(token);
    return {
      text: tokens.map(({ text }) => text).join(""),
      tokens,
      finishReason: tokens.at(-1)?.finishReason ?? "length",
    };
  }

  /**
   * Log-likelihood of each continuation after the prompt. A text continuation is tokenised together with its prompt, as
   * lm-evaluation-harness does, so that a token may span their border.
   */
  async score(
    prompt: Prompt,
    continuations: readonly Prompt[],
    { signal, adapter }: { signal?: AbortSignal } & AdapterChoice = {},
  ): Promise<Score[]> {
    const pairs = continuations.map((continuation) =>
      splitContinuation(this, prompt, continuation),
    );
    const options = signal === undefined ? {} : { signal };
    return this.#variants.under(adapter).reading(async (runner, sequence) => {
      const scores: Score[] = [];
      // Continuations that share their prefix are computed together; borders may differ by continuation.
      for (const { prefix, group } of groupByPrefix(pairs)) {
        const lists = group.map(({ ids }) => ids);
        const given = { prefix, continuations: lists, ...options };
        const found = await scoreContinuations(runner, sequence, given);
        group.forEach(({ index }, i) => (scores[index] = found[i] as Score));
      }
      return scores;
    });
  }

  /**
   * Reads a prompt, or several together, and keeps the inner values that `capture` lists. Shorter prompts of a batch are
   * padded without effect on any value.
   */
  async run(
    prompts: Prompt | readonly Prompt[],
    options: RunOptions & AdapterChoice = {},
  ): Promise<Run> {
    return runPrompts(this.runnerFor(options.adapter), this.#batchIds(prompts), options);
  }

  /** What a run would keep, and its bytes, without running it. */
  plan(prompts: Prompt | readonly Prompt[], options: Pick<RunOptions, "capture">): Plan {
    return planRun(
      this.config,
      this.#batchIds(prompts).map((ids) => ids.length),
      options,
    );
  }

  /** Computes one pass of a plan (`planScores`): many contexts, each with its continuations, after one prefix. */
  async scorePass(
    pass: ScorePass,
    { signal, adapter }: { signal?: AbortSignal } & AdapterChoice = {},
  ): Promise<RequestScore[]> {
    const options = signal === undefined ? {} : { signal };
    return this.#variants
      .under(adapter)
      .reading((runner, sequence) => scorePass(runner, sequence, pass, options));
  }

  /** Adapters that are loaded, by name. */
  get adapters(): ReadonlyMap<string, LoadedAdapter> {
    return this.#variants.adapters;
  }

  /** The adapter of calls that name none; null for none. */
  get adapter(): string | null {
    return this.#variants.chosen;
  }

  /**
   * Loads a LoRA adapter beside the others; calls choose it by name. The model's weights stay as they are.
   *
   * @param path - PEFT's directory, or a .gguf file
   * @param name - the last part of the path by default
   * @throws LabError `bad_input` for an adapter of another model and for a name that is taken; what `openAdapter` throws
   */
  async loadAdapter(path: string, { name }: { name?: string } = {}): Promise<LoadedAdapter> {
    const base = resolveParameters(this.#checkpoint, requirePhi(this.config, "adapters"));
    return this.#variants.load(path, { name, base });
  }

  /** Frees an adapter, once calls that are under way with it have ended. Calls that name none then use none. */
  unloadAdapter(name: string): void {
    this.#variants.unload(name);
  }

  /** Chooses the adapter of calls that name none; null for none. */
  useAdapter(name: string | null): void {
    this.#variants.choose(name);
  }

  /** What computes the model under an adapter, until that is unloaded; `runner` is that of the model alone. */
  runnerFor(adapter?: string | null): Runner {
    return this.#variants.under(adapter).runner;
  }

  /** The ids of one prompt or of several: a list of numbers is one prompt. */
  #batchIds(prompts: Prompt | readonly Prompt[]): (readonly number[])[] {
    const isOne =
      typeof prompts === "string" || typeof prompts[0] === "number" || prompts.length === 0;
    const list = isOne ? [prompts as Prompt] : (prompts as readonly Prompt[]);
    const ids = list.map((prompt) => this.promptIds(prompt));
    for (const prompt of ids) this.#assertFits(prompt.length);
    return ids;
  }

  #assertFits(length: number): void {
    if (length > this.contextLength)
      throw new LabError(
        "too_long",
        `the prompt has ${length} tokens; the context holds ${this.contextLength} (${length - this.contextLength} too many)`,
        { hint: "Shorten the prompt." },
      );
  }

  /** What names this model in results: a SHA-256, see `fingerprintOf`. */
  fingerprint(): string {
    this.#fingerprint ??= fingerprintOf(this.config, this.#checkpoint);
    return this.#fingerprint;
  }

  /** Closes the model. Its memory is freed at once or, where calls are under way, when the last of them has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#variants.close();
  }
}

function weightBytes({ tensors }: Checkpoint): number {
  return [...tensors.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

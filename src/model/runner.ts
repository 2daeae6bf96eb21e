/**
 * Runs forward passes through key-value caches: builds the graph, fills its inputs, computes it off the main thread and
 * reads the logits. Calls are queued, one at a time. The graph of a small step (decoding) is kept and used again.
 *
 * A model under an adapter has a runner of its own, which shares the queue and the memory of the model's.
 */
import { invariant, LabError } from "../base/errors.ts";
import type { Mode } from "../base/settings.ts";
import type { Backend } from "../engine/backend.ts";
import { Executor } from "../engine/executor.ts";
import type { OperationTime } from "../engine/profile.ts";
import { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { attendThroughCache, type Segment } from "./attention.ts";
import { cacheNumber, spanOf, wantsAll, type CachedTokens } from "./cached-tokens.ts";
import { checkIds, checkPosition, checkTokens } from "./check-tokens.ts";
import { firstNonFinite } from "./diagnose.ts";
import { forward, phiWeights, type ModelWeights } from "./forward.ts";
import { untouched, type HookPoint } from "./hook-points.ts";
import { EditApplier } from "./hooks/apply.ts";
import { cachedCells, type Intervention } from "./hooks/cached.ts";
import type { EditedCells } from "./hooks/edited-cells.ts";
import type { PassModel, PassRequest, PassResult } from "./hooks/pass.ts";
import { Passes } from "./hooks/passes.ts";
import type { KvCache } from "./kv-cache.ts";
import { ADAPTED_NODES, withAdapter, type LowRank } from "./lora.ts";
import type { ModelConfig } from "./model-config.ts";
import { fill, type Step } from "./step.ts";
import {
  readScores,
  tokenScores,
  type LogProbs,
  type LogProbTarget,
  type TokenScores,
} from "./token-scores.ts";

interface RunOptions {
  signal?: AbortSignal;
  intervention?: Intervention | undefined;
  /** Gets the time of each operation; they are computed one by one then, which takes longer. */
  onTimes?: (times: OperationTime[]) => void;
}

/** Graphs of at most this many tokens are kept for the next call. */
const KEPT_GRAPH_ROWS = 32;

/** What all runners of one model share: computations take turns, and use the same memory. */
class Lane implements Disposable {
  readonly prefill: Executor;
  readonly decode: Executor;
  readonly passes = new Passes();
  kept: Step | undefined;
  queue: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend) {
    this.prefill = new Executor(backend);
    this.decode = new Executor(backend);
  }

  dropKept(): void {
    this.kept?.graph[Symbol.dispose]();
    this.kept = undefined;
  }

  [Symbol.dispose](): void {
    this.dropKept();
    this.passes[Symbol.dispose]();
    this.prefill[Symbol.dispose]();
    this.decode[Symbol.dispose]();
  }
}

export class Runner implements Disposable {
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly mode: Mode;
  readonly #weights: ModelWeights;
  readonly #lane: Lane;
  readonly #sharesLane: boolean;
  /** Linear layers that an adapter changes. */
  readonly #adaptedLayers: number;

  constructor(
    weights: ModelWeights,
    config: ModelConfig,
    backend: Backend,
    mode: Mode,
    { lane, adaptedLayers = 0 }: { lane?: Lane; adaptedLayers?: number } = {},
  ) {
    this.#weights = weights;
    this.config = config;
    this.backend = backend;
    this.mode = mode;
    this.#lane = lane ?? new Lane(backend);
    this.#sharesLane = lane !== undefined;
    this.#adaptedLayers = adaptedLayers;
  }

  /**
   * The model with what an adapter adds to its linear layers (by module name). It must be freed before this runner, the
   * tensors of the adapter after it. A cache belongs to the runner that filled it.
   *
   * @throws LabError `unsupported` for models that are no Phi
   */
  adapt(changes: ReadonlyMap<string, LowRank>): Runner {
    const { config, backend, mode } = this;
    const shared = { lane: this.#lane, adaptedLayers: changes.size };
    const weights = withAdapter(phiWeights(this.#weights, "adapters"), changes);
    return new Runner(weights, config, backend, mode, shared);
  }

  /**
   * Logits of the wanted tokens, one `[V]` array each, in the order of the lists.
   *
   * @throws LabError `bad_input` for ids outside the vocabulary, `too_long` for positions outside the context,
   *   `interrupted`
   */
  async run(batch: readonly CachedTokens[], options: RunOptions = {}): Promise<Float32Array[]> {
    for (const tokens of batch) checkTokens(tokens, this.config);
    return this.#inTurn(() => this.#run(batch, options));
  }

  /**
   * Log-probabilities of given tokens, computed where the logits are: a vocabulary's worth of numbers for each row is
   * neither read back nor added up here.
   *
   * @throws LabError as `run`
   */
  async score(
    batch: readonly CachedTokens[],
    targets: readonly LogProbTarget[],
    options: { signal?: AbortSignal } = {},
  ): Promise<LogProbs> {
    for (const tokens of batch) checkTokens(tokens, this.config);
    checkIds(
      targets.map(({ id }) => id),
      this.config,
    );
    const wanted = batch.reduce((sum, { logits }) => sum + logits.length, 0);
    if (targets.some(({ row }) => !(row >= 0 && row < wanted)))
      throw new LabError("internal", "internal: a target after a row that is not wanted");
    return this.#inTurn(async () => {
      const { lane, config } = { lane: this.#lane, config: this.config };
      let scores: TokenScores | undefined;
      const step = this.#build(batch, {
        key: "score",
        cells: undefined,
        executor: lane.prefill,
        head: (logits) => (scores = tokenScores(logits, targets.length)),
      });
      try {
        fill(step, batch);
        invariant(scores !== undefined, "a graph for scores makes scores");
        return await readScores(step.graph, scores, { targets, config, ...options });
      } finally {
        step.graph[Symbol.dispose]();
      }
    });
  }

  /**
   * Reads whole prompts without a cache, and keeps what is asked for.
   *
   * @throws LabError `bad_input` for ids outside the vocabulary, `too_long`, `interrupted`
   */
  async read(request: PassRequest, options: { signal?: AbortSignal } = {}): Promise<PassResult> {
    for (const ids of request.prompts) {
      checkIds(ids, this.config);
      checkPosition(ids.length - 1, this.config);
    }
    return this.lend((model) => this.#lane.passes.run(this, model, request, options));
  }

  /** Lends what graphs are built with, when all computations before have ended. */
  async lend<T>(work: (model: PassModel) => Promise<T>): Promise<T> {
    const { config, backend, mode } = this;
    const adapterNodes = ADAPTED_NODES * this.#adaptedLayers;
    return this.#inTurn(() =>
      work({ weights: this.#weights, config, backend, mode, adapterNodes }),
    );
  }

  /** Runs `work` when all computations before it have ended: the backend takes one at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const lane = this.#lane;
    const result = lane.queue.then(work);
    lane.queue = result.catch(() => undefined);
    return result;
  }

  async #run(
    batch: readonly CachedTokens[],
    { signal, intervention, onTimes }: RunOptions,
  ): Promise<Float32Array[]> {
    const about = { config: this.config, allLogits: wantsAll(batch) };
    const cells = intervention && cachedCells(batch, intervention, about);
    const step = this.#step(batch, cells);
    try {
      fill(step, batch);
      const options = signal === undefined ? {} : { signal };
      if (onTimes !== undefined) onTimes(step.graph.profile());
      else if (cells === undefined || step.editor === undefined) await step.graph.compute(options);
      else await step.editor.compute(cells, options);
      if (step.logits === undefined) return [];
      const values = step.logits.read();
      const { vocabSize } = this.config;
      return Array.from({ length: values.length / vocabSize }, (_, i) =>
        values.subarray(i * vocabSize, (i + 1) * vocabSize),
      );
    } finally {
      if (step !== this.#lane.kept) step.graph[Symbol.dispose]();
    }
  }

  #step(batch: readonly CachedTokens[], cells: EditedCells | undefined): Step {
    const rows = batch.reduce((sum, { ids }) => sum + ids.length, 0);
    const keep = rows <= KEPT_GRAPH_ROWS;
    const shapes = batch.map(
      (t) => `${cacheNumber(t.cache)}:${t.ids.length}:${spanOf(t)}:${t.logits.join()}`,
    );
    const key = [...shapes, cells?.form].join(" ");
    const lane = this.#lane;
    if (keep && lane.kept?.owner === this && lane.kept.key === key) return lane.kept;
    if (keep) lane.dropKept();
    const step = this.#build(batch, {
      key,
      cells,
      executor: keep ? lane.decode : lane.prefill,
    });
    if (keep) lane.kept = step;
    return step;
  }

  #build(
    batch: readonly CachedTokens[],
    {
      key,
      cells,
      executor,
      head = (logits) => logits.graph?.output(logits),
    }: {
      key: string;
      cells: EditedCells | undefined;
      executor: Executor;
      /** What is made of the logits; they themselves are read otherwise. */
      head?: (logits: Tensor) => void;
    },
  ): Step {
    const rows = batch.reduce((sum, { ids }) => sum + ids.length, 0);
    const wanted = batch.reduce((sum, { logits }) => sum + logits.length, 0);
    const maxNodes =
      64 +
      this.config.layers * (48 + 40 * batch.length) +
      ADAPTED_NODES * this.#adaptedLayers +
      (cells?.nodes ?? 0);
    const graph = new Graph(this.backend, { maxNodes, executor });
    try {
      const ids = graph.input("i32", [rows], "ids");
      const positions = graph.input("i32", [rows], "positions");
      const logitRows =
        wantsAll(batch) || wanted === 0 ? undefined : graph.input("i32", [wanted], "logit rows");
      const exactMask = this.mode === "reference";
      let start = 0;
      const segments = batch.map((tokens): Segment => {
        const { cache, ids } = tokens;
        const span = spanOf(tokens);
        cache.expose(span);
        const cells = graph.input("i64", [ids.length], "cells");
        const mask = graph.input(exactMask ? "f32" : "f16", [1, 1, ids.length, span], "mask");
        start += ids.length;
        return { cache, start: start - ids.length, rows: ids.length, cells, span, mask };
      });
      const editor = cells && new EditApplier(graph, cells);
      const attend = attendThroughCache(segments, { fused: !exactMask });
      const logits = forward(
        this.#weights,
        this.config,
        { ids, positions, attend, ...(logitRows === undefined ? {} : { logitRows }) },
        { mode: this.mode, tap: editor === undefined ? untouched : editor.tap },
      );
      if (wanted > 0) head(logits);
      graph.allocate();
      return {
        graph,
        owner: this,
        key,
        ids,
        positions,
        logitRows,
        segments,
        editor,
        logits: wanted > 0 ? logits : undefined,
      };
    } catch (error) {
      graph[Symbol.dispose]();
      throw error;
    }
  }

  /** Throws `bad_input` and `too_long` for a text that no pass could read. */
  checkPrompt(ids: readonly number[], capacity: number): void {
    checkIds(ids, this.config);
    if (ids.length > capacity)
      throw new LabError(
        "too_long",
        `the prompt has ${ids.length} tokens; the context holds ${capacity} (${ids.length - capacity} too many)`,
        { hint: "Shorten the prompt." },
      );
  }

  /** Where reading `tokens` first gives a value that is no finite number. */
  async firstNonFinite(tokens: readonly number[]): Promise<HookPoint | undefined> {
    const { config, backend, mode } = this;
    const model = { weights: this.#weights, config, backend, mode };
    return this.#inTurn(() => firstNonFinite(model, tokens));
  }

  /** Forgets what was kept for a cache that is about to be freed. */
  forget(cache: KvCache): void {
    const { kept } = this.#lane;
    if (kept?.segments.some((segment) => segment.cache === cache)) this.#lane.dropKept();
  }

  [Symbol.dispose](): void {
    if (this.#sharesLane) {
      if (this.#lane.kept?.owner === this) this.#lane.dropKept();
      this.#lane.passes.forget(this);
    } else this.#lane[Symbol.dispose]();
  }
}

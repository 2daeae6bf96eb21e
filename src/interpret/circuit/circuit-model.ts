/** A model whose edges can be ablated, each alone or in any set, and differentiated with respect to. */
import { LabError } from "../../base/errors.ts";
import type { Backend } from "../../engine/backend.ts";
import type { LanguageModel } from "../../generate/language-model.ts";
import type { PhiConfig } from "../../model/config.ts";
import { requirePhi } from "../../model/model-config.ts";
import { Graph } from "../../tensor/graph.ts";
import { circuitGraph, type CircuitGraph } from "./graph.ts";
import { circuitNodes, recordCircuitPass, type PassShape, type RecordedPass } from "./pass.ts";
import { loadCircuitWeights, type CircuitWeights } from "./weights.ts";

/** Bytes that the values of variants computed together take, about. */
const BATCH_BYTES = 2 ** 27;
const MAX_VARIANTS = 64;
/** Graphs that are kept, the ones used last. */
const KEPT_GRAPHS = 4;

/** What computations are recorded with. */
export interface CircuitParts {
  backend: Backend;
  weights: CircuitWeights;
  config: PhiConfig;
  sources: CircuitGraph;
}

interface RecordedGraph extends Disposable {
  graph: Graph;
  pass: RecordedPass;
}

/** A model whose edges between heads, MLPs, input and logits can be ablated, each alone or in any set. `using` frees its memory. */
export class CircuitModel implements Disposable {
  readonly graph: CircuitGraph;
  readonly model: LanguageModel;
  readonly config: PhiConfig;
  readonly #weights: CircuitWeights;
  readonly #recordings = new Map<string, Disposable>();

  private constructor(model: LanguageModel, weights: CircuitWeights) {
    this.model = model;
    this.config = requirePhi(model.config, "circuits");
    this.graph = circuitGraph(this.config);
    this.#weights = weights;
  }

  /** Reads the weights once more, in f32. Throws `out_of_memory` where they do not fit, `unsupported` for what is no Phi. */
  static async open(model: LanguageModel): Promise<CircuitModel> {
    return new CircuitModel(model, await loadCircuitWeights(model));
  }

  /** The stream of a text before the first block, `[T, D]`. */
  embeddings(ids: readonly number[]): Float32Array {
    const { width, vocabSize, contextLength } = this.config;
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (wrong !== undefined || ids.length === 0)
      throw new LabError(
        "bad_input",
        wrong === undefined ? "an empty prompt" : `there is no token ${wrong}`,
      );
    if (ids.length > contextLength)
      throw new LabError("too_long", `${ids.length} tokens; the context holds ${contextLength}`);
    const values = new Float32Array(ids.length * width);
    ids.forEach((id, t) => {
      values.set(this.#weights.embedding.subarray(id * width, (id + 1) * width), t * width);
    });
    return values;
  }

  /** What every source writes in a run of a text, `[S, T, D]`. */
  async sources(ids: readonly number[]): Promise<Float32Array> {
    const [found] = await this.sourcesOf([ids]);
    return found as Float32Array;
  }

  /** The same of texts of one length, together. */
  async sourcesOf(texts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const starts = texts.map((ids) => this.embeddings(ids));
    const [size = 0] = starts.map(({ length }) => length);
    return this.#inTurn(async () => {
      const [length, variants] = [texts[0]?.length ?? 0, texts.length];
      const { graph, pass } = this.#recorded({ variants, length, edges: "plain" });
      const all = new Float32Array(size * variants);
      starts.forEach((values, i) => {
        all.set(values, i * size);
      });
      pass.start.write(all);
      await graph.compute();
      return sourcesIn(pass, { variants, size, count: this.graph.sources.length });
    });
  }

  /**
   * Logits `[V]` after a text for each set of edges: those that are kept carry what this run gives, the others `base`.
   */
  async logits(
    ids: readonly number[],
    {
      base,
      kept,
      signal,
    }: {
      /** Another value of every source, `[S, T, D]`. */
      base: Float32Array;
      /** Of each variant one value for each edge, 0 where it is ablated. */
      kept: readonly Uint8Array[];
      signal?: AbortSignal | undefined;
    },
  ): Promise<Float32Array[]> {
    const { variants: most } = this.#shape(ids.length);
    const variants = Math.min(most, kept.length);
    const { vocabSize } = this.config;
    const found: Float32Array[] = [];
    const start = this.embeddings(ids);
    for (let first = 0; first < kept.length; first += variants) {
      signal?.throwIfAborted();
      const part = Array.from(
        { length: variants },
        (_, i) => kept[Math.min(first + i, kept.length - 1)] as Uint8Array,
      );
      const values = await this.#inTurn(async () => {
        const { graph, pass } = this.#recorded({ variants, length: ids.length, edges: "ablated" });
        pass.start.write(repeated(start, variants));
        pass.base?.write(base);
        this.#writeMasks(pass, part);
        await graph.compute();
        return pass.logits.read();
      });
      for (let i = 0; i < variants && first + i < kept.length; i++)
        found.push(values.slice(i * vocabSize, (i + 1) * vocabSize));
    }
    return found;
  }

  /** What every source writes, `[S, T, D]`, where the edges that are not kept carry `base`. */
  async ablatedSources(
    ids: readonly number[],
    { base, kept }: { base: Float32Array; kept: Uint8Array },
  ): Promise<Float32Array> {
    return this.#inTurn(async () => {
      const { graph, pass } = this.#recorded({ variants: 1, length: ids.length, edges: "ablated" });
      pass.start.write(this.embeddings(ids));
      pass.base?.write(base);
      this.#writeMasks(pass, [kept]);
      await graph.compute();
      const found = sourcesIn(pass, {
        ...{ variants: 1, size: base.length / this.graph.sources.length },
        count: this.graph.sources.length,
      });
      return found[0] as Float32Array;
    });
  }

  /**
   * Lends what computations of one's own are recorded with. What `record` makes is kept for the next use of its `key`.
   */
  async withRecorded<R extends Disposable, T>(
    key: string,
    record: (parts: CircuitParts) => R,
    work: (recorded: R) => Promise<T>,
  ): Promise<T> {
    const { backend } = this.model;
    return this.#inTurn(() =>
      work(
        this.#kept(key, () =>
          record({ backend, weights: this.#weights, config: this.config, sources: this.graph }),
        ),
      ),
    );
  }

  #recorded(shape: PassShape): RecordedGraph {
    return this.#kept(`pass ${Object.values(shape).join(" ")}`, () => {
      const graph = new Graph(this.model.backend, { maxNodes: circuitNodes(this.config) });
      const given = { weights: this.#weights, config: this.config, sources: this.graph };
      const pass = recordCircuitPass(graph, given, shape);
      const isPlain = shape.edges === "plain";
      if (!isPlain) graph.output(pass.logits);
      if (isPlain || shape.variants === 1) graph.output(...pass.written);
      graph.allocate();
      pass.prepare();
      return {
        ...{ graph, pass },
        [Symbol.dispose]: () => {
          graph[Symbol.dispose]();
        },
      };
    });
  }

  /** What was made under a key, or is made now; the one that was not used for longest goes. */
  #kept<R extends Disposable>(key: string, make: () => R): R {
    let found = this.#recordings.get(key) as R | undefined;
    if (found === undefined) {
      const [oldest] = this.#recordings.keys();
      if (this.#recordings.size >= KEPT_GRAPHS && oldest !== undefined) this.#drop(oldest);
      found = make();
    }
    this.#recordings.delete(key);
    this.#recordings.set(key, found);
    return found;
  }

  #writeMasks({ masks }: RecordedPass, kept: readonly Uint8Array[]): void {
    let next = 0;
    for (const tensor of masks) {
      const [, count = 0, sources = 0] = tensor.shape;
      const values = new Float32Array(tensor.size);
      kept.forEach((own, variant) => {
        for (let g = 0; g < count; g++) {
          const start = this.graph.targets[next + g]?.start ?? 0;
          for (let s = 0; s < sources; s++)
            values[(variant * count + g) * sources + s] = own[start + s] === 0 ? 1 : 0;
        }
      });
      tensor.write(values);
      next += count;
    }
  }

  #shape(length: number): { variants: number } {
    const { width, heads } = this.config;
    const values = 6 * this.graph.sources.length + 24 * heads;
    const bytes = 4 * length * width * values;
    return { variants: Math.max(1, Math.min(MAX_VARIANTS, Math.floor(BATCH_BYTES / bytes))) };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.model.runnerFor().lend(work);
  }

  #drop(key: string): void {
    this.#recordings.get(key)?.[Symbol.dispose]();
    this.#recordings.delete(key);
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#recordings.keys()]) this.#drop(key);
    this.#weights[Symbol.dispose]();
  }
}

/** What sources wrote, `[S, T, D]` of each variant. @param size - of one source */
function sourcesIn(
  { written }: RecordedPass,
  { variants, size, count }: { variants: number; size: number; count: number },
): Float32Array[] {
  const found = Array.from({ length: variants }, () => new Float32Array(count * size));
  let source = 0;
  for (const tensor of written) {
    const values = tensor.read();
    const own = values.length / variants;
    found.forEach((into, variant) => {
      into.set(values.subarray(variant * own, (variant + 1) * own), source * size);
    });
    source += own / size;
  }
  return found;
}

function repeated(values: Float32Array, times: number): Float32Array {
  const result = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) result.set(values, i * values.length);
  return result;
}

/**
 * An adapter under training, over a model whose weights stay as they are, in whatever type they have (QLoRA, Dettmers et al.
 * 2023, arXiv 2305.14314, without its number format). Gradients go through W where it is packed for our kernels by a product of
 * theirs, else by decoding one matrix at a time. Weights that the backend has repacked cannot be decoded, so none are.
 */
import { join } from "node:path";
import { openCheckpoint } from "../checkpoint/index.ts";
import type { Backend } from "../engine/backend.ts";
import type { LoraConfig } from "../model/adapter-config.ts";
import { ADAPTER_FILE } from "../model/adapter-file.ts";
import { peftName, writePeftFiles } from "../model/adapter-write.ts";
import { Adapter } from "../model/adapter.ts";
import { configFromCheckpoint, type PhiConfig } from "../model/config.ts";
import { withAdapter, type LowRank } from "../model/lora.ts";
import type { PhiWeights } from "../model/phi.ts";
import { Runner } from "../model/runner.ts";
import { loadWeights, type LoadedWeights } from "../model/weights.ts";
import type { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dropoutMask } from "./dropout.ts";
import type { GraphWeights, Trainee } from "./objective.ts";
import { restoreTensors } from "./tensor-file.ts";

export class TrainableAdapter implements Trainee {
  readonly config: PhiConfig;
  readonly backend: Backend;
  readonly adapter: Adapter;
  readonly #base: LoadedWeights;

  private constructor(fields: {
    config: PhiConfig;
    backend: Backend;
    base: LoadedWeights;
    adapter: Adapter;
  }) {
    this.config = fields.config;
    this.backend = fields.backend;
    this.adapter = fields.adapter;
    this.#base = fields.base;
  }

  /**
   * A new adapter over the model at `path`.
   *
   * @throws LabError what `Adapter.create` and `loadWeights` throw
   */
  static async create(
    path: string,
    backend: Backend,
    { lora, seed }: { lora: LoraConfig; seed: number },
  ): Promise<TrainableAdapter> {
    const checkpoint = await openCheckpoint(path);
    const config = configFromCheckpoint(checkpoint);
    const adapter = Adapter.create(lora, { model: config, backend, seed });
    try {
      const base = await loadWeights(checkpoint, config, backend, { mode: "fast", repack: "own" });
      return new TrainableAdapter({ config, backend, base, adapter });
    } catch (error) {
      adapter[Symbol.dispose]();
      throw error;
    }
  }

  /** A and B of every module. */
  get parameters(): ReadonlyMap<string, Tensor> {
    return this.adapter.parameters;
  }

  /** The model without the adapter. */
  get base(): PhiWeights {
    return this.#base.phi;
  }

  /** Bytes of the model that are in memory of their own, not in the mapped file. */
  get frozenBytes(): number {
    return this.#base.memory.ownedBytes + this.#base.memory.repackedBytes;
  }

  /** In training, with the masks of dropout: a module's input rows lose each value with the adapter's probability. */
  inGraph(
    graph: Graph,
    { rows, training }: { rows: number; training: boolean },
  ): GraphWeights & Required<Pick<GraphWeights, "draw">> {
    const { dropout } = this.adapter.config;
    const masks: Tensor[] = [];
    const withMask = (lora: LowRank): LowRank => {
      const mask = graph.input("f32", [rows, lora.a.dim(1)]);
      masks.push(mask);
      return { ...lora, mask };
    };
    const modules = new Map(
      [...this.adapter.modules].map(([name, lora]) => [
        name,
        training && dropout > 0 ? withMask(lora) : lora,
      ]),
    );
    return {
      weights: withAdapter(this.#base.phi, modules),
      draw: (random) => {
        masks.forEach((mask, i) => {
          mask.write(dropoutMask(random.split(i), { size: mask.size, dropout }));
        });
      },
    };
  }

  runner(): Runner {
    const weights = withAdapter(this.#base.phi, this.adapter.modules);
    return new Runner(weights, this.config, this.backend, "reference");
  }

  /** Fills a folder as PEFT saves an adapter. */
  async write(folder: string): Promise<void> {
    await writePeftFiles(this.adapter.source(folder, this.config), folder);
  }

  async restore(folder: string): Promise<void> {
    const named = [...this.parameters].map(([name, tensor]) => [peftName(name), tensor] as const);
    await restoreTensors(join(folder, ADAPTER_FILE), new Map(named));
  }

  [Symbol.dispose](): void {
    this.adapter[Symbol.dispose]();
    this.#base[Symbol.dispose]();
  }
}

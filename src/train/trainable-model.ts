/** A model whose weights can change: every parameter in f32 memory of its own, under its Hugging Face name. */
import { join } from "node:path";
import { writeTextAtomic } from "../base/atomic.ts";
import { LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { openCheckpoint, readTensor } from "../checkpoint/index.ts";
import { CONFIG_FILE } from "../checkpoint/open.ts";
import { rowBytes } from "../engine/dtypes.ts";
import type { Backend } from "../engine/backend.ts";
import { dequantizeRows } from "../engine/quantize.ts";
import { toHuggingFace } from "../model/config-huggingface.ts";
import { configFromCheckpoint, type PhiConfig } from "../model/config.ts";
import { listParameters, resolveParameters } from "../model/parameters.ts";
import type { PhiWeights } from "../model/phi.ts";
import { assembleWeights } from "../model/weights.ts";
import { Runner } from "../model/runner.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { GraphWeights, Trainee } from "./objective.ts";
import { restoreTensors, writeTensors } from "./tensor-file.ts";

/** Phi's `initializer_range`. */
const INITIAL_DEVIATION = 0.02;

const WEIGHTS_FILE = "model.safetensors";

export class TrainableModel implements Trainee {
  readonly config: PhiConfig;
  readonly backend: Backend;
  /** By Hugging Face name, in the order of the model. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly weights: PhiWeights;
  readonly #store: TensorStore;

  private constructor(config: PhiConfig, backend: Backend) {
    this.config = config;
    this.backend = backend;
    const specs = listParameters(config);
    this.#store = new TensorStore(specs.length);
    try {
      const tensors = this.#store.create(
        backend.bufferType,
        specs.map(({ name, shape }) => ({ name, shape, dtype: "f32" })),
      );
      this.parameters = new Map(specs.map(({ name }, i) => [name, tensors[i] as Tensor]));
      this.weights = assembleWeights(this.parameters, config);
    } catch (error) {
      this.#store[Symbol.dispose]();
      throw error;
    }
  }

  /** Random weights as Phi's: normal with deviation 0.02, biases 0, norms 1. The same seed gives the same weights. */
  static initialize(
    config: PhiConfig,
    backend: Backend,
    { seed = 0 }: { seed?: number } = {},
  ): TrainableModel {
    const model = new TrainableModel(config, backend);
    [...model.parameters].forEach(([name, tensor], i) => {
      const random = new Random(seed).split(i);
      const fill = name.endsWith("layernorm.weight")
        ? () => 1
        : name.endsWith(".bias")
          ? () => 0
          : () => random.normal() * INITIAL_DEVIATION;
      tensor.write(Float32Array.from({ length: tensor.size }, fill));
    });
    return model;
  }

  /** The weights of a checkpoint, in whatever layout and type, as f32. */
  static async load(path: string, backend: Backend): Promise<TrainableModel> {
    const checkpoint = await openCheckpoint(path);
    const config = configFromCheckpoint(checkpoint);
    const sources = resolveParameters(checkpoint, config);
    const model = new TrainableModel(config, backend);
    try {
      for (const [name, tensor] of model.parameters) {
        const source = sources.get(name);
        if (source === undefined)
          throw new LabError("internal", `internal: no source for the parameter ${name}`);
        const { entry, rows = [{ start: 0, count: entry.shape[0] ?? 1 }] } = source;
        const rowLength = entry.shape.length > 1 ? (entry.shape.at(-1) ?? 1) : 1;
        const stored = rowBytes(entry.dtype, rowLength);
        let offset = 0;
        for (const { start, count } of rows) {
          const range = { start: start * stored, end: (start + count) * stored };
          const bytes = await readTensor(entry, range);
          const values = dequantizeRows(entry.dtype, bytes, count * rowLength);
          tensor.writeBytesAt(offset, new Uint8Array(values.buffer));
          offset += values.byteLength;
        }
      }
      return model;
    } catch (error) {
      model[Symbol.dispose]();
      throw error;
    }
  }

  inGraph(): GraphWeights {
    return { weights: this.weights };
  }

  runner(): Runner {
    return new Runner(this.weights, this.config, this.backend, "reference");
  }

  /** Fills a folder as a Hugging Face directory of f32 weights. */
  async write(folder: string): Promise<void> {
    const config = toHuggingFace(this.config, { dtype: "f32" });
    await writeTextAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(config, undefined, 2)}\n`);
    await writeTensors(join(folder, WEIGHTS_FILE), this.parameters);
  }

  async restore(folder: string): Promise<void> {
    await restoreTensors(join(folder, WEIGHTS_FILE), this.parameters);
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

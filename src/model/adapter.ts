/** An adapter in memory: made anew for training, or loaded from a file. It owns the memory of its tensors. */
import { invariant, LabError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Backend } from "../engine/backend.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LoraConfig } from "./adapter-config.ts";
import { RowMerger } from "./adapter-delta.ts";
import type { AdapterSource, LowRankSource, LowRankValues } from "./adapter-source.ts";
import { scaleOfModule, targetedModules } from "./adapter-targets.ts";
import type { PhiConfig } from "./config.ts";
import { linearModules, type LinearModule, type LowRank } from "./lora.ts";
import type { ParameterSource } from "./parameters.ts";

type Plan = Pick<LowRankSource, "module" | "rank" | "scale">;

export class Adapter implements Disposable {
  readonly config: LoraConfig;
  /** What it adds to each linear layer, by module name: what `withAdapter` and `Runner.adapt` take. */
  readonly modules: ReadonlyMap<string, LowRank>;
  /** A and B of every module, as PEFT names them: `model.layers.0.mlp.fc1.lora_A.weight`. What training changes. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly #store: TensorStore;

  private constructor(config: LoraConfig, plan: readonly Plan[], backend: Backend) {
    this.config = config;
    const dtype = "f32" as const;
    const specs = plan.flatMap(({ module: { name, inputs, outputs }, rank }) => [
      { name: `${name}.lora_A.weight`, dtype, shape: [rank, inputs] },
      { name: `${name}.lora_B.weight`, dtype, shape: [outputs, rank] },
      ...(config.useDora
        ? [
            { name: `${name}.gain`, dtype, shape: [outputs] },
            { name: `${name}.shift`, dtype, shape: [outputs] },
          ]
        : []),
    ]);
    this.#store = new TensorStore(specs.length);
    const created = this.#store.create(backend.bufferType, specs);
    this.#store.markWeights();
    const tensors = new Map(specs.map(({ name }, i) => [name, created[i] as Tensor]));
    const get = (name: string): Tensor => tensors.get(name) as Tensor;
    this.modules = new Map(
      plan.map(({ module: { name }, scale }) => [
        name,
        {
          a: get(`${name}.lora_A.weight`),
          b: get(`${name}.lora_B.weight`),
          scale,
          ...(config.useDora
            ? { dora: { gain: get(`${name}.gain`), shift: get(`${name}.shift`) } }
            : {}),
        },
      ]),
    );
    this.parameters = new Map([...tensors].filter(([name]) => name.endsWith(".weight")));
  }

  /**
   * A new adapter, under which a model is what it was: B is 0, and A is drawn as PEFT draws it, uniformly within 1/√K
   * (He et al. 2015 with a = √5).
   *
   * @throws LabError `bad_input` for target modules that the model does not have, `unsupported` for DoRA
   */
  static create(
    config: LoraConfig,
    { model, backend, seed }: { model: PhiConfig; backend: Backend; seed: number },
  ): Adapter {
    if (config.useDora)
      throw new LabError("unsupported", "adapters with DoRA are not trained here", {
        hint: "philab applies and merges them; train with use_dora false.",
      });
    const plan = planAdapter(config, model);
    const adapter = new Adapter(config, plan, backend);
    const random = new Random(seed);
    plan.forEach(({ module: { name, inputs } }, i) => {
      const stream = random.split(i);
      const { a, b } = adapter.modules.get(name) as LowRank;
      const bound = 1 / Math.sqrt(inputs);
      a.write(Float32Array.from({ length: a.size }, () => (2 * stream.uniform() - 1) * bound));
      b.write(new Float32Array(b.size));
    });
    return adapter;
  }

  /**
   * Loads an adapter that fits the model.
   *
   * @param base - the model's parameters on disk, from which DoRA takes the lengths of its rows
   * @throws LabError `corrupt_file` for values that are no numbers, `out_of_memory`
   */
  static async load(
    source: AdapterSource,
    { backend, base }: { backend: Backend; base: ReadonlyMap<string, ParameterSource> },
  ): Promise<Adapter> {
    const adapter = new Adapter(source.config, [...source.modules.values()], backend);
    using merger = source.config.useDora ? new RowMerger() : undefined;
    try {
      for (const [name, module] of source.modules) {
        const values = await module.read();
        const { a, b, dora } = adapter.modules.get(name) as LowRank;
        a.write(values.a);
        b.write(values.b);
        if (dora === undefined || merger === undefined) continue;
        const [weight, bias] = [base.get(`${name}.weight`), base.get(`${name}.bias`)];
        invariant(weight !== undefined && bias !== undefined, `the model has a layer ${name}`);
        const { gain, shift } = await merger.dora(module, values, { weight, bias });
        dora.gain.write(gain);
        dora.shift.write(shift);
      }
      return adapter;
    } catch (error) {
      adapter[Symbol.dispose]();
      throw error;
    }
  }

  /** The adapter as it stands, for writing it to disk. Throws `unsupported` for DoRA, whose lengths are not kept. */
  source(path: string, model: PhiConfig): AdapterSource {
    const { config } = this;
    if (config.useDora)
      throw new LabError("unsupported", "a loaded adapter with DoRA cannot be written again");
    const known = new Map(linearModules(model).map((module) => [module.name, module]));
    const modules = [...this.modules].map(([name, { a, b, scale }]): [string, LowRankSource] => {
      const module = known.get(name) as LinearModule;
      const read = async (): Promise<LowRankValues> =>
        Promise.resolve({ a: a.read(), b: b.read() });
      return [name, { module, rank: a.dim(0), scale, read }];
    });
    return { path, config, modules: new Map(modules) };
  }

  get sizeBytes(): number {
    return this.#store.sizeBytes;
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** The modules that a new adapter changes, with their ranks: what it will take, before any of it is made. */
export function planAdapter(config: LoraConfig, model: PhiConfig): Plan[] {
  const modules = new Map(linearModules(model).map((module) => [module.name, module]));
  return targetedModules(config, [...modules.keys()]).map((name) => ({
    module: modules.get(name) as LinearModule,
    ...scaleOfModule(config, name),
  }));
}

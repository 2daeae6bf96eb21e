/** Latents and reconstructions of rows that were read before, a block of rows at a time. */
import { Backend } from "../engine/backend.ts";
import type { LanguageModel } from "../generate/language-model.ts";
import { Graph } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Dictionary } from "./dictionary.ts";
import { LoadedDictionary } from "./record.ts";

export interface EncodedRows {
  count: number;
  latents: Float32Array; // [R, S]
  reconstruction: Float32Array; // [R, O]
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

export class EncodePass implements Disposable {
  readonly #inTurn: InTurn;
  readonly #rows: number;
  readonly #width: number;
  readonly #graph: Graph;
  readonly #tensors: { x: Tensor; latents: Tensor; out: Tensor };

  /** @param options.rows - rows of a block */
  constructor(
    model: Pick<LanguageModel, "backend" | "runnerFor"> | Backend,
    loaded: LoadedDictionary,
    { rows }: { rows: number },
  ) {
    const backend = model instanceof Backend ? model : model.backend;
    // The engine computes one graph at a time: beside a model, each waits its turn.
    this.#inTurn =
      model instanceof Backend ? (work) => work() : (work) => model.runnerFor().lend(work);
    this.#rows = rows;
    this.#width = loaded.dictionary.sizes.input;
    this.#graph = new Graph(backend, { maxNodes: 128 });
    const x = this.#graph.input("f32", [rows, this.#width]);
    const latents = loaded.encode(x);
    const out = loaded.decode(latents);
    this.#graph.output(latents, out);
    this.#graph.allocate();
    this.#tensors = { x, latents, out };
  }

  /** Blocks of rows `[.., I]`, in their order. */
  async *encode(rows: Float32Array): AsyncGenerator<EncodedRows, void, undefined> {
    const count = rows.length / this.#width;
    for (let start = 0; start < count; start += this.#rows) {
      const part = rows.subarray(start * this.#width, (start + this.#rows) * this.#width);
      const padded = new Float32Array(this.#rows * this.#width);
      padded.set(part);
      const own = part.length / this.#width;
      const { x, latents, out } = this.#tensors;
      yield await this.#inTurn(async () => {
        x.write(padded);
        await this.#graph.compute();
        return {
          count: own,
          latents: latents.read().subarray(0, own * latents.dim(1)),
          reconstruction: out.read().subarray(0, own * out.dim(1)),
        };
      });
    }
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
  }
}

/** Latents and reconstructions of rows `[.., I]`, without a model. */
export async function reconstruct(
  dictionary: Dictionary,
  rows: Float32Array,
): Promise<EncodedRows> {
  const count = rows.length / dictionary.sizes.input;
  using backend = new Backend({ device: "cpu", threads: 1 });
  using loaded = new LoadedDictionary(dictionary, backend);
  using pass = new EncodePass(backend, loaded, { rows: Math.max(1, count) });
  for await (const block of pass.encode(rows)) return block;
  return { count: 0, latents: new Float32Array(), reconstruction: new Float32Array() };
}

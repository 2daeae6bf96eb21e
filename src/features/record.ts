/** A dictionary in a graph: encoding, decoding, and the tensors that hold its weights. R rows; S, I, O as in `dictionary.ts`. */
import type { Backend } from "../engine/backend.ts";
import { add, linear, matmul, mul, relu, step, sub, topKMask } from "../tensor/ops/index.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Activation, Dictionary } from "./dictionary.ts";

export interface DictionaryTensors {
  encoder: Tensor; // [S, I]
  encoderBias: Tensor; // [S]
  decoder: Tensor; // [S, O]
  decoderBias: Tensor; // [O]
}

/** What latents read before σ: `[R, I]` → `[R, S]`. */
function preActivations(
  { encoder, encoderBias, decoderBias }: DictionaryTensors,
  x: Tensor,
  { centred }: { centred: boolean },
): Tensor {
  return linear(centred ? sub(x, decoderBias) : x, encoder, encoderBias);
}

/** `[R, S]` → `[R, O]` */
export function decode({ decoder, decoderBias }: DictionaryTensors, latents: Tensor): Tensor {
  return add(matmul(latents, decoder), decoderBias);
}

function activate(pre: Tensor, activation: Activation, threshold: Tensor | undefined): Tensor {
  if (activation.name === "topk") return mul(relu(pre), topKMask(pre, activation.k).mask);
  return threshold === undefined ? relu(pre) : mul(relu(pre), step(sub(pre, threshold)));
}

/** A dictionary whose weights are in the engine's memory. */
export class LoadedDictionary implements Disposable {
  readonly dictionary: Dictionary;
  readonly #store: TensorStore;
  readonly #tensors: DictionaryTensors;
  readonly #threshold: Tensor | undefined;

  constructor(dictionary: Dictionary, backend: Backend) {
    this.dictionary = dictionary;
    const { sizes, threshold } = dictionary;
    const { latents, input, output } = sizes;
    const values: Record<string, [shape: number[], values: Float32Array]> = {
      encoder: [[latents, input], dictionary.encoder],
      encoderBias: [[latents], dictionary.encoderBias],
      decoder: [[latents, output], dictionary.decoder],
      decoderBias: [[output], dictionary.decoderBias],
      ...(threshold === undefined ? {} : { threshold: [[latents], threshold] }),
    };
    const entries = Object.entries(values);
    this.#store = new TensorStore(entries.length);
    const tensors = this.#store.create(
      backend.bufferType,
      entries.map(([name, [shape]]) => ({ name, shape, dtype: "f32" })),
    );
    tensors.forEach((tensor, i) => {
      tensor.write((entries[i] as (typeof entries)[number])[1][1]);
    });
    const [encoder, encoderBias, decoder, decoderBias, ...rest] = tensors as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      ...Tensor[],
    ];
    this.#tensors = { encoder, encoderBias, decoder, decoderBias };
    this.#threshold = rest[0];
  }

  /** `[R, I]` → latents `[R, S]` */
  encode(x: Tensor): Tensor {
    const pre = preActivations(this.#tensors, x, this.dictionary);
    return activate(pre, this.dictionary.activation, this.#threshold);
  }

  /** `[R, S]` → `[R, O]` */
  decode(latents: Tensor): Tensor {
    return decode(this.#tensors, latents);
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/**
 * Which kernels of our own run in this process, and the kernels themselves: assembled at the first use of a shape, kept after.
 *
 * `PHILAB_KERNELS` chooses: `avx512` or `avx2` limits them to these instructions, `ggml` turns all of them off. Where the
 * processor lacks the instructions, or the system refuses executable memory, ggml computes everything.
 */
import { LabError } from "../base/errors.ts";
import { assembleAdamW } from "./adamw.ts";
import { activationLayout, assembleQuantizeRows, BLOCK } from "./activations.ts";
import { assembleQuantizeRowsAvx2 } from "./activations-avx2.ts";
import { detectFeatures, type CpuFeature } from "./cpu-features.ts";
import { assembleDropoutMask } from "./dropout-mask.ts";
import { executableCopy } from "./executable-memory.ts";
import { assembleF32Product, scratchBytes } from "./f32-product.ts";
import type { ProductShape } from "./f32-shape.ts";
import { assembleGelu } from "./gelu.ts";
import { assembleGeluBackward } from "./gelu-backward.ts";
import { assembleInterleave } from "./interleave.ts";
import { assembleInterleaveAvx2 } from "./interleave-avx2.ts";
import { assembleMaskLimits } from "./mask-limits.ts";
import { assembleMaskedSoftmax, type MaskedSoftmaxShape } from "./masked-softmax.ts";
import { assemblePeak, peakOperations, type Arithmetic } from "./peak.ts";
import { assembleQuantizedProduct, quantizedScratchBytes } from "./quantized-product.ts";
import {
  assembleQuantizedProductAvx2,
  DECODED_ROWS,
  decodedBytes,
} from "./quantized-product-avx2.ts";
import { assembleStandardizeBackward } from "./standardize-backward.ts";
import type { VectorLevel } from "./vector-level.ts";
import { WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";
import { assembleQuantizeWide, WIDE, widePitch } from "./wide-activations.ts";

/** Kernels kept at most; what comes after them is left to ggml. */
const MAX_KERNELS = 4096;

const NEEDED: Record<VectorLevel, readonly CpuFeature[]> = {
  avx512: ["avx2", "fma", "avx512f", "avx512bw", "avx512vl"],
  avx2: ["avx2", "fma"],
};

/** A callable kernel, and the scratch memory that its operation needs as its last input, if any. */
export interface Kernel {
  address: bigint;
  scratchBytes: number;
}

/** A kernel that makes bytes of rows: how many values share a scale, and the bytes from row to row of its result. */
export interface RowQuantizer {
  address: bigint;
  block: number;
  pitch: number;
}

/** Whether kernels run, and in a few words why or why not. */
export interface KernelStatus {
  kernels: Kernels | undefined;
  reason: string;
}

export class Kernels {
  readonly level: VectorLevel;
  /** Whether there are products with quantised weights: on AVX-512 they need VNNI, on AVX2 conversions from f16. */
  readonly multipliesQuantized: boolean;
  /** Whether `f32Product` takes pairs of bf16 numbers. */
  readonly multipliesBf16: boolean;
  readonly #cache = new Map<string, bigint | undefined>();

  constructor(level: VectorLevel, features: ReadonlySet<CpuFeature>) {
    this.level = level;
    this.multipliesQuantized = features.has(level === "avx512" ? "avx512_vnni" : "f16c");
    this.multipliesBf16 = level === "avx512" && features.has("avx512_bf16");
  }

  /** What they take over from ggml, in a few words each. */
  get uses(): string[] {
    const products = [
      ...["f32", ...(this.readsHalf ? ["f16"] : []), ...(this.multipliesBf16 ? ["bf16"] : [])],
      ...(this.multipliesQuantized ? Object.keys(WEIGHT_FORMATS) : []),
    ];
    return [
      `products of ${products.join(", ")}`,
      ...(this.readsPacked ? ["gradients through packed weights"] : []),
      ...(this.attends ? ["attention"] : []),
      ...(this.level === "avx512" ? ["GELU", "normalisation's gradient", "AdamW", "dropout"] : []),
    ];
  }

  /** Whether the second operand of a product may be f16. */
  get readsHalf(): boolean {
    return this.level === "avx512";
  }

  /** Whether fused attention runs on them. */
  get attends(): boolean {
    return this.level === "avx512";
  }

  /** The product of matrices of a shape on `threads` threads; undefined where there is no room for another kernel. */
  f32Product(shape: ProductShape, threads: number): Kernel | undefined {
    const address = this.#find(`f32 ${JSON.stringify(shape)}`, () =>
      assembleF32Product(shape, this.level),
    );
    if (address === undefined) return undefined;
    return { address, scratchBytes: scratchBytes(shape, this.level, threads) };
  }

  /** GELU of rows of `width` values one after another; undefined without AVX-512. */
  gelu(width: number, factors: { k: number; c: number }): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`gelu ${width}`, () => assembleGelu(width, factors));
  }

  /** What comes back through it. */
  geluBackward(width: number, factors: { k: number; c: number }): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`gelu back ${width}`, () => assembleGeluBackward(width, factors));
  }

  /** What comes back through the normalisation of rows of `width` values; undefined without AVX-512. */
  standardizeBackward(width: number, eps: number): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`norm back ${width} ${eps}`, () => assembleStandardizeBackward(width, eps));
  }

  /** A step of AdamW with what surrounds it; undefined without AVX-512. */
  adamw(width: number): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`adamw ${width}`, () => assembleAdamW(width));
  }

  /** Fills masks of dropout, called as its file says; undefined without AVX-512. */
  dropoutMask(): bigint | undefined {
    return this.level === "avx512" ? this.#find("dropout", assembleDropoutMask) : undefined;
  }

  /** A loop that only multiplies and adds, and the operations of each of its threads; undefined where there is no such arithmetic. */
  peak(arithmetic: Arithmetic): { address: bigint; operations: number } | undefined {
    const { level, multipliesBf16, multipliesQuantized } = this;
    const has = { f32: true, bf16: multipliesBf16, int8: multipliesQuantized }[arithmetic];
    if (!has) return undefined;
    const address = this.#find(`peak ${arithmetic}`, () => assemblePeak(arithmetic, level));
    if (address === undefined) return undefined;
    return { address, operations: peakOperations(arithmetic, level) };
  }

  /** softmax(scale · x + mask), in place or not; undefined without AVX-512. */
  maskedSoftmax(shape: MaskedSoftmaxShape): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`softmax ${JSON.stringify(shape)}`, () => assembleMaskedSoftmax(shape));
  }

  /** How far each tile of rows of a mask of `width` columns looks; undefined without AVX-512. */
  maskLimits(width: number): bigint | undefined {
    if (this.level !== "avx512") return undefined;
    return this.#find(`limits ${width}`, () => assembleMaskLimits(width));
  }

  /** Packs weights `[M, K]` for `quantizedProduct`; called with two addresses, where to and where from. */
  interleave(type: WeightType, shape: readonly [number, number]): bigint | undefined {
    const assemble = this.level === "avx512" ? assembleInterleave : assembleInterleaveAvx2;
    return this.#find(`interleave ${type} ${shape.join()}`, () => assemble(type, shape));
  }

  /** Turns rows of `k` f32 values, `rowStride` bytes apart, into what `quantizedProduct` reads beside weights of a type. */
  quantizeRows(type: WeightType, k: number, rowStride: number): RowQuantizer | undefined {
    const is512 = this.level === "avx512";
    const isWide = is512 && WEIGHT_FORMATS[type].blockSize === WIDE.block;
    const narrow = is512 ? assembleQuantizeRows : assembleQuantizeRowsAvx2;
    const assemble = isWide ? assembleQuantizeWide : narrow;
    const { block, pitch } = isWide
      ? { block: WIDE.block, pitch: widePitch(k) }
      : { block: BLOCK, pitch: activationLayout(k).pitch };
    const address = this.#find(`rows ${block} ${k} ${rowStride}`, () => assemble(k, rowStride));
    return address === undefined ? undefined : { address, block, pitch };
  }

  /** The product of `rows` such rows with packed weights `[M, K]`. */
  quantizedProduct(
    type: WeightType,
    shape: readonly [number, number],
    { rows, threads }: { rows: number; threads: number },
  ): Kernel | undefined {
    const is512 = this.level === "avx512";
    const assemble = is512 ? assembleQuantizedProduct : assembleQuantizedProductAvx2;
    const address = this.#find(`${type} ${shape.join()}`, () => assemble(type, shape));
    if (address === undefined) return undefined;
    if (is512)
      return { address, scratchBytes: quantizedScratchBytes(type, shape[1], { rows, threads }) };
    return { address, scratchBytes: rows >= DECODED_ROWS ? threads * decodedBytes(shape[1]) : 0 };
  }

  /** Whether `f32Product` takes packed weights as its second operand. */
  get readsPacked(): boolean {
    return this.multipliesQuantized && this.level === "avx512";
  }

  #find(key: string, assemble: () => Uint8Array): bigint | undefined {
    if (!this.#cache.has(key)) {
      if (this.#cache.size >= MAX_KERNELS) return undefined;
      this.#cache.set(key, executableCopy(assemble()));
    }
    return this.#cache.get(key);
  }
}

const statuses = new Map<string, KernelStatus>();

/** The kernels of this process under a value of `PHILAB_KERNELS`. Throws `bad_input` for one that means nothing. */
export function kernelStatus(choice = process.env["PHILAB_KERNELS"] ?? ""): KernelStatus {
  let status = statuses.get(choice);
  if (status === undefined) statuses.set(choice, (status = choose(choice)));
  return status;
}

function choose(choice: string): KernelStatus {
  if (!["", "avx512", "avx2", "ggml"].includes(choice))
    throw new LabError("bad_input", `PHILAB_KERNELS is "${choice}"`, {
      hint: "It takes avx512, avx2 or ggml; without it the best that the processor has is used.",
    });
  const none = (reason: string): KernelStatus => ({
    kernels: undefined,
    reason,
  });
  if (choice === "ggml") return none("turned off by PHILAB_KERNELS");
  if (process.arch !== "x64") return none(`there are none for ${process.arch}`);
  const features = detectFeatures();
  if (features === undefined) return none("the system refuses executable memory");
  const wanted: readonly VectorLevel[] =
    choice === "avx2" || choice === "avx512" ? [choice] : ["avx512", "avx2"];
  const level = wanted.find((candidate) => NEEDED[candidate].every((f) => features.has(f)));
  if (level === undefined) return none(`the processor lacks ${wanted.at(-1) ?? ""}`);
  const chosen = choice === "" ? "the best that this processor has" : "chosen by PHILAB_KERNELS";
  return { kernels: new Kernels(level, features), reason: chosen };
}

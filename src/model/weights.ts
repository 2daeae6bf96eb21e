/** Loads the weights of a model: maps its files, then places every parameter as `placement.ts` decides. */
import { availableParallelism } from "node:os";
import { LabError } from "../base/errors.ts";
import type { Checkpoint } from "../checkpoint/types.ts";
import type { Backend, BufferType } from "../engine/backend.ts";
import { tensorBytes, type DType } from "../engine/dtypes.ts";
import { library } from "../engine/library.ts";
import { MappedFile } from "../engine/mapped-file.ts";
import { DeviceBuffer } from "../engine/memory.ts";
import { TensorStore } from "../tensor/store.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PhiConfig } from "./config.ts";
import { assembleComparison } from "./comparison-weights.ts";
import { fillTensor, startByte } from "./fill-tensor.ts";
import { phiWeights, type ModelWeights } from "./forward.ts";
import type { Linear, Norm } from "./layers.ts";
import type { ModelConfig } from "./model-config.ts";
import { resolveParameters } from "./parameters.ts";
import type { PhiBlock, PhiWeights } from "./phi.ts";
import { planPlacement, type Placement, type PlacementOptions } from "./placement.ts";

export interface LoadOptions extends PlacementOptions {
  signal?: AbortSignal;
  onProgress?: (done: { bytesDone: number; bytesTotal: number }) => void;
}

/** Where the bytes of the weights lie. */
export interface WeightMemory {
  mappedBytes: number;
  repackedBytes: number;
  ownedBytes: number;
  /** Matrices of each type. */
  types: Partial<Record<DType, number>>;
}

export class LoadedWeights implements Disposable {
  readonly model: ModelWeights;
  /** Every parameter under its Hugging Face name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly memory: WeightMemory;
  readonly #resources: readonly Disposable[];

  constructor(
    model: ModelWeights,
    tensors: ReadonlyMap<string, Tensor>,
    memory: WeightMemory,
    resources: readonly Disposable[],
  ) {
    this.model = model;
    this.tensors = tensors;
    this.memory = memory;
    this.#resources = resources;
  }

  /** Those of a Phi model; `unsupported` for another one. */
  get phi(): PhiWeights {
    return phiWeights(this.model, "this");
  }

  [Symbol.dispose](): void {
    for (const resource of this.#resources) resource[Symbol.dispose]();
  }
}

/**
 * @throws LabError `out_of_memory` before anything is allocated when the copies would not fit, `interrupted`, and what
 *   `resolveParameters` throws
 */
export async function loadWeights(
  checkpoint: Checkpoint,
  config: ModelConfig,
  backend: Backend,
  options: LoadOptions,
): Promise<LoadedWeights> {
  const sources = resolveParameters(checkpoint, config);
  const placements = planPlacement(sources, config, backend, options);
  assertFits(placements);
  const resources: Disposable[] = [];
  try {
    const files = new Map<string, MappedFile>();
    for (const { source } of placements) {
      const { file } = source.entry;
      if (files.has(file)) continue;
      const mapped = new MappedFile(file);
      files.set(file, mapped);
      resources.unshift(mapped);
    }
    const store = new TensorStore(placements.length);
    resources.unshift(store);
    const tensors = createTensors(placements, { store, files, backend });
    await fillTensors(placements, { tensors, files, options });
    store.markWeights();
    return new LoadedWeights(
      config.architecture === undefined
        ? assembleWeights(tensors, config)
        : assembleComparison(tensors, config),
      tensors,
      memoryOf(placements),
      resources,
    );
  } catch (error) {
    for (const resource of resources) resource[Symbol.dispose]();
    throw error;
  }
}

function bytesOf({ dtype, source }: Placement): number {
  return tensorBytes(dtype, source.shape);
}

function memoryOf(placements: readonly Placement[]): WeightMemory {
  const memory: WeightMemory = { mappedBytes: 0, repackedBytes: 0, ownedBytes: 0, types: {} };
  for (const placement of placements) {
    const { target, dtype, source } = placement;
    const kind = target === "mapped" || target === "owned" ? target : "repacked";
    memory[`${kind}Bytes`] += bytesOf(placement);
    if (source.shape.length > 1) memory.types[dtype] = (memory.types[dtype] ?? 0) + 1;
  }
  return memory;
}

function assertFits(placements: readonly Placement[]): void {
  const { ownedBytes, repackedBytes } = memoryOf(placements);
  const needed = ownedBytes + repackedBytes;
  const available = process.availableMemory();
  if (needed > available)
    throw new LabError(
      "out_of_memory",
      `the weights need ${gib(needed)} GiB of memory; ${gib(available)} GiB are free`,
      { hint: "Quantise the model (philab quantize), or open it in fast mode without repacking." },
    );
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

function createTensors(
  placements: readonly Placement[],
  {
    store,
    files,
    backend,
  }: { store: TensorStore; files: ReadonlyMap<string, MappedFile>; backend: Backend },
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  const spec = ({ name, dtype, source, target }: Placement) => ({
    name,
    dtype,
    shape: source.shape,
    interleaved: target === "interleaved",
  });
  const groups = new Map<BufferType, Placement[]>();
  const plain = backend.bufferType;
  for (const placement of placements) {
    if (placement.target === "mapped") continue;
    const { target } = placement;
    const type = target === "owned" || target === "interleaved" ? plain : target;
    groups.set(type, [...(groups.get(type) ?? []), placement]);
  }
  for (const [type, group] of groups)
    store.create(type, group.map(spec)).forEach((tensor) => tensors.set(tensor.name ?? "", tensor));

  const buffers = new Map<string, DeviceBuffer>();
  for (const placement of placements) {
    if (placement.target !== "mapped") continue;
    const { file, offset } = placement.source.entry;
    const mapped = files.get(file) as MappedFile;
    const buffer = buffers.get(file) ?? store.adopt(wrapFile(mapped, backend));
    buffers.set(file, buffer);
    const tensor = store.declare(spec(placement), { readable: true });
    buffer.placeAt(tensor.pointer, bytesOf(placement), offset + startByte(placement));
    tensors.set(placement.name, tensor);
  }
  return tensors;
}

function wrapFile(file: MappedFile, backend: Backend): DeviceBuffer {
  const { device } = backend.fallback ?? backend;
  const { api } = library();
  const pointer = api.ggml_backend_dev_buffer_from_host_ptr(
    device.pointer,
    file.pointer,
    file.sizeBytes,
    file.sizeBytes,
  );
  if (pointer === null)
    throw new LabError("engine_failed", `${device.name} cannot use the mapped file ${file.path}`);
  return DeviceBuffer.wrap(pointer);
}

async function fillTensors(
  placements: readonly Placement[],
  {
    tensors,
    files,
    options: { signal, onProgress },
  }: {
    tensors: ReadonlyMap<string, Tensor>;
    files: ReadonlyMap<string, MappedFile>;
    options: LoadOptions;
  },
): Promise<void> {
  const queue = placements.filter(({ target }) => target !== "mapped");
  const bytesTotal = queue.reduce((sum, placement) => sum + bytesOf(placement), 0);
  let bytesDone = 0;
  const fill = async (placement: Placement): Promise<void> => {
    const tensor = tensors.get(placement.name) as Tensor;
    const file = files.get(placement.source.entry.file) as MappedFile;
    await fillTensor(tensor, placement, file);
    const { offset, sizeBytes } = placement.source.entry;
    file.release(offset, sizeBytes);
    bytesDone += bytesOf(placement);
    onProgress?.({ bytesDone, bytesTotal });
  };
  // Repacking runs on one thread for each tensor, so several are repacked at a time.
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (signal?.aborted) throw new LabError("interrupted", "loading was interrupted");
      await fill(next);
    }
  };
  const workers = Array.from({ length: Math.min(4, availableParallelism()) }, async () => {
    try {
      await worker();
    } finally {
      queue.length = 0; // when one fails, the others stop after their tensor
    }
  });
  // All of them end before the caller frees the memory that they read and write.
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Arranges parameters, by their Hugging Face names, for the forward pass. */
export function assembleWeights(
  tensors: ReadonlyMap<string, Tensor>,
  config: PhiConfig,
): PhiWeights {
  const get = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new LabError("internal", `internal: no tensor ${name}`);
    return tensor;
  };
  const pair = (name: string): Linear & Norm => ({
    weight: get(`${name}.weight`),
    bias: get(`${name}.bias`),
  });
  const block = (l: number): PhiBlock => {
    const at = `model.layers.${l}`;
    const attention = `${at}.self_attn`;
    return {
      norm: pair(`${at}.input_layernorm`),
      projections: tensors.has(`${attention}.qkv_proj.weight`)
        ? { qkv: pair(`${attention}.qkv_proj`) }
        : {
            q: pair(`${attention}.q_proj`),
            k: pair(`${attention}.k_proj`),
            v: pair(`${attention}.v_proj`),
          },
      dense: pair(`${attention}.dense`),
      mlp:
        config.mlpWidth === 0
          ? undefined
          : { fc1: pair(`${at}.mlp.fc1`), fc2: pair(`${at}.mlp.fc2`) },
    };
  };
  return {
    embedding: get("model.embed_tokens.weight"),
    blocks: Array.from({ length: config.layers }, (_, l) => block(l)),
    finalNorm: pair("model.final_layernorm"),
    head: pair("lm_head"),
  };
}

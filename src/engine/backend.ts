/**
 * A backend: one device that computes graphs. The processor is always there; graphics cards where their package is
 * installed. Heavy calls run off the main thread, one at a time per backend.
 */
import koffi from "koffi";
import { invariant, LabError } from "../base/errors.ts";
import type { GgmlApi, Pointer } from "./api.ts";
import { cardFault } from "./card-check.ts";
import { kernelStatus, type Kernels } from "../kernels/kernels.ts";
import { DTYPES } from "./dtypes.ts";
import { setTensorBuffer } from "./layout.ts";
import { installedPackages, library, type DeviceKind } from "./library.ts";
import { Context } from "./memory.ts";
import { ThreadPool } from "./thread-pool.ts";

/** A kind of memory that a device computes from; some store weights in an order of their own. */
export interface BufferType {
  name: string;
  pointer: Pointer;
  /** Whether tensors in it keep the layout of the file: false for repacked weights, which cannot be read back. */
  plain: boolean;
}

export interface DeviceInfo {
  name: string;
  description: string;
  kind: DeviceKind;
  freeBytes: number;
  totalBytes: number;
  pointer: Pointer;
}

/** `enum ggml_backend_dev_type` */
const DEVICE_TYPE_CPU = 0;

/** The devices that ggml finds here. */
export function listDevices(device: DeviceKind = "cpu"): DeviceInfo[] {
  const { api } = library(device);
  return Array.from({ length: api.ggml_backend_dev_count() }, (_, i) => {
    const pointer = api.ggml_backend_dev_get(i);
    const free = new BigUint64Array(1);
    const total = new BigUint64Array(1);
    api.ggml_backend_dev_memory(pointer, free, total);
    return {
      name: api.ggml_backend_dev_name(pointer) ?? "",
      description: api.ggml_backend_dev_description(pointer) ?? "",
      kind: deviceKind(api, pointer),
      freeBytes: Number(free[0]),
      totalBytes: Number(total[0]),
      pointer,
    };
  });
}

function deviceKind(api: GgmlApi, device: Pointer): DeviceKind {
  if (api.ggml_backend_dev_type(device) === DEVICE_TYPE_CPU) return "cpu";
  const registry = api.ggml_backend_reg_name(api.ggml_backend_dev_backend_reg(device)) ?? "";
  const name = registry.toLowerCase();
  return name.includes("vulkan")
    ? "vulkan"
    : name.includes("metal") || name.includes("mtl")
      ? "metal"
      : name.includes("cuda")
        ? "cuda"
        : "cpu";
}

/**
 * The device that `auto` stands for: a graphics card whose package is installed, that is there and computes, else the
 * processor.
 */
export function resolveDevice(wanted: DeviceKind | "auto"): DeviceKind {
  if (wanted !== "auto") return wanted;
  return (
    (["cuda", "metal", "vulkan"] as const).find((kind) => {
      const card =
        installedPackages(kind).length > 0 && listDevices(kind).find((d) => d.kind === kind);
      return card && cardFault(card) === undefined;
    }) ?? "cpu"
  );
}

/** Only one package's libraries are loaded in a process: a device of another cannot be had after the first model. */
function noDevice(kind: DeviceKind, packageName: string): LabError {
  const others = installedPackages(kind).filter((found) => found.packageName !== packageName);
  return others.length === 0 || kind === "cpu"
    ? new LabError("not_found", `no ${kind} device on this machine`, {
        hint: "Leave --device out, or pass --device cpu.",
      })
    : new LabError("not_found", `this process has loaded ${packageName}, which has no ${kind}`, {
        hint: `Open the model for ${kind} before any other, or in a process of its own.`,
      });
}

export interface BackendOptions {
  device?: DeviceKind | "auto";
  /** Threads that compute; the processor's cores by default. */
  threads?: number;
}

/** A device that computes, with its threads and kernels. `using` frees it. */
export class Backend {
  readonly device: DeviceInfo;
  readonly threads: number;
  /** Kernels of our own, where this device can run them. */
  readonly kernels: Kernels | undefined;
  readonly #api: GgmlApi;
  #pointer: Pointer | undefined;
  /** The processor beside a graphics card, for operations that the card lacks. */
  readonly fallback: Backend | undefined;
  readonly #pool: ThreadPool | undefined;
  readonly #cancelToken: Context | undefined;
  #computing = false;
  readonly #afterwards: (() => void)[] = [];

  constructor({ device = "auto", threads = 1 }: BackendOptions = {}) {
    const kind = resolveDevice(device);
    const { api, packageName } = library(kind);
    const found = listDevices(kind).find((d) => d.kind === kind);
    if (found === undefined) throw noDevice(kind, packageName);
    const fault = kind === "cpu" ? undefined : cardFault(found);
    if (fault !== undefined) throw fault;
    if (!Number.isInteger(threads) || threads < 1 || threads > 512)
      throw new LabError("bad_input", `threads must be 1…512, not ${threads}`);
    const pointer = api.ggml_backend_dev_init(found.pointer, null);
    if (pointer === null)
      throw new LabError("engine_failed", `could not open ${found.name} (${found.description})`);
    this.#api = api;
    this.#pointer = pointer;
    this.device = found;
    this.threads = threads;
    this.kernels = kind === "cpu" ? kernelStatus().kernels : undefined;
    try {
      // A token that ggml's own getter reads: `ggml_get_no_alloc(token)` answers whether to stop.
      this.#cancelToken = new Context({ tensors: 1 });
      this.setCancelled(false);
      if (kind === "cpu") {
        this.#pool = ThreadPool.attach({ api, backend: pointer, device: found.pointer, threads });
        this.#installAbort(pointer, this.#cancelToken.pointer);
      } else {
        this.fallback = new Backend({ device: "cpu", threads });
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Has the processor ask `token` before every operation whether to stop. */
  #installAbort(pointer: Pointer, token: Pointer): void {
    const setAbort = this.procedure("ggml_backend_set_abort_callback");
    if (setAbort === null) return;
    const type = koffi.proto("void", ["void *", "void *", "void *"]);
    koffi.call(setAbort, type, pointer, library().symbol("ggml_get_no_alloc"), token);
  }

  /** ggml's version. */
  get engineVersion(): string {
    return `ggml ${library().version}`;
  }

  get pointer(): Pointer {
    invariant(this.#pointer !== undefined, "backend used after it was freed");
    return this.#pointer;
  }

  /** Memory that the device computes from, in the file's layout. */
  get bufferType(): BufferType {
    const pointer = this.#api.ggml_backend_dev_buffer_type(this.device.pointer);
    return { name: this.#api.ggml_backend_buft_name(pointer) ?? "", pointer, plain: true };
  }

  /** Kinds of memory that store weights repacked for faster products, fastest first. */
  get repackedBufferTypes(): BufferType[] {
    const procedure = this.procedure("ggml_backend_dev_get_extra_bufts");
    if (procedure === null) return [];
    const list = koffi.call(
      procedure,
      koffi.proto("void *", ["void *"]),
      this.device.pointer,
    ) as Pointer | null;
    const found: BufferType[] = [];
    for (let i = 0; list !== null; i++) {
      const pointer = koffi.decode(list, 8 * i, "void *") as Pointer | null;
      if (pointer === null) break;
      const name = this.#api.ggml_backend_buft_name(pointer) ?? "";
      found.push({ name, pointer, plain: false });
    }
    return found;
  }

  /** Whether the device can compute a tensor that an operation has just produced. */
  supports(operation: Pointer): boolean {
    return this.#api.ggml_backend_dev_supports_op(this.device.pointer, operation);
  }

  /**
   * Whether weights of this type and shape may be placed in `bufferType` for products with activations.
   * Placing a tensor where its product is not supported ends the process, so every tensor is asked for.
   */
  supportsWeight(
    bufferType: BufferType,
    weight: {
      dtype: keyof typeof DTYPES;
      /** `[M, K]` */
      shape: readonly [number, number];
    },
  ): boolean {
    const [m, k] = weight.shape;
    using context = new Context({ tensors: 3 });
    const w = this.#api.ggml_new_tensor_4d(context.pointer, DTYPES[weight.dtype].id, k, m, 1, 1);
    const x = this.#api.ggml_new_tensor_4d(context.pointer, DTYPES.f32.id, k, 512, 1, 1);
    const product = this.#api.ggml_mul_mat(context.pointer, w, x);
    const probe = this.#api.ggml_backend_buft_alloc_buffer(bufferType.pointer, 0);
    if (probe === null) return false;
    setTensorBuffer(w, probe);
    const supported = this.supports(product);
    setTensorBuffer(w, null);
    this.#api.ggml_backend_buffer_free(probe);
    return supported;
  }

  /** A function that a backend exports outside ggml's common API. */
  procedure(name: string): Pointer | null {
    const registry = this.#api.ggml_backend_dev_backend_reg(this.device.pointer);
    return this.#api.ggml_backend_reg_get_proc_address(registry, name);
  }

  /** Marks the start of a computation. Throws `busy` while another one runs: a backend has one work buffer. */
  begin(): void {
    if (this.#computing)
      throw new LabError("busy", "this model is already computing", {
        hint: "Await the first call before the next one, or open the model twice.",
      });
    this.#computing = true;
  }

  /** Marks the end of a computation and does what waited for it. */
  end(): void {
    this.#computing = false;
    for (const action of this.#afterwards.splice(0)) action();
  }

  /** Runs `action` now or, while a computation uses the memory that it frees, after that. */
  whenIdle(action: () => void): void {
    if (this.#computing) this.#afterwards.push(action);
    else action();
  }

  /** Asks a running computation to stop (processor only; other devices finish their graph). */
  setCancelled(cancelled: boolean): void {
    invariant(this.#cancelToken !== undefined, "a backend that was not built");
    this.#api.ggml_set_no_alloc(this.#cancelToken.pointer, cancelled);
  }

  [Symbol.dispose](): void {
    if (this.#pointer === undefined) return;
    const pointer = this.#pointer;
    this.#pointer = undefined;
    this.whenIdle(() => {
      this.#api.ggml_backend_free(pointer);
      this.#pool?.[Symbol.dispose]();
      this.#cancelToken?.[Symbol.dispose]();
      this.fallback?.[Symbol.dispose]();
    });
  }
}

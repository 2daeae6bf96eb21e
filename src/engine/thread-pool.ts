/**
 * Threads that stay alive between computations. Without them ggml starts and ends its threads for every graph,
 * which costs more than a small model's whole forward pass.
 */
import koffi from "koffi";
import type { GgmlApi, Pointer } from "./api.ts";

const MAX_THREADS = 512;

/** `struct ggml_threadpool_params`; spinning (`poll`) is short so that an idle model leaves the cores to others. */
let paramsType: ReturnType<typeof koffi.struct> | undefined;

function threadPoolParams(): ReturnType<typeof koffi.struct> {
  paramsType ??= koffi.struct({
    cpumask: koffi.array("uint8_t", MAX_THREADS),
    n_threads: "int",
    prio: "int",
    poll: "uint32_t",
    strict_cpu: "bool",
    paused: "bool",
  });
  return paramsType;
}

export class ThreadPool {
  readonly #free: Pointer;
  #pointer: Pointer | undefined;

  private constructor(pointer: Pointer, free: Pointer) {
    this.#pointer = pointer;
    this.#free = free;
  }

  /** Creates a pool and gives it to a CPU backend; undefined where the backend has no such function. */
  static attach({
    api,
    backend,
    device,
    threads,
  }: {
    api: GgmlApi;
    backend: Pointer;
    device: Pointer;
    threads: number;
  }): ThreadPool | undefined {
    const registry = api.ggml_backend_dev_backend_reg(device);
    const find = (name: string) => api.ggml_backend_reg_get_proc_address(registry, name);
    const setThreads = find("ggml_backend_set_n_threads");
    if (setThreads !== null)
      koffi.call(setThreads, koffi.proto("void", ["void *", "int"]), backend, threads);
    const create = find("ggml_threadpool_new");
    const free = find("ggml_threadpool_free");
    const set = find("ggml_backend_cpu_set_threadpool");
    if (create === null || free === null || set === null) return undefined;
    const params = {
      cpumask: new Uint8Array(MAX_THREADS),
      n_threads: threads,
      prio: 0,
      poll: 50,
      strict_cpu: false,
      paused: false,
    };
    const pool = koffi.call(
      create,
      koffi.proto("void *", [koffi.pointer(threadPoolParams())]),
      params,
    ) as Pointer | null;
    if (pool === null) return undefined;
    koffi.call(set, koffi.proto("void", ["void *", "void *"]), backend, pool);
    return new ThreadPool(pool, free);
  }

  [Symbol.dispose](): void {
    if (this.#pointer === undefined) return;
    koffi.call(this.#free, koffi.proto("void", ["void *"]), this.#pointer);
    this.#pointer = undefined;
  }
}

/**
 * Gives the tensors of a graph their memory and computes it. The memory is kept between graphs and reused, so one
 * executor serves one graph at a time: allocating the next ends the values of the last.
 */
import { invariant, LabError } from "../base/errors.ts";
import type { Pointer } from "./api.ts";
import type { Backend } from "./backend.ts";
import { library } from "./library.ts";

/** `enum ggml_status` */
const STATUS = { success: 0, aborted: 1, failed: -1, allocFailed: -2 } as const;

/** The memory planner of a device: ggml's graph allocator, or its scheduler where a device shares with the processor. */
interface Planner {
  /** Bytes that the graph's values will take; undefined where only allocating tells. */
  measure(graph: Pointer): number | undefined;
  allocate(graph: Pointer): boolean;
  compute(graph: Pointer, done: (error: Error | null, status: number) => void): void;
  sizeBytes(): number;
  free(): void;
}

/** Memory for the values of a graph, and its computation; one graph at a time. */
export class Executor {
  readonly backend: Backend;
  #planner: Planner | undefined;
  #allocated: Pointer | undefined;
  #running = false;

  constructor(backend: Backend, { maxNodes = 8192 }: { maxNodes?: number } = {}) {
    this.backend = backend;
    this.#planner =
      backend.fallback === undefined
        ? graphAllocator(backend)
        : scheduler(backend, backend.fallback, maxNodes);
  }

  #open(): Planner {
    invariant(this.#planner !== undefined, "executor used after it was freed");
    return this.#planner;
  }

  /** Plans and reserves the memory of every tensor of `graph`. Throws `out_of_memory`. */
  allocate(graph: Pointer): void {
    if (this.#running)
      throw new LabError("busy", "a graph was allocated in the memory of one that is computing", {
        hint: "Await the computation first, or give each graph an executor of its own.",
      });
    this.#allocated = undefined;
    if (!this.#open().allocate(graph))
      throw new LabError(
        "out_of_memory",
        "no memory for the intermediate values of this computation",
        {
          hint: "Use fewer or shorter prompts at once, or a smaller batch.",
        },
      );
    this.#allocated = graph;
  }

  /** Bytes that `allocate` will need for the values of `graph`, where the device tells before it does. */
  measure(graph: Pointer): number | undefined {
    return this.#open().measure(graph);
  }

  /** Bytes reserved for intermediate values. */
  get sizeBytes(): number {
    return this.#open().sizeBytes();
  }

  /**
   * Computes the graph that was allocated last, off the main thread.
   *
   * @throws LabError `busy` while the backend computes, `interrupted` when `signal` fires, `engine_failed` when the backend reports a failure
   */
  async compute(graph: Pointer, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const planner = this.#open();
    invariant(this.#allocated === graph, "a graph was computed before it was allocated");
    if (signal?.aborted) throw interrupted();
    this.backend.begin();
    const cancel = (): void => {
      this.backend.setCancelled(true);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    this.#running = true;
    try {
      const status = await new Promise<number>((resolve, reject) => {
        planner.compute(graph, (error, result) => {
          if (error === null) resolve(result);
          else reject(error);
        });
      });
      // An abort that came too late to stop the last operation still interrupts.
      if (status === STATUS.aborted || signal?.aborted) throw interrupted();
      if (status === STATUS.allocFailed)
        throw new LabError("out_of_memory", "the backend ran out of memory while computing");
      if (status !== STATUS.success)
        throw new LabError("engine_failed", `the backend failed with status ${status}`);
    } finally {
      this.#running = false;
      signal?.removeEventListener("abort", cancel);
      this.backend.setCancelled(false);
      this.backend.end();
    }
  }

  /** Whether the values of `graph` are those in memory: no other graph was allocated after it. */
  holds(graph: Pointer): boolean {
    return this.#planner !== undefined && this.#allocated === graph;
  }

  [Symbol.dispose](): void {
    const planner = this.#planner;
    if (planner === undefined) return;
    this.#planner = undefined;
    this.backend.whenIdle(() => {
      planner.free();
    });
  }
}

function interrupted(): LabError {
  return new LabError("interrupted", "the computation was interrupted");
}

function graphAllocator(backend: Backend): Planner {
  const { api } = library();
  const allocator = api.ggml_gallocr_new(backend.bufferType.pointer);
  return {
    measure: (graph) => {
      // One of its own: planning forgets what the allocator holds.
      const planner = api.ggml_gallocr_new(backend.bufferType.pointer);
      const sizes = new BigUint64Array(1);
      api.ggml_gallocr_reserve_n_size(planner, graph, null, null, sizes);
      api.ggml_gallocr_free(planner);
      return Number(sizes[0]);
    },
    allocate: (graph) => api.ggml_gallocr_alloc_graph(allocator, graph),
    compute: (graph, done) => {
      api.ggml_backend_graph_compute.async(backend.pointer, graph, done);
    },
    sizeBytes: () => api.ggml_gallocr_get_buffer_size(allocator, 0),
    free: () => {
      api.ggml_gallocr_free(allocator);
    },
  };
}

function scheduler(backend: Backend, cpu: Backend, maxNodes: number): Planner {
  const { api } = library();
  const backends = BigUint64Array.of(backend.pointer, cpu.pointer);
  const sched = api.ggml_backend_sched_new(backends, null, 2, maxNodes, false, true);
  return {
    measure: () => undefined,
    allocate: (graph) => {
      api.ggml_backend_sched_reset(sched);
      return api.ggml_backend_sched_alloc_graph(sched, graph);
    },
    compute: (graph, done) => {
      api.ggml_backend_sched_graph_compute.async(sched, graph, done);
    },
    sizeBytes: () =>
      api.ggml_backend_sched_get_buffer_size(sched, backend.pointer) +
      api.ggml_backend_sched_get_buffer_size(sched, cpu.pointer),
    free: () => {
      api.ggml_backend_sched_free(sched);
    },
  };
}

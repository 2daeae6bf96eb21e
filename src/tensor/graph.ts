/**
 * A computation: inputs, the operations between them (`tensor/ops`), and outputs. Built once, computed as often as wanted.
 *
 * Operations are ggml's, recorded as they are called. Only tensors marked as outputs keep their values after `compute`;
 * the memory of the others is reused inside the graph.
 */
import { invariant, LabError } from "../base/errors.ts";
import type { Pointer } from "../engine/api.ts";
import type { Backend } from "../engine/backend.ts";
import type { DType } from "../engine/dtypes.ts";
import { newTensor, setName } from "../engine/emit.ts";
import { Executor } from "../engine/executor.ts";
import { memoryOwner } from "../engine/layout.ts";
import { library } from "../engine/library.ts";
import { Context } from "../engine/memory.ts";
import { timeOperations, type OperationTime } from "../engine/profile.ts";
import { assertShape, describeShape, type Shape } from "./shape.ts";
import { contiguousStrides, Tensor, type Provenance } from "./tensor.ts";

const DEFAULT_MAX_NODES = 4096;

export interface GraphOptions {
  /** Upper bound on operations. */
  maxNodes?: number;
  /** Where intermediate values live; shared between graphs that are computed one after another. Own one by default. */
  executor?: Executor;
}

/** A computation: inputs, the operations between them, outputs. Built once, computed as often as wanted; `using` frees its memory. */
export class Graph {
  readonly backend: Backend;
  readonly executor: Executor;
  readonly #ownsExecutor: boolean;
  readonly #context: Context;
  readonly #graph: Pointer;
  /** Tensors from outside that operations use; the graph has room for as many as for operations. */
  readonly #outside = new Set<Pointer>();
  /** Whose memory keeps its values after `compute`: inputs and outputs; and tensors from outside, at any time. */
  readonly #kept = new Set<Pointer>();
  readonly #borrowed = new Set<Pointer>();
  readonly #maxNodes: number;
  #allocated = false;
  #disposed = false;

  constructor(backend: Backend, { maxNodes = DEFAULT_MAX_NODES, executor }: GraphOptions = {}) {
    this.backend = backend;
    this.executor = executor ?? new Executor(backend, { maxNodes: 2 * maxNodes });
    this.#ownsExecutor = executor === undefined;
    this.#maxNodes = maxNodes;
    // ggml ends the process when a graph overflows: its capacity covers every operation and the tensors they use.
    const capacity = 2 * maxNodes;
    this.#context = new Context({ tensors: maxNodes, graphNodes: capacity });
    const { api } = library();
    this.#graph = api.ggml_new_graph_custom(this.#context.pointer, capacity, false);
  }

  /** A tensor that is written once allocated, and keeps its values until it is written again. */
  input(dtype: DType, shape: Shape, name?: string): Tensor {
    assertShape(shape);
    const strides = contiguousStrides(dtype, shape);
    const pointer = this.emit((context) => newTensor(context, dtype, shape));
    const { api } = library();
    api.ggml_set_input(pointer);
    api.ggml_set_output(pointer);
    api.ggml_build_forward_expand(this.#graph, pointer);
    this.#kept.add(pointer);
    if (name !== undefined) setName(pointer, name);
    return new Tensor({
      pointer,
      dtype,
      shape,
      strides,
      graph: this,
      ...(name === undefined ? {} : { name }),
    });
  }

  /** The same tensor as part of this graph: lets an operation start from weights alone. */
  use(tensor: Tensor): Tensor {
    this.join([tensor]);
    this.#borrowed.add(memoryOwner(tensor.pointer));
    return new Tensor({ ...tensorFields(tensor), graph: this });
  }

  /** Calls ggml with the graph's context, after making sure that its arena has room for what the call creates. */
  emit(create: (context: Pointer) => Pointer): Pointer {
    invariant(!this.#disposed, "graph used after it was freed");
    if (this.#allocated)
      throw new LabError(
        "internal",
        "internal: an operation was added after the graph was allocated",
      );
    this.#context.take(1);
    return create(this.#context.pointer);
  }

  /** Counts the tensors from outside among the inputs of an operation. */
  join(inputs: readonly Tensor[]): void {
    for (const input of inputs) if (input.graph === undefined) this.#outside.add(input.pointer);
    if (this.#outside.size > this.#maxNodes)
      throw new LabError("internal", "internal: more weights than the graph has room for", {
        hint: "Give the graph a larger `maxNodes`.",
      });
  }

  /** Records the result of an operation. */
  result(
    pointer: Pointer,
    fields: { dtype: DType; shape: Shape; strides?: Shape; made: Provenance },
  ): Tensor {
    const strides = fields.strides ?? contiguousStrides(fields.dtype, fields.shape);
    return new Tensor({ ...fields, pointer, strides, graph: this });
  }

  /** Keeps the values of `tensors` for reading after `compute`. */
  output(...tensors: readonly Tensor[]): void {
    const { api } = library();
    for (const tensor of tensors) {
      const owner = memoryOwner(tensor.pointer);
      // A view is only as lasting as what it shows.
      api.ggml_set_output(tensor.pointer);
      api.ggml_set_output(owner);
      this.#kept.add(owner);
      this.require(tensor);
    }
  }

  /** Throws unless `tensor` holds values of this graph's last computation, or ones that were written to it. */
  assertKept(tensor: Tensor): void {
    const owner = this.#disposed ? undefined : memoryOwner(tensor.pointer);
    if (owner !== undefined && this.#borrowed.has(owner)) return;
    if (owner === undefined || !this.#allocated || !this.executor.holds(this.#graph))
      throw new LabError("bad_input", `${describeShape(tensor)} has no memory of its own now`, {
        hint: "Read and write the tensors of a graph after `allocate`, before its executor serves another graph.",
      });
    if (!this.#kept.has(owner))
      throw new LabError(
        "bad_input",
        `${describeShape(tensor)} is not kept: its memory is reused`,
        {
          hint: "Mark it with `graph.output(x)` before `graph.allocate()`.",
        },
      );
  }

  /** Adds a tensor to what is computed without keeping it: for operations with an effect, such as filling a cache. */
  require(tensor: Tensor): void {
    invariant(tensor.graph === this, "a tensor of another graph");
    invariant(!this.#allocated, "a result was asked for after the graph was allocated");
    library().api.ggml_build_forward_expand(this.#graph, tensor.pointer);
  }

  get nodeCount(): number {
    return library().api.ggml_graph_n_nodes(this.#graph);
  }

  /** Bytes that `allocate` will reserve in all, where that can be told before; for computations that may not fit. */
  requiredBytes(): number | undefined {
    return this.executor.measure(this.#graph);
  }

  /** Reserves memory for all values. Inputs are written after this. */
  allocate(): void {
    invariant(!this.#disposed, "graph used after it was freed");
    // ggml would take the tensors' old places for memory of their own.
    invariant(!this.#allocated, "graph allocated twice");
    this.executor.allocate(this.#graph);
    this.#allocated = true;
  }

  /** Computes every output. */
  async compute(options: { signal?: AbortSignal } = {}): Promise<void> {
    invariant(!this.#disposed, "graph used after it was freed");
    invariant(this.#allocated, "graph computed before it was allocated");
    await this.executor.compute(this.#graph, options);
  }

  /**
   * Computes every output, one operation after another, and says how long each took. Blocks the thread.
   *
   * @throws LabError `unsupported` where a graphics card shares the graph with the processor
   */
  profile(): OperationTime[] {
    const { device, fallback } = this.backend;
    if (fallback !== undefined)
      throw new LabError("unsupported", `operations are not timed one by one on ${device.kind}`, {
        hint: "Time them with --device cpu, or with the card's own tools.",
      });
    invariant(this.executor.holds(this.#graph), "graph computed before it was allocated");
    return timeOperations(this.backend, this.#graph);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.backend.whenIdle(() => {
      this.#context[Symbol.dispose]();
    });
    if (this.#ownsExecutor) this.executor[Symbol.dispose]();
  }
}

function tensorFields(tensor: Tensor): ConstructorParameters<typeof Tensor>[0] {
  const { pointer, dtype, shape, strides, graph, made, name, readable, interleaved } = tensor;
  return {
    pointer,
    dtype,
    shape,
    strides,
    graph,
    readable,
    interleaved,
    ...(made === undefined ? {} : { made }),
    ...(name === undefined ? {} : { name }),
  };
}

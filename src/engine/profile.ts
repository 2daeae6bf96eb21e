/** Where the time of a computation goes: every operation of an allocated graph computed by itself, under a clock. */
import { performance } from "node:perf_hooks";
import type { Pointer } from "./api.ts";
import type { Backend } from "./backend.ts";
import { nameOf, readHeader, sourceOf } from "./layout.ts";
import { library } from "./library.ts";
import { Context } from "./memory.ts";

export interface OperationTime {
  /** ggml's name: `MUL_MAT`, `ADD`, …; for kernels of our own the same in lower case. */
  operation: string;
  /** Row-major sizes of the result, then of the inputs. */
  shapes: readonly (readonly number[])[];
  ms: number;
  /** Bytes of the result and the inputs: what must be read and written at least. */
  bytes: number;
  /** Multiplications and additions of a product; 0 for other operations. */
  flops: number;
}

/**
 * Computes a graph whose memory is planned, one operation at a time, and says what each took. Starting each by itself adds
 * some microseconds to it. Blocks the thread; views, which take no time, are left out.
 */
export function timeOperations(backend: Backend, graph: Pointer): OperationTime[] {
  const { api } = library();
  using context = new Context({ tensors: 1, graphNodes: 1 });
  const single = api.ggml_new_graph_custom(context.pointer, 1, false);
  const times: OperationTime[] = [];
  backend.begin();
  try {
    for (let i = 0; i < api.ggml_graph_n_nodes(graph); i++) {
      const node = api.ggml_graph_node(graph, i);
      const described = api.ggml_op_desc(node) ?? "";
      const operation = described === "CUSTOM" ? nameOf(node) : described;
      if (VIEWS.has(operation)) continue;
      api.ggml_graph_clear(single);
      api.ggml_graph_add_node(single, node);
      const started = performance.now();
      api.ggml_backend_graph_compute(backend.pointer, single);
      const ms = performance.now() - started;
      const shapes = shapesOf(node);
      const bytes = [node, ...inputsOf(node)].reduce((sum, t) => sum + api.ggml_nbytes(t), 0);
      times.push({ operation, shapes, ms, bytes, flops: flopsOf(operation, shapes) });
    }
  } finally {
    backend.end();
  }
  return times;
}

const VIEWS = new Set(["NONE", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE"]);

/** What an operation reads; a third input of a kernel of our own is memory that it works in. */
function inputsOf(node: Pointer): Pointer[] {
  const count = library().api.ggml_op_desc(node) === "CUSTOM" ? 2 : 3;
  const inputs = Array.from({ length: count }, (_, i) => sourceOf(node, i));
  return inputs.filter((input) => input !== null);
}

function shapesOf(node: Pointer): number[][] {
  return [node, ...inputsOf(node)].map((tensor) => readHeader(tensor).ne.reverse());
}

/** 2·N·K·M. Kernels say K in their name where no shape does: `mul_mat q4_k 2560`. */
function flopsOf(operation: string, shapes: readonly (readonly number[])[]): number {
  if (!/^mul_mat\b/i.test(operation)) return 0;
  const named = /^mul_mat \S+ (\d+)$/.exec(operation)?.[1];
  const inner = named === undefined ? (shapes[1]?.at(-1) ?? 0) : Number(named);
  return 2 * inner * (shapes[0] ?? []).reduce((product, n) => product * n, 1);
}

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
      times.push({ operation, shapes: shapesOf(node), ms: performance.now() - started });
    }
  } finally {
    backend.end();
  }
  return times;
}

const VIEWS = new Set(["NONE", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE"]);

function shapesOf(node: Pointer): number[][] {
  const inputs = [0, 1, 2].map((i) => sourceOf(node, i)).filter((input) => input !== null);
  return [node, ...inputs].map((tensor) => readHeader(tensor).ne.reverse());
}

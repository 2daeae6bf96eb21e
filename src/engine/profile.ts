/** Where the time of a computation goes: every operation of an allocated graph computed by itself, under a clock. */
import { performance } from "node:perf_hooks";
import type { Pointer } from "./api.ts";
import type { Backend } from "./backend.ts";
import type { Arithmetic } from "../kernels/peak.ts";
import { DTYPES, isQuantized, tensorBytes, type DType } from "./dtypes.ts";
import { nameOf, readHeader, sourceOf, typeOf } from "./layout.ts";
import { library } from "./library.ts";
import { Context } from "./memory.ts";

export interface OperationTime {
  /** ggml's name: `MUL_MAT`, `ADD`, …; for kernels of our own the same in lower case. */
  operation: string;
  /** Row-major sizes of the result, then of the inputs. */
  shapes: readonly (readonly number[])[];
  /** Without what starting a computation takes. */
  ms: number;
  /** Bytes of the values that are read and written at least. */
  bytes: number;
  /** Multiplications and additions of a product; 0 for other operations. */
  flops: number;
  arithmetic: Arithmetic;
}

/**
 * Computes a graph whose memory is planned, one operation at a time, and says what each took. Starting each by itself takes
 * some microseconds, which are measured and taken off. Blocks the thread; views, which take no time, are left out.
 */
export function timeOperations(backend: Backend, graph: Pointer): OperationTime[] {
  const { api } = library();
  using context = new Context({ tensors: 1, graphNodes: 1 });
  const single = api.ggml_new_graph_custom(context.pointer, 1, false);
  const times: OperationTime[] = [];
  const compute = (): number => {
    const started = performance.now();
    api.ggml_backend_graph_compute(backend.pointer, single);
    return performance.now() - started;
  };
  backend.begin();
  try {
    const startMs = Math.min(...Array.from({ length: STARTS }, compute));
    for (let i = 0; i < api.ggml_graph_n_nodes(graph); i++) {
      const node = api.ggml_graph_node(graph, i);
      const described = api.ggml_op_desc(node) ?? "";
      const operation = described === "CUSTOM" ? nameOf(node) : described;
      if (VIEWS.has(operation)) continue;
      api.ggml_graph_clear(single);
      api.ggml_graph_add_node(single, node);
      const ms = Math.max(0, compute() - startMs);
      const inputs = inputsOf(node, operation);
      const shapes = [node, ...inputs].map((tensor) => readHeader(tensor).ne.reverse());
      times.push({
        ...{ operation, shapes, ms },
        bytes: bytesOf(operation, node, inputs),
        flops: flopsOf(operation, shapes),
        arithmetic: arithmeticOf(operation, inputs),
      });
    }
  } finally {
    backend.end();
  }
  return times;
}

/** Empty computations that are timed, to know what starting one takes. */
const STARTS = 16;
const VIEWS = new Set(["NONE", "RESHAPE", "VIEW", "PERMUTE", "TRANSPOSE"]);
const MOST_INPUTS = 6;

/** What an operation reads; a third input of a product of our own is memory that it works in. */
function inputsOf(node: Pointer, operation: string): Pointer[] {
  const count = operation.startsWith("mul_mat") ? 2 : MOST_INPUTS;
  const inputs = Array.from({ length: count }, (_, i) => sourceOf(node, i));
  return inputs.filter((input) => input !== null);
}

/** Of a tensor's values, however far apart they lie. */
function sizeOf(tensor: Pointer): number {
  return tensorBytes(typeOf(tensor), readHeader(tensor).ne.reverse());
}

/** Rows that are looked up or put are read and written alone, not the table that they lie in. */
function bytesOf(operation: string, node: Pointer, inputs: readonly Pointer[]): number {
  const [first, ids] = inputs;
  const idBytes = ids === undefined ? 0 : sizeOf(ids);
  if (operation === "GET_ROWS") return 2 * sizeOf(node) + idBytes;
  if (operation === "SET_ROWS" && first !== undefined) {
    const written = tensorBytes(typeOf(node), readHeader(first).ne.reverse());
    return sizeOf(first) + written + idBytes;
  }
  return [node, ...inputs].reduce((sum, tensor) => sum + sizeOf(tensor), 0);
}

/** 2·N·K·M. Kernels say K in their name where no shape does: `mul_mat q4_k 2560`. */
function flopsOf(operation: string, shapes: readonly (readonly number[])[]): number {
  const [result = [], a = [], b = []] = shapes;
  const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
  // Scores and sums of values: 2·2·T·S·H for each head.
  if (operation === "FLASH_ATTN_EXT") return 4 * count(a) * (b.at(-2) ?? 0);
  if (operation === "OUT_PROD") return 2 * count(result) * (a.at(-2) ?? 0);
  if (!/^mul_mat\b/i.test(operation)) return 0;
  const named = /^mul_mat \S+ (\d+)$/.exec(operation)?.[1];
  return 2 * count(result) * (named === undefined ? (a.at(-1) ?? 0) : Number(named));
}

/**
 * Of f32 values, of bf16 values, or (weights that are quantised meet activations that are) of bytes. Kernels say the type in their
 * name, `f32·q4_k` where they decode it.
 */
function arithmeticOf(operation: string, inputs: readonly Pointer[]): Arithmetic {
  if (!/^mul_mat\b/i.test(operation)) return "f32";
  const named = /^mul_mat (\S+)/.exec(operation)?.[1];
  const types: readonly string[] = named === undefined ? inputs.slice(0, 2).map(typeOf) : [named];
  if (types.some((type) => type in DTYPES && isQuantized(type as DType))) return "int8";
  return types.includes("bf16") ? "bf16" : "f32";
}

/**
 * Self-test of the loaded ggml: element types have the sizes philab computes with, and `ggml_tensor` has the layout
 * that the few direct reads and writes rely on. A library of another version fails here with a sentence, not later
 * with a crash.
 */
import koffi from "koffi";
import { invariant, LabError } from "../base/errors.ts";
import { TENSOR_OFFSET } from "../kernels/frame.ts";
import type { GgmlApi, Pointer } from "./api.ts";
import { DTYPES, dtypeFromId, type DType } from "./dtypes.ts";

export function assertLayout(api: GgmlApi): void {
  const wrong: string[] = [];
  for (const name of Object.keys(DTYPES) as DType[]) {
    const { id, blockSize, blockBytes } = DTYPES[name];
    const found = `${api.ggml_type_name(id)} ${api.ggml_blck_size(id)}/${api.ggml_type_size(id)}`;
    if (found.toLowerCase() !== `${name} ${blockSize}/${blockBytes}`)
      wrong.push(`type ${id} is ${found}, expected ${name} ${blockSize}/${blockBytes}`);
  }
  const context = api.ggml_init({
    mem_size: 4 * api.ggml_tensor_overhead(),
    mem_buffer: null,
    no_alloc: true,
  });
  if (context === null) throw layoutError(["ggml_init failed"]);
  try {
    const a = api.ggml_new_tensor_4d(context, DTYPES.f32.id, 5, 3, 2, 7);
    api.ggml_set_name(a, "layout");
    const b = api.ggml_sqr(context, a);
    const expect = (what: string, found: unknown, wanted: unknown): void => {
      if (found !== wanted) wrong.push(`${what} is ${String(found)}, expected ${String(wanted)}`);
    };
    const half = api.ggml_new_tensor_4d(context, DTYPES.f16.id, 1, 1, 1, 1);
    expect("type", koffi.decode(half, TENSOR_OFFSET.type, "int32_t"), DTYPES.f16.id);
    [5, 3, 2, 7].forEach((n, i) => {
      expect(`ne[${i}]`, readInt64(a, TENSOR_OFFSET.ne + 8 * i), n);
    });
    [4, 20, 60, 120].forEach((n, i) => {
      expect(`nb[${i}]`, readInt64(a, TENSOR_OFFSET.nb + 8 * i), n);
    });
    expect("src[0]", readPointer(b, TENSOR_OFFSET.src), a);
    const view = api.ggml_permute(context, b, 1, 0, 2, 3);
    expect("view_src", readPointer(view, TENSOR_OFFSET.viewSource), b);
    expect("view_src", readPointer(a, TENSOR_OFFSET.viewSource), null);
    expect("data", readPointer(a, TENSOR_OFFSET.data), null);
    koffi.encode(a, TENSOR_OFFSET.data, "void *", a);
    expect("data", api.ggml_get_data(a), a);
    expect("buffer", readPointer(a, TENSOR_OFFSET.buffer), null);
    expect("name", koffi.decode(a, TENSOR_OFFSET.name, "char", 6), "layout");
  } finally {
    api.ggml_free(context);
  }
  if (wrong.length > 0) throw layoutError(wrong);
}

/** Points a header at a buffer, as llama.cpp does to ask a device about an operation before any memory exists. */
export function setTensorBuffer(tensor: Pointer, buffer: Pointer | null): void {
  koffi.encode(tensor, TENSOR_OFFSET.buffer, "void *", buffer);
}

/** The type of a tensor's values. */
export function typeOf(tensor: Pointer): DType {
  const id = koffi.decode(tensor, TENSOR_OFFSET.type, "int32_t") as number;
  const dtype = dtypeFromId(id);
  invariant(dtype !== undefined, `a tensor of type ${id}`);
  return dtype;
}

/** A tensor's name, of at most 63 bytes. */
export function nameOf(tensor: Pointer): string {
  return koffi.decode(tensor, TENSOR_OFFSET.name, "char", 64) as string;
}

/** The tensor whose memory a view shows; the tensor itself where it is none. */
export function memoryOwner(tensor: Pointer): Pointer {
  return readPointer(tensor, TENSOR_OFFSET.viewSource) ?? tensor;
}

/** Input `i` of the operation that makes a tensor; null where it has fewer. */
export function sourceOf(tensor: Pointer, i: number): Pointer | null {
  return readPointer(tensor, TENSOR_OFFSET.src + 8 * i);
}

/** The sizes and byte strides that ggml computed for a tensor, fastest axis first. */
export function readHeader(tensor: Pointer): { ne: number[]; nb: number[] } {
  const four = (offset: number): number[] =>
    [0, 1, 2, 3].map((i) => readInt64(tensor, offset + 8 * i));
  return { ne: four(TENSOR_OFFSET.ne), nb: four(TENSOR_OFFSET.nb) };
}

function readInt64(at: Pointer, offset: number): number {
  return Number(koffi.decode(at, offset, "int64_t"));
}

function readPointer(at: Pointer, offset: number): Pointer | null {
  return koffi.decode(at, offset, "void *") as Pointer | null;
}

function layoutError(problems: string[]): LabError {
  return new LabError(
    "engine_failed",
    `the loaded ggml does not have the layout philab was built for: ${problems.slice(0, 3).join("; ")}`,
    { hint: "Install the engine version that philab's package.json names." },
  );
}

/** How tensors flow into a file that is being written. */
import type { FileSink } from "../base/atomic.ts";
import { invariant } from "../base/errors.ts";
import { tensorBytes } from "../engine/dtypes.ts";
import type { TensorSpec } from "./types.ts";

/** Gives a tensor's bytes in pieces of any size, front to back. */
export type TensorData = (tensor: TensorSpec) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Appends one tensor, and holds its source to the size that the header announces. */
export async function writeTensorData(
  sink: FileSink,
  tensor: TensorSpec,
  data: TensorData,
): Promise<void> {
  const start = sink.position;
  for await (const piece of data(tensor)) await sink.write(piece);
  const written = sink.position - start;
  const expected = tensorBytes(tensor.dtype, tensor.shape);
  invariant(written === expected, `${tensor.name} has ${expected} bytes, not ${written}`);
}

/** From a file into a tensor with memory of its own: as the bytes lie there, gathered, turned, or converted. */
import { rowBytes } from "../engine/dtypes.ts";
import type { MappedFile } from "../engine/mapped-file.ts";
import { lendAddress } from "../engine/memory.ts";
import { dequantizeRows, quantizeRows } from "../engine/quantize.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { rowsOf } from "./parameters.ts";
import { contiguousRows, type Placement } from "./placement.ts";

/** Values converted at a time. */
const CHUNK_VALUES = 1 << 22;

/** Fills a tensor whose place is not the file itself. */
export async function fillTensor(
  tensor: Tensor,
  placement: Placement,
  file: MappedFile,
): Promise<void> {
  const { source, target } = placement;
  if (source.transposed === true) await turn(placement, tensor, file);
  else if (target === "owned") convert(placement, tensor, file);
  else if (contiguousRows(source) === undefined)
    await lendAddress(gathered(placement, file), (address) => tensor.writeFrom(address));
  else await tensor.writeFrom(file.pointer + BigInt(source.entry.offset + startByte(placement)));
}

/** Where a source begins in its stored tensor. */
export function startByte({ source }: Placement): number {
  const { start } = contiguousRows(source) ?? { start: 0 };
  return start * rowBytes(source.entry.dtype, source.entry.shape.at(-1) ?? 1);
}

/** The rows of a source, one after another, as they are stored. */
function gathered({ source }: Placement, file: MappedFile): Uint8Array {
  const { entry } = source;
  const { rowLength, ranges } = rowsOf(source);
  const rowSize = rowBytes(entry.dtype, rowLength);
  const rows = new Uint8Array(ranges.reduce((sum, { count }) => sum + count, 0) * rowSize);
  let written = 0;
  for (const { start, count } of ranges) {
    rows.set(file.bytes(entry.offset + start * rowSize, count * rowSize), written);
    written += count * rowSize;
  }
  return rows;
}

/** Exchanges rows and columns: OpenAI's `Conv1D` holds `[in, out]`. */
async function turn({ source, dtype }: Placement, tensor: Tensor, file: MappedFile): Promise<void> {
  const { entry, shape } = source;
  const [m = 1, k = 1] = shape;
  const bytes = file.bytes(entry.offset, entry.sizeBytes);
  const stored = dequantizeRows(entry.dtype, bytes, m * k); // [K, M]
  const values = new Float32Array(m * k);
  for (let row = 0; row < m; row++)
    for (let column = 0; column < k; column++)
      values[row * k + column] = stored[column * m + row] as number;
  tensor.writeBytesAt(0, await quantizeRows(dtype, values, k));
}

/** Gathers the rows of a source and converts them, a chunk at a time. */
function convert({ source, dtype }: Placement, tensor: Tensor, file: MappedFile): void {
  const { entry } = source;
  const { rowLength, ranges } = rowsOf(source);
  const rowSize = rowBytes(entry.dtype, rowLength);
  const targetRowSize = rowBytes(dtype, rowLength);
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK_VALUES / rowLength));
  let written = 0;
  for (const range of ranges)
    for (let done = 0; done < range.count; done += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, range.count - done);
      const bytes = file.bytes(entry.offset + (range.start + done) * rowSize, count * rowSize);
      const values =
        dtype === entry.dtype
          ? bytes
          : new Uint8Array(dequantizeRows(entry.dtype, bytes, count * rowLength).buffer);
      tensor.writeBytesAt(written, values);
      written += count * targetRowSize;
    }
}

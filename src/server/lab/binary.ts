/** Arrays over HTTP: the layout of safetensors, a JSON header before the bytes. */

/**
 * An eight-byte little-endian length, the header as JSON, then the values: little-endian f32 or bytes, row-major.
 * `__metadata__` is the header's own place for anything else; its values are texts.
 */
export function binaryAnswer(
  name: string,
  {
    values,
    shape,
    metadata,
  }: { values: Float32Array | Uint8Array; shape: readonly number[]; metadata: object },
): Response {
  const dtype = values instanceof Float32Array ? "F32" : "U8";
  const about = Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  const header = JSON.stringify({
    __metadata__: about,
    [name]: { dtype, shape, data_offsets: [0, values.byteLength] },
  });
  const padded = header.padEnd(
    Math.ceil(Buffer.byteLength(header) / 8) * 8 - Buffer.byteLength(header) + header.length,
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(padded)));
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return fileAnswer(Buffer.concat([length, Buffer.from(padded), bytes]));
}

export const BINARY_TYPE = "application/octet-stream";

export function fileAnswer(bytes: Uint8Array): Response {
  return new Response(new Uint8Array(bytes), { headers: { "content-type": BINARY_TYPE } });
}

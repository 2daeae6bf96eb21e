/** What deduplication writes down of each document, and how all of it is read again. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FileSink } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import type { Document } from "../document.ts";
import { shingleHashes } from "./shingles.ts";
import { Sketcher } from "./sketch.ts";

/** Bytes of a record before its sketch: the id's hash, the text's hash, the text's length. */
const HEAD_BYTES = 8 + 16 + 4;
const BUFFER_RECORDS = 1024;

/** The documents of all shards, in the order of their ids' hashes: the same in any number of shards. */
export interface Surveyed {
  count: number;
  /** Values of a sketch. */
  size: number;
  ids: BigUint64Array;
  /** Two 64-bit halves of each text's hash. */
  texts: BigUint64Array;
  lengths: Uint32Array;
  sketches: Uint16Array; // [count, size]
}

/** The first eight bytes of the hash of an id. */
export function idHash(id: string): bigint {
  return createHash("sha256").update(id).digest().readBigUInt64LE(0);
}

/** Writes a record for each document. */
export async function writeSurvey(
  documents: AsyncIterable<Document>,
  sink: FileSink,
  { size, ngram }: { size: number; ngram: number },
): Promise<void> {
  const recordBytes = HEAD_BYTES + 2 * size;
  const buffer = Buffer.alloc(BUFFER_RECORDS * recordBytes);
  const sketcher = new Sketcher(size);
  const sketch = new Uint16Array(size);
  let used = 0;
  for await (const { id, text } of documents) {
    buffer.writeBigUInt64LE(idHash(id), used);
    createHash("sha256")
      .update(text.trim())
      .digest()
      .copy(buffer, used + 8, 0, 16);
    buffer.writeUInt32LE(Math.min(text.length, 0xffffffff), used + 24);
    sketcher.sketch(shingleHashes(text, ngram), sketch, 0);
    for (let i = 0; i < size; i++) buffer.writeUInt16LE(sketch[i] ?? 0, used + HEAD_BYTES + 2 * i);
    used += recordBytes;
    if (used < buffer.length) continue;
    await sink.write(buffer);
    used = 0;
  }
  await sink.write(buffer.subarray(0, used));
}

/** Throws `corrupt_file` where a file is no whole number of records. */
export async function readSurveys(files: readonly string[], size: number): Promise<Surveyed> {
  const recordBytes = HEAD_BYTES + 2 * size;
  const buffers: Buffer[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    if (bytes.length % recordBytes !== 0)
      throw new LabError("corrupt_file", `${file} is no survey of duplicates`);
    buffers.push(bytes);
  }
  const count = buffers.reduce((sum, bytes) => sum + bytes.length / recordBytes, 0);
  const places = placesInOrder(buffers, recordBytes);
  const surveyed: Surveyed = {
    ...{ count, size },
    ids: new BigUint64Array(count),
    texts: new BigUint64Array(2 * count),
    lengths: new Uint32Array(count),
    sketches: new Uint16Array(count * size),
  };
  for (const [d, { bytes, at }] of places.entries()) {
    surveyed.ids[d] = bytes.readBigUInt64LE(at);
    surveyed.texts[2 * d] = bytes.readBigUInt64LE(at + 8);
    surveyed.texts[2 * d + 1] = bytes.readBigUInt64LE(at + 16);
    surveyed.lengths[d] = bytes.readUInt32LE(at + 24);
    for (let i = 0; i < size; i++)
      surveyed.sketches[d * size + i] = bytes.readUInt16LE(at + HEAD_BYTES + 2 * i);
  }
  return surveyed;
}

function placesInOrder(
  buffers: readonly Buffer[],
  recordBytes: number,
): { bytes: Buffer; at: number }[] {
  const places: { bytes: Buffer; at: number; id: bigint }[] = [];
  for (const bytes of buffers)
    for (let at = 0; at < bytes.length; at += recordBytes)
      places.push({ bytes, at, id: bytes.readBigUInt64LE(at) });
  return places.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

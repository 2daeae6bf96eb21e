/** The lines of a text file, plain or compressed (.gz, .zst), one at a time: a file of any size takes the memory of a line. */
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { Decompress } from "fzstd";
import { LabError } from "./errors.ts";

export interface Line {
  /** Counted from 1. */
  number: number;
  /** Without its end. Undefined where the bytes are no UTF-8. */
  text: string | undefined;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes of the file (compressed, where it is) that have been read. */
  onBytes?: ((bytes: number) => void) | undefined;
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 18;
/** Longer lines would not fit into a JavaScript string. */
const MAX_LINE_BYTES = 1 << 28;
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

/**
 * Only a line feed ends a line (with a carriage return before it or not): texts in JSON may hold U+2028 and others that
 * some readers take for line ends. A byte order mark at the start is left out.
 *
 * @throws LabError `not_found`, `corrupt_file` for damaged compressed data or a line that no string can hold, `interrupted`
 */
export async function* readLines(
  file: string,
  options: ReadOptions = {},
): AsyncGenerator<Line, void, undefined> {
  let number = 0;
  const line = (bytes: Buffer): Line => {
    number++;
    const whole = number === 1 && bytes.indexOf(BYTE_ORDER_MARK) === 0 ? bytes.subarray(3) : bytes;
    const end = whole.at(-1) === 0x0d ? whole.length - 1 : whole.length;
    return { number, text: isUtf8(whole) ? whole.toString("utf8", 0, end) : undefined };
  };
  const pieces: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of readChunks(file, options)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const rest = chunk.subarray(start, end);
      yield line(pieces.length === 0 ? rest : Buffer.concat([...pieces.splice(0), rest]));
      heldBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    pieces.push(chunk.subarray(start));
    heldBytes += chunk.length - start;
    if (heldBytes > MAX_LINE_BYTES)
      throw new LabError("corrupt_file", `${file}:${number + 1}: a line of more than 256 MiB`, {
        hint: "One JSON object per line is expected, or a text file cut into documents.",
      });
  }
  if (pieces.length > 0) yield line(Buffer.concat(pieces));
}

/** A whole text file. Throws as `readLines`, and `corrupt_file` where it is no UTF-8. */
export async function readWholeText(file: string, options: ReadOptions = {}): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of readChunks(file, options)) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_LINE_BYTES)
      throw new LabError("unsupported", `${file}: a text of more than 256 MiB`, {
        hint: 'Cut it into documents, one {"text": …} on each line of a .jsonl file.',
      });
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes))
    throw new LabError("corrupt_file", `${file}: the text is no UTF-8`, {
      hint: "Convert it, for instance with iconv, or leave it out.",
    });
  return bytes.toString("utf8", bytes.indexOf(BYTE_ORDER_MARK) === 0 ? 3 : 0);
}

async function* readChunks(
  file: string,
  { signal, onBytes }: ReadOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const source = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  let bytes = 0;
  source.on("data", (chunk) => {
    bytes += chunk.length;
  });
  const stream = file.endsWith(".gz")
    ? pipeline(source, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined)
    : file.endsWith(".zst")
      ? unpackZstd(file, source)
      : source;
  try {
    for await (const chunk of stream) {
      if (signal?.aborted === true)
        throw new LabError("interrupted", "interrupted", { cause: signal.reason });
      onBytes?.(bytes);
      yield chunk as Buffer;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code.startsWith("Z_"))
      throw new LabError("corrupt_file", `${file}: ${(error as Error).message}`, {
        hint: "It is no gzip file, or it was cut off. Fetch it again, or unpack it.",
        cause: error,
      });
    throw LabError.from(error);
  }
}

/** What Zstandard frames hold, a few blocks at a time. Node's own decoder is younger than Node 20. */
async function* unpackZstd(
  file: string,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const ready: Uint8Array[] = [];
  const decoder = new Decompress((data) => ready.push(data));
  const feed = (bytes: Uint8Array, isLast: boolean): void => {
    try {
      decoder.push(bytes, isLast);
    } catch (error) {
      throw new LabError("corrupt_file", `${file}: ${(error as Error).message}`, {
        hint: "It is no Zstandard file, or it was cut off. Fetch it again, or unpack it.",
        cause: error,
      });
    }
  };
  for await (const chunk of source) {
    feed(chunk, false);
    for (const data of ready.splice(0))
      yield Buffer.from(data.buffer, data.byteOffset, data.length);
  }
  feed(new Uint8Array(0), true);
  for (const data of ready.splice(0)) yield Buffer.from(data.buffer, data.byteOffset, data.length);
}

/** Reads a binary header front to back through a small window, never past the end of the file or of what a header may take. */
import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { LabError } from "../base/errors.ts";
import { corrupt, MAX_HEADER_BYTES } from "./corrupt.ts";

const WINDOW_BYTES = 1 << 20;

/** Little-endian, as both checkpoint formats are. Reads are synchronous: a vocabulary has 100,000 strings. */
export class HeaderReader implements Disposable {
  readonly file: string;
  readonly fileBytes: number;
  readonly #descriptor: number;
  #window: Buffer = Buffer.alloc(0);
  /** Where the window lies in the file, and how far into it reading has come. */
  #windowStart = 0;
  #at = 0;

  constructor(file: string) {
    this.file = file;
    this.#descriptor = openForReading(file);
    this.fileBytes = fstatSync(this.#descriptor).size;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** Bytes from the start of the file. */
  get position(): number {
    return this.#windowStart + this.#at;
  }

  /** Bytes that the header can still have. */
  get remaining(): number {
    return Math.min(this.fileBytes, MAX_HEADER_BYTES) - this.position;
  }

  /** The next `count` bytes, valid until the next read. `what` is named where the file ends before them. */
  bytes(count: number, what: string): Buffer {
    const start = this.#take(count, what);
    return this.#window.subarray(start, start + count);
  }

  uint32(what: string): number {
    const start = this.#take(4, what);
    return this.#window.readUInt32LE(start);
  }

  uint64(what: string): bigint {
    const start = this.#take(8, what);
    return this.#window.readBigUInt64LE(start);
  }

  /** A 64-bit size that a program can count with; larger ones are no size at all. */
  size(what: string): number {
    const start = this.#take(8, what);
    const size = this.#window.readUInt32LE(start + 4) * 2 ** 32 + this.#window.readUInt32LE(start);
    if (!Number.isSafeInteger(size)) throw corrupt(this.file, `${what} claims the size ${size}`);
    return size;
  }

  /** How many items follow, each of at least `itemBytes`: never more than `most`, or than the header has room for. */
  count(what: string, itemBytes: number, most = Infinity): number {
    const count = this.size(what);
    if (count > most) throw corrupt(this.file, `${what} is ${count}; ${most} are allowed`);
    if (count * itemBytes > this.remaining)
      throw corrupt(
        this.file,
        `${what} is ${count}, more than the ${this.remaining} bytes that follow can hold`,
      );
    return count;
  }

  /** A string behind its 64-bit length. */
  string(what: string): string {
    const length = this.size(what);
    const start = this.#take(length, what);
    const text = this.#window.toString("utf8", start, start + length);
    if (text.includes("\uFFFD") && !isUtf8(this.#window.subarray(start, start + length)))
      throw corrupt(this.file, `${what} is no valid UTF-8`);
    return text;
  }

  /** Moves past `count` bytes and returns where they begin in the window. */
  #take(count: number, what: string): number {
    if (this.#at + count > this.#window.length) {
      this.#requireRemaining(count, what);
      this.#refill(count, what);
    }
    const start = this.#at;
    this.#at += count;
    return start;
  }

  #requireRemaining(count: number, what: string): void {
    if (count <= this.remaining) return;
    throw corrupt(
      this.file,
      this.fileBytes > MAX_HEADER_BYTES
        ? `${what} lies beyond the ${MAX_HEADER_BYTES} bytes that a header may take`
        : `the file ends inside ${what}`,
    );
  }

  #refill(count: number, what: string): void {
    const left = this.#window.subarray(this.#at);
    const start = this.position;
    const length = Math.min(Math.max(count, WINDOW_BYTES), this.fileBytes - start);
    const window = Buffer.allocUnsafe(length);
    left.copy(window);
    for (let filled = left.length; filled < length;) {
      const read = readSync(this.#descriptor, window, filled, length - filled, start + filled);
      if (read === 0) throw corrupt(this.file, `the file ends inside ${what}`);
      filled += read;
    }
    this.#window = window;
    this.#windowStart = start;
    this.#at = 0;
  }
}

function openForReading(file: string): number {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    throw LabError.from(error);
  }
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new LabError("bad_input", `${file} is no file`);
}

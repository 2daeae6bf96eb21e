/** Writes the lines of a part in order, and knows its hash and its counts when it is closed. */
import { createHash } from "node:crypto";
import { writeFileAtomic, type FileSink } from "../base/atomic.ts";
import { documentLine, type Document, type RejectedDocument } from "./document.ts";
import type { Part } from "./manifest.ts";

const BUFFER_BYTES = 1 << 20;

export class PartWriter {
  readonly #sink: FileSink;
  readonly #hash = createHash("sha256");
  readonly #waiting: string[] = [];
  #waitingLength = 0;
  #documents = 0;
  #textBytes = 0;

  constructor(sink: FileSink) {
    this.#sink = sink;
  }

  async add(document: Document | RejectedDocument): Promise<void> {
    this.#textBytes += Buffer.byteLength(document.text);
    await this.addLine(documentLine(document));
  }

  async addLine(line: string): Promise<void> {
    this.#documents++;
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#waitingLength >= BUFFER_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.from(`${this.#waiting.splice(0).join("\n")}\n`);
    this.#waitingLength = 0;
    this.#hash.update(bytes);
    await this.#sink.write(bytes);
  }

  /** What was written, after the last `flush`. */
  part(name: string): Part {
    return {
      name,
      sha256: this.#hash.digest("hex"),
      sizeBytes: this.#sink.position,
      documents: this.#documents,
      textBytes: this.#textBytes,
    };
  }
}

/** Writes a part whole or not at all. Throws `disk_full`, `interrupted`, and what `write` throws. */
export async function writePart(
  { file, name, signal }: { file: string; name: string; signal?: AbortSignal | undefined },
  write: (writer: PartWriter) => Promise<void>,
): Promise<Part> {
  let part: Part | undefined;
  await writeFileAtomic(
    file,
    async (sink) => {
      const writer = new PartWriter(sink);
      await write(writer);
      await writer.flush();
      part = writer.part(name);
    },
    signal === undefined ? {} : { signal },
  );
  return part as unknown as Part;
}

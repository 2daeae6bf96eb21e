/** A file that grows at its end while a run goes on. */
import { open, type FileHandle } from "node:fs/promises";
import { LabError } from "../base/errors.ts";

export class AppendFile {
  readonly #handle: FileHandle;
  #writing: Promise<void> = Promise.resolve();
  #failure: LabError | undefined;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Opens a file, new or as it is. @throws LabError `not_found` (no such directory), `bad_input` (may not be written) */
  static async open(path: string): Promise<AppendFile> {
    try {
      return new AppendFile(await open(path, "a"));
    } catch (error) {
      throw LabError.from(error);
    }
  }

  /** Queues data. Throws where earlier data could not be written (`disk_full`): nothing is lost in silence. */
  append(data: string | Uint8Array): void {
    if (this.#failure) throw this.#failure;
    this.#writing = this.#writing
      .then(() => this.#handle.appendFile(data))
      .catch((error: unknown) => {
        this.#failure ??= LabError.from(error);
      });
  }

  /** Waits until everything queued is on the disk. Throws where it could not be written. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure;
    await this.#handle.datasync();
  }

  /** Writes what is queued and closes the file. Throws where something could not be written. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
    if (this.#failure) throw this.#failure;
  }
}

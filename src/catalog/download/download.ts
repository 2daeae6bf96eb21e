/**
 * A remote file on disk, whole and checked: fetched in chunks, several at a time, hashed as they come to lie side by side. What came
 * is kept beside a list of whole chunks, so that a later process goes on; where the hash is wrong, chunks are asked for again, and
 * those that differ are replaced.
 */
import { createHash, type Hash } from "node:crypto";
import { open, readFile, rm, type FileHandle } from "node:fs/promises";
import { z } from "zod";
import { writeTextAtomic } from "../../base/atomic.ts";
import { LabError } from "../../base/errors.ts";
import { FileChanged, fetchRange, type FetchOptions, type RemoteIdentity } from "./fetch-range.ts";

export interface RemoteFile {
  url: string;
  sizeBytes: number;
  /** One of them: SHA-256 of the bytes, or Git's SHA-1 of a blob. */
  sha256?: string | undefined;
  gitSha1?: string | undefined;
}

export interface DownloadOptions extends Partial<FetchOptions> {
  chunkBytes?: number;
  /** Connections at a time. */
  parallel?: number;
  /** Bytes that are on disk by now. */
  onProgress?: ((doneBytes: number) => void) | undefined;
  /** Something that a person may want to know. */
  onNote?: ((note: string) => void) | undefined;
}

const DEFAULTS = { stallMs: 30_000, maxRetries: 8, backoffMs: 500 };
const MAX_REPAIRS = 2;

const progressSchema = z.strictObject({
  expected: z.string(),
  chunkBytes: z.int().min(1),
  etag: z.string().optional(),
  /** SHA-256 of each chunk that is there. */
  chunks: z.record(z.string(), z.string()),
});

/**
 * Downloads to `target`, which holds the file when this resolves; until then it holds a part, with `target.json` beside it.
 *
 * @returns the SHA-256
 * @throws LabError `corrupt_file` where the server keeps sending what its own hash does not fit (nothing is kept then), and what
 *   `fetchRange` throws
 */
export async function download(
  file: RemoteFile,
  target: string,
  options: DownloadOptions = {},
): Promise<string> {
  if (file.sha256 === undefined && file.gitSha1 === undefined)
    throw new LabError("unsupported", `${file.url} comes without a hash to check it by`);
  await using part = await PartialFile.open(file, target, options);
  for (let repairs = 0; ;) {
    try {
      await part.fetchMissing();
      const sha256 = await part.verified();
      if (sha256 !== undefined) {
        await part.finish();
        return sha256;
      }
      if (repairs++ >= MAX_REPAIRS || !(await part.repair())) break;
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
      if (repairs++ >= MAX_REPAIRS) break;
      options.onNote?.(`${file.url} has changed (${error.message}): once more from its beginning`);
      await part.startAgain();
    }
  }
  await part.discard();
  throw new LabError("corrupt_file", `${file.url} is not the file that its hash names`, {
    hint: "Nothing of it was kept. The server or something on the way damages it; try again later.",
  });
}

class PartialFile implements AsyncDisposable {
  readonly #file: RemoteFile;
  readonly #target: string;
  readonly #handle: FileHandle;
  readonly #options: DownloadOptions & FetchOptions;
  readonly #chunkBytes: number;
  #chunks: Map<number, string>;
  #identity: RemoteIdentity;
  #saved: Promise<void> = Promise.resolve();
  /** Hashes of the beginning that is whole, and how many chunks that are. */
  #hashed: { count: number; sha256: Hash; git: Hash };

  private constructor(
    file: RemoteFile,
    target: string,
    fields: {
      handle: FileHandle;
      options: DownloadOptions;
      chunks: Map<number, string>;
      etag: string | undefined;
    },
  ) {
    this.#file = file;
    this.#target = target;
    this.#handle = fields.handle;
    this.#options = { ...DEFAULTS, ...fields.options };
    this.#chunkBytes = chunkBytesOf(fields.options);
    this.#chunks = fields.chunks;
    const { etag } = fields;
    this.#identity = { sizeBytes: file.sizeBytes, ...(etag === undefined ? {} : { etag }) };
    this.#hashed = this.#fresh();
  }

  static async open(
    file: RemoteFile,
    target: string,
    options: DownloadOptions,
  ): Promise<PartialFile> {
    const kept = await readProgress(target);
    const fits = kept?.expected === expectedOf(file) && kept.chunkBytes === chunkBytesOf(options);
    const handle = await open(target, fits ? "r+" : "w+").catch(() => open(target, "w+"));
    const { size } = await handle.stat();
    const isWhole = fits && size === file.sizeBytes;
    if (!isWhole) await handle.truncate(file.sizeBytes);
    const chunks = isWhole ? Object.entries(kept.chunks) : [];
    return new PartialFile(file, target, {
      ...{ handle, options, etag: isWhole ? kept.etag : undefined },
      chunks: new Map(chunks.map(([index, sha256]) => [Number(index), sha256])),
    });
  }

  async fetchMissing(): Promise<void> {
    const missing = this.#indices().filter((index) => !this.#chunks.has(index));
    this.#report();
    const stop = new AbortController();
    const { signal, parallel = 4 } = this.#options;
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    let failure: Error | undefined;
    const work = async (): Promise<void> => {
      for (let index = missing.shift(); index !== undefined; index = missing.shift())
        await this.#fetchChunk(index, both);
    };
    const workers = Array.from({ length: parallel }, () =>
      work().catch((error: unknown) => {
        failure ??= error instanceof Error ? error : LabError.from(error);
        stop.abort();
      }),
    );
    await Promise.all(workers);
    await this.#saved;
    if (failure !== undefined) throw failure;
  }

  /** The SHA-256 of what lies on disk, where it is what was expected. */
  async verified(): Promise<string | undefined> {
    await this.#hashBeginning();
    const sha256 = this.#hashed.sha256.copy().digest("hex");
    const git = this.#hashed.git.copy().digest("hex");
    const { sha256: wanted, gitSha1 } = this.#file;
    const isRight = wanted === undefined ? git === gitSha1 : sha256 === wanted;
    return isRight ? sha256 : undefined;
  }

  /** Fetches every chunk again and replaces those that differ. Whether there were any. */
  async repair(): Promise<boolean> {
    const before = this.#chunks;
    this.#chunks = new Map();
    this.#hashed = this.#fresh();
    await this.fetchMissing();
    const bad = this.#indices().filter((index) => before.get(index) !== this.#chunks.get(index));
    if (bad.length > 0)
      this.#options.onNote?.(
        `${this.#file.url}: ${bad.length} of ${before.size} chunks were damaged and have been fetched again`,
      );
    return bad.length > 0;
  }

  async startAgain(): Promise<void> {
    this.#chunks = new Map();
    this.#identity = { sizeBytes: this.#file.sizeBytes };
    this.#hashed = this.#fresh();
    await this.#save();
  }

  async finish(): Promise<void> {
    await this.#handle.sync();
    await rm(`${this.#target}.json`, { force: true });
  }

  async discard(): Promise<void> {
    await rm(this.#target, { force: true });
    await rm(`${this.#target}.json`, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#saved;
    await this.#handle.close();
  }

  async #fetchChunk(index: number, signal: AbortSignal): Promise<void> {
    const start = index * this.#chunkBytes;
    const end = Math.min(this.#file.sizeBytes, start + this.#chunkBytes);
    const hash = createHash("sha256");
    await fetchRange(
      this.#file.url,
      { start, end },
      {
        ...this.#options,
        signal,
        identity: this.#identity,
        take: async (bytes, offset) => {
          hash.update(bytes);
          await this.#handle.write(bytes, 0, bytes.length, offset);
        },
      },
    );
    this.#chunks.set(index, hash.digest("hex"));
    this.#report();
    this.#saved = this.#saved.then(async () => {
      await this.#save();
      await this.#hashBeginning();
    });
    await this.#saved;
  }

  /** Hashes what is whole from the beginning on, as it lies on disk. */
  async #hashBeginning(): Promise<void> {
    const { sha256, git } = this.#hashed;
    const buffer = Buffer.alloc(Math.min(this.#chunkBytes, this.#file.sizeBytes));
    while (this.#chunks.has(this.#hashed.count)) {
      const start = this.#hashed.count * this.#chunkBytes;
      const length = Math.min(buffer.length, this.#file.sizeBytes - start);
      const { bytesRead } = await this.#handle.read(buffer, 0, length, start);
      sha256.update(buffer.subarray(0, bytesRead));
      git.update(buffer.subarray(0, bytesRead));
      this.#hashed.count++;
    }
  }

  #fresh(): { count: number; sha256: Hash; git: Hash } {
    const git = createHash("sha1").update(`blob ${this.#file.sizeBytes}\0`);
    return { count: 0, sha256: createHash("sha256"), git };
  }

  async #save(): Promise<void> {
    const { etag } = this.#identity;
    const progress: z.output<typeof progressSchema> = {
      expected: expectedOf(this.#file),
      chunkBytes: this.#chunkBytes,
      ...(etag === undefined ? {} : { etag }),
      chunks: Object.fromEntries(
        [...this.#chunks].map(([index, sha256]) => [String(index), sha256]),
      ),
    };
    // The bytes first: a list must not name what is not there.
    await this.#handle.datasync();
    await writeTextAtomic(`${this.#target}.json`, JSON.stringify(progress));
  }

  #report(): void {
    const last = this.#indices().length - 1;
    let doneBytes = this.#chunks.size * this.#chunkBytes;
    if (this.#chunks.has(last)) doneBytes -= (last + 1) * this.#chunkBytes - this.#file.sizeBytes;
    this.#options.onProgress?.(doneBytes);
  }

  #indices(): number[] {
    return [...Array(Math.ceil(this.#file.sizeBytes / this.#chunkBytes)).keys()];
  }
}

function chunkBytesOf({ chunkBytes = 16 * 2 ** 20 }: DownloadOptions): number {
  return chunkBytes;
}

function expectedOf({ sha256, gitSha1, sizeBytes }: RemoteFile): string {
  return `${sizeBytes} ${sha256 ?? gitSha1 ?? ""}`;
}

async function readProgress(target: string): Promise<z.output<typeof progressSchema> | undefined> {
  try {
    return progressSchema.parse(JSON.parse(await readFile(`${target}.json`, "utf8")));
  } catch {
    return undefined; // begun by nobody, or unreadable: from the beginning
  }
}

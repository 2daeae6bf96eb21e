/**
 * Files and directories that appear whole or not at all: written under another name beside the target, flushed to
 * the disk, then renamed over it. An error, an abort or the end of the process removes what was written so far.
 */
import { randomBytes } from "node:crypto";
import { renameSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { LabError } from "./errors.ts";

export interface AtomicOptions {
  /** Aborting it ends the writing with an `interrupted` error and leaves nothing behind. */
  signal?: AbortSignal;
  /** Bytes that will be written, where known: a disk that cannot hold them is refused before the work begins. */
  sizeBytes?: number;
}

/** Where the contents of a new file go, front to back. */
export interface FileSink {
  /** Bytes written so far. */
  readonly position: number;
  /** Appends all of `bytes`; they may be reused once the promise has resolved. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Throws `interrupted` once `signal` is aborted. */
export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new LabError("interrupted", "interrupted", { cause: signal.reason });
}

/**
 * Writes the file `path` through `write`; a file of that name is replaced once the new one is complete.
 *
 * @throws LabError `disk_full`, `interrupted`, `not_found` (no such directory), or what `write` throws
 */
export async function writeFileAtomic(
  path: string,
  write: (sink: FileSink) => Promise<void>,
  options: AtomicOptions = {},
): Promise<void> {
  const target = resolve(path);
  await replaceWhenDone(target, options, async (temporary) => {
    const handle = await open(temporary, "wx");
    try {
      await write(sinkTo(handle, options.signal));
      await handle.sync();
    } finally {
      await handle.close();
    }
    throwIfInterrupted(options.signal);
    await rename(temporary, target);
  });
}

/** Writes a small text file: `writeFileAtomic` for configurations and the like. */
export async function writeTextAtomic(path: string, text: string): Promise<void> {
  await writeFileAtomic(path, (sink) => sink.write(Buffer.from(text)));
}

/**
 * Builds the directory `path`: `write` fills an empty directory beside it, which then takes its name.
 * The files in it should themselves be flushed, as those of `writeFileAtomic` are.
 *
 * @param options.replace - whether a directory of that name that is not empty may be replaced
 * @throws LabError `bad_input` where the target exists and may not be replaced; else as `writeFileAtomic`
 */
export async function writeDirectoryAtomic(
  path: string,
  write: (directory: string) => Promise<void>,
  options: AtomicOptions & { replace?: boolean } = {},
): Promise<void> {
  const target = resolve(path);
  const existing = await describeTarget(target);
  if (existing === "file" || (existing === "full directory" && options.replace !== true))
    throw new LabError("bad_input", `${path} exists already`, {
      hint: "Choose another name, or remove it first.",
    });
  await replaceWhenDone(target, options, async (temporary) => {
    await mkdir(temporary);
    await write(temporary);
    await syncDirectory(temporary);
    throwIfInterrupted(options.signal);
    if (existing === "nothing") await rename(temporary, target);
    else await swapDirectories(temporary, target);
  });
}

/** Runs `write` with a temporary name beside `target` that is gone afterwards, however it ends. */
async function replaceWhenDone(
  target: string,
  { signal, sizeBytes }: AtomicOptions,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  throwIfInterrupted(signal);
  const parent = dirname(target);
  await requireSpace(parent, sizeBytes ?? 0);
  const temporary = temporaryName(target);
  removeAtExit(temporary);
  try {
    await write(temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw nameTarget(error, { temporary, target });
  } finally {
    unfinished.delete(temporary);
  }
  await syncDirectory(parent);
}

function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.part`);
}

function sinkTo(handle: FileHandle, signal: AbortSignal | undefined): FileSink {
  let position = 0;
  return {
    get position() {
      return position;
    },
    async write(bytes) {
      for (let done = 0; done < bytes.length;) {
        throwIfInterrupted(signal);
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
        done += bytesWritten;
        position += bytesWritten;
      }
    },
  };
}

async function requireSpace(directory: string, sizeBytes: number): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory() !== true)
    throw new LabError("not_found", `no such directory: ${directory}`, {
      hint: "Create it first.",
    });
  const { bavail, bsize, blocks } = await statfs(directory);
  const availableBytes = bavail * bsize;
  // Some network and virtual file systems report no size at all.
  if (blocks > 0 && availableBytes < sizeBytes)
    throw new LabError(
      "disk_full",
      `${sizeBytes} bytes do not fit into the ${availableBytes} that are free in ${directory}`,
      { hint: "Free some space, or write to another disk." },
    );
}

async function describeTarget(
  target: string,
): Promise<"nothing" | "file" | "empty directory" | "full directory"> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) return "nothing";
  if (!found.isDirectory()) return "file";
  return (await readdir(target)).length === 0 ? "empty directory" : "full directory";
}

/**
 * Puts `fresh` in the place of `target`, which steps aside first so that a failure can bring it back. Both renames
 * are synchronous: nothing of this process can come between them.
 */
async function swapDirectories(fresh: string, target: string): Promise<void> {
  const aside = temporaryName(target);
  renameSync(target, aside);
  try {
    renameSync(fresh, target);
  } catch (error) {
    renameSync(aside, target);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

/** Asks that the names in `directory` outlive a power cut. Not every system can; the files are complete either way. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** System errors about the temporary file, or about no file, are told of the name that people asked for. */
function nameTarget(
  error: unknown,
  { temporary, target }: { temporary: string; target: string },
): LabError {
  if (error instanceof Error && "syscall" in error) {
    const { path } = error as NodeJS.ErrnoException;
    if (path === undefined || path.startsWith(temporary)) Object.assign(error, { path: target });
  }
  return LabError.from(error);
}

const unfinished = new Set<string>();
let watchesExit = false;

function removeAtExit(path: string): void {
  unfinished.add(path);
  if (watchesExit) return;
  watchesExit = true;
  process.once("exit", () => {
    for (const left of unfinished) rmSync(left, { recursive: true, force: true });
  });
}

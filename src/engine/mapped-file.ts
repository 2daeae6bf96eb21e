/**
 * Files mapped into memory, read-only: weights are used where they lie, the operating system reads pages on demand
 * and several processes share them.
 */
import { statSync } from "node:fs";
import koffi, { type LibraryHandle } from "koffi";
import { LabError } from "../base/errors.ts";
import type { Pointer } from "./api.ts";

interface MappedRegion {
  pointer: Pointer;
  sizeBytes: number;
  /** Tells the system that these bytes will not be read again from memory soon; their pages may be dropped. */
  release: (offset: number, sizeBytes: number) => void;
  unmap: () => void;
}

export class MappedFile {
  readonly path: string;
  readonly sizeBytes: number;
  #region: MappedRegion | undefined;

  constructor(path: string) {
    this.path = path;
    this.sizeBytes = statSync(path).size;
    if (this.sizeBytes === 0) throw new LabError("corrupt_file", `${path} is empty`);
    this.#region =
      process.platform === "win32"
        ? mapOnWindows(path, this.sizeBytes)
        : mapOnPosix(path, this.sizeBytes);
  }

  #open(): MappedRegion {
    if (this.#region === undefined)
      throw new LabError("internal", `internal: ${this.path} used after it was unmapped`);
    return this.#region;
  }

  /** Address of the file's first byte. */
  get pointer(): Pointer {
    return this.#open().pointer;
  }

  /** The file's bytes `[offset, offset + sizeBytes)` without copying; valid until the file is disposed. */
  bytes(offset: number, sizeBytes: number): Uint8Array {
    if (offset < 0 || sizeBytes < 0 || offset + sizeBytes > this.sizeBytes)
      throw new LabError(
        "corrupt_file",
        `${this.path} has ${this.sizeBytes} bytes; ${offset}…${offset + sizeBytes} were asked for`,
      );
    return new Uint8Array(koffi.view(this.pointer + BigInt(offset), sizeBytes));
  }

  /** Lets go of the pages that lie wholly inside the range (they are read from disk again if needed). */
  release(offset: number, sizeBytes: number): void {
    this.#open().release(offset, sizeBytes);
  }

  [Symbol.dispose](): void {
    this.#region?.unmap();
    this.#region = undefined;
  }
}

const PROT_READ = 1;
const MAP_SHARED = 1;
const MADV_DONTNEED = 4;
/** The largest page of the systems on this architecture: 4 KiB on x64, up to 64 KiB on arm64. */
const PAGE = process.arch === "x64" ? 4096 : 65_536;

type NativeFunction = (...args: (number | bigint | string | null)[]) => bigint | number | null;
let posix: Record<"open" | "close" | "mmap" | "munmap" | "madvise", NativeFunction> | undefined;

function posixFunctions(): NonNullable<typeof posix> {
  if (posix !== undefined) return posix;
  const libc: LibraryHandle = koffi.load(
    process.platform === "darwin" ? "libSystem.dylib" : "libc.so.6",
  );
  posix = {
    open: libc.func("open", "int", ["str", "int"]) as NativeFunction,
    close: libc.func("close", "int", ["int"]) as NativeFunction,
    mmap: libc.func("mmap", "intptr_t", [
      "void *",
      "size_t",
      "int",
      "int",
      "int",
      "int64_t",
    ]) as NativeFunction,
    munmap: libc.func("munmap", "int", ["void *", "size_t"]) as NativeFunction,
    madvise: libc.func("madvise", "int", ["void *", "size_t", "int"]) as NativeFunction,
  };
  return posix;
}

function mapOnPosix(path: string, sizeBytes: number): MappedRegion {
  const { open, close, mmap, munmap, madvise } = posixFunctions();
  const fd = Number(open(path, 0));
  if (fd < 0) throw new LabError("bad_input", `cannot open ${path}`);
  const address = BigInt(mmap(null, sizeBytes, PROT_READ, MAP_SHARED, fd, 0) ?? -1);
  close(fd);
  if (address === -1n)
    throw new LabError("out_of_memory", `cannot map ${path} (${sizeBytes} bytes) into memory`);
  return {
    pointer: address,
    sizeBytes,
    release: (offset, bytes) => {
      const first = Math.ceil(offset / PAGE) * PAGE;
      const last = Math.floor((offset + bytes) / PAGE) * PAGE;
      if (last > first) madvise(address + BigInt(first), last - first, MADV_DONTNEED);
    },
    unmap: () => munmap(address, sizeBytes),
  };
}

const GENERIC_READ = 0x80000000;
const FILE_SHARE_READ = 1;
const OPEN_EXISTING = 3;
const PAGE_READONLY = 2;
const FILE_MAP_READ = 4;

function mapOnWindows(path: string, sizeBytes: number): MappedRegion {
  const kernel = koffi.load("kernel32.dll");
  const close = kernel.func("CloseHandle", "bool", ["intptr_t"]);
  const file = kernel.func("CreateFileW", "intptr_t", [
    "str16",
    "uint32_t",
    "uint32_t",
    "void *",
    "uint32_t",
    "uint32_t",
    "void *",
  ])(path, GENERIC_READ, FILE_SHARE_READ, null, OPEN_EXISTING, 0, null) as number;
  if (Number(file) === -1) throw new LabError("bad_input", `cannot open ${path}`);
  const mapping = kernel.func("CreateFileMappingW", "intptr_t", [
    "intptr_t",
    "void *",
    "uint32_t",
    "uint32_t",
    "uint32_t",
    "void *",
  ])(file, null, PAGE_READONLY, 0, 0, null) as number;
  close(file);
  const view = kernel.func("MapViewOfFile", "void *", [
    "intptr_t",
    "uint32_t",
    "uint32_t",
    "uint32_t",
    "size_t",
  ])(mapping, FILE_MAP_READ, 0, 0, 0) as Pointer | null;
  close(mapping);
  if (view === null)
    throw new LabError("out_of_memory", `cannot map ${path} (${sizeBytes} bytes) into memory`);
  const unmap = kernel.func("UnmapViewOfFile", "bool", ["void *"]);
  return { pointer: view, sizeBytes, release: () => undefined, unmap: () => void unmap(view) };
}

/**
 * Memory for machine code, which is never writable and executable at once: pages are mapped, filled, and only then made
 * executable and read-only for good.
 */
import koffi, { type LibraryHandle } from "koffi";

type NativeFunction = (...args: (number | bigint | Uint8Array | null)[]) => bigint | number;

interface PageFunctions {
  /** Fresh writable pages; 0 where the system refuses. */
  map: (sizeBytes: number) => bigint;
  copy: (to: bigint, code: Uint8Array) => void;
  /** Whether the system agreed. */
  makeExecutable: (address: bigint, sizeBytes: number) => boolean;
}

const PAGE_BYTES = 4096;

/** Address of a copy of `code` that can be called; undefined where the system refuses executable memory. It stays for good. */
export function executableCopy(code: Uint8Array): bigint | undefined {
  functions ??= process.platform === "win32" ? windowsFunctions() : posixFunctions();
  const sizeBytes = Math.ceil(code.length / PAGE_BYTES) * PAGE_BYTES;
  const address = functions.map(sizeBytes);
  if (address === 0n) return undefined;
  functions.copy(address, code);
  return functions.makeExecutable(address, sizeBytes) ? address : undefined;
}

let functions: PageFunctions | undefined;

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = process.platform === "darwin" ? 0x1000 : 0x20;

function posixFunctions(): PageFunctions {
  const libc = koffi.load(process.platform === "darwin" ? "libSystem.dylib" : "libc.so.6");
  const mmap = libc.func("mmap", "intptr_t", [
    "void *",
    "size_t",
    "int",
    "int",
    "int",
    "int64_t",
  ]) as NativeFunction;
  const mprotect = libc.func("mprotect", "int", ["void *", "size_t", "int"]) as NativeFunction;
  return {
    map: (sizeBytes) => {
      const flags = MAP_PRIVATE | MAP_ANONYMOUS;
      const address = BigInt(mmap(null, sizeBytes, PROT_READ | PROT_WRITE, flags, -1, 0));
      return address === -1n ? 0n : address;
    },
    copy: copyWith(libc, "memcpy"),
    makeExecutable: (address, sizeBytes) =>
      mprotect(address, sizeBytes, PROT_READ | PROT_EXEC) === 0,
  };
}

const MEM_COMMIT_AND_RESERVE = 0x3000;
const PAGE_READWRITE = 4;
const PAGE_EXECUTE_READ = 0x20;

function windowsFunctions(): PageFunctions {
  const kernel = koffi.load("kernel32.dll");
  const alloc = kernel.func("VirtualAlloc", "intptr_t", [
    "void *",
    "size_t",
    "uint32_t",
    "uint32_t",
  ]) as NativeFunction;
  const protect = kernel.func("VirtualProtect", "bool", [
    "void *",
    "size_t",
    "uint32_t",
    "void *",
  ]) as unknown as (...args: (number | bigint | Uint8Array)[]) => boolean;
  return {
    map: (sizeBytes) => BigInt(alloc(null, sizeBytes, MEM_COMMIT_AND_RESERVE, PAGE_READWRITE)),
    copy: copyWith(kernel, "RtlMoveMemory"),
    makeExecutable: (address, sizeBytes) =>
      protect(address, sizeBytes, PAGE_EXECUTE_READ, new Uint8Array(4)),
  };
}

function copyWith(library: LibraryHandle, name: string): PageFunctions["copy"] {
  const copy = library.func(name, "void", ["void *", "void *", "size_t"]) as NativeFunction;
  return (to, code) => {
    copy(to, code, code.length);
  };
}

/** For Linux on x86-64: a module that makes the process it is loaded into (`node --import`) unable to get executable memory. */
import { pathToFileURL } from "node:url";
import path from "node:path";
import { PACKAGE_ROOT } from "../../src/base/package.ts";

const ALLOW = 0x7fff0000;
const REFUSE_WITH_EPERM = 0x00050001;
const [LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN] = [0x20, 0x15, 0x45, 0x06];
const MPROTECT = 10;
const PROT_EXEC = 4;
/** Offsets in `struct seccomp_data`: the number of the system call, and its third argument. */
const [NUMBER, PROTECTION] = [0, 32];

/** A filter of system calls (`man 2 seccomp`): code, jumps when true and false, operand. */
const FILTER = [
  [LOAD, 0, 0, NUMBER],
  [JUMP_IF_EQUAL, 0, 3, MPROTECT],
  [LOAD, 0, 0, PROTECTION],
  [JUMP_IF_SET, 0, 1, PROT_EXEC],
  [RETURN, 0, 0, REFUSE_WITH_EPERM],
  [RETURN, 0, 0, ALLOW],
] as const;

/** Node's arguments; the process must do without compiled JavaScript, which is executable memory, too. */
export function refusingExecutableMemory(): string[] {
  const bytes = Buffer.alloc(8 * FILTER.length);
  FILTER.forEach(([code, whenTrue, whenFalse, operand], i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(whenTrue, 8 * i + 2);
    bytes.writeUInt8(whenFalse, 8 * i + 3);
    bytes.writeUInt32LE(operand, 8 * i + 4);
  });
  const source = `
    import { createRequire } from "node:module";
    const koffi = createRequire(${JSON.stringify(pathToFileURL(path.join(PACKAGE_ROOT, "package.json")).href)})("koffi");
    const libc = koffi.load("libc.so.6");
    const long = "unsigned long";
    const set = libc.func("prctl", "int", ["int", long, long, long, long]);
    const install = libc.func("prctl", "int", ["int", long, "void *", long, long]);
    const filter = Buffer.from(${JSON.stringify(bytes.toString("base64"))}, "base64");
    const program = Buffer.alloc(16);
    program.writeUInt16LE(${FILTER.length}, 0);
    program.writeBigUInt64LE(koffi.address(filter), 8);
    if (set(38, 1, 0, 0, 0) !== 0 || install(22, 2, program, 0, 0) !== 0)
      throw new Error("the system takes no filter");`;
  return ["--jitless", "--import", `data:text/javascript,${encodeURIComponent(source)}`];
}

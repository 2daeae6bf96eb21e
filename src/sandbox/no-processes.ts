/**
 * A filter of system calls (seccomp, classic BPF) that lets a program start threads but no processes. Resource limits do
 * not: they count for a user, and not for root.
 */
import { LabError } from "../base/errors.ts";

const [LOAD, JUMP_EQUAL, JUMP_SET, RETURN] = [0x20, 0x15, 0x45, 0x06];
const ALLOW = 0x7fff_0000;
/** EPERM for a process; ENOSYS for clone3, whose flags a filter cannot see: libraries then use clone. */
const [NOT_PERMITTED, NOT_THERE] = [0x0005_0001, 0x0005_0026];
const CLONE_THREAD = 0x0001_0000;
/** Places in `struct seccomp_data`. */
const [NUMBER, ARCHITECTURE, FIRST_ARGUMENT] = [0, 4, 16];

interface Calls {
  audit: number;
  clone: number;
  clone3: number;
  /** Calls that only make processes. */
  forks: readonly number[];
}

const CALLS: Partial<Record<NodeJS.Architecture, Calls>> = {
  x64: { audit: 0xc000_003e, clone: 56, clone3: 435, forks: [57, 58] },
  arm64: { audit: 0xc000_00b7, clone: 220, clone3: 435, forks: [] },
};

/** The filter's bytes, as bubblewrap's `--seccomp` reads them. Throws `unsupported` on another processor. */
export function noProcesses(): Buffer {
  const calls = CALLS[process.arch];
  if (calls === undefined)
    throw new LabError("unsupported", `no filter of system calls is known for ${process.arch}`, {
      hint: "Use the sandbox that comes with philab.",
    });
  const { audit, clone, clone3, forks } = calls;
  // [code, jump where true, jump where false, operand]; jumps count instructions that are left out
  const program: [code: number, yes: number, no: number, operand: number][] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, audit],
    [RETURN, 0, 0, NOT_PERMITTED], // calls of another architecture have other numbers
    [LOAD, 0, 0, NUMBER],
    ...forks.flatMap((call): [number, number, number, number][] => [
      [JUMP_EQUAL, 0, 1, call],
      [RETURN, 0, 0, NOT_PERMITTED],
    ]),
    [JUMP_EQUAL, 0, 1, clone3],
    [RETURN, 0, 0, NOT_THERE],
    [JUMP_EQUAL, 1, 0, clone],
    [RETURN, 0, 0, ALLOW],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    [JUMP_SET, 0, 1, CLONE_THREAD],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, NOT_PERMITTED],
  ];
  const bytes = Buffer.alloc(8 * program.length);
  program.forEach(([code, yes, no, operand], i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(yes, 8 * i + 2);
    bytes.writeUInt8(no, 8 * i + 3);
    bytes.writeUInt32LE(operand, 8 * i + 4);
  });
  return bytes;
}

/** What this processor can do, asked with its own instruction (CPUID), which an assembled function calls. */
import koffi from "koffi";
import { Assembler } from "./assembler.ts";
import { executableCopy } from "./executable-memory.ts";
import { CONVENTION } from "./frame.ts";
import { r8, rcx, rdi, rbx, type General } from "./operands.ts";

/** Instruction sets, as Linux names them, that the processor has and the operating system lets programs use. */
export type CpuFeature = keyof typeof BITS;

/** Where CPUID reports a feature (Intel SDM vol. 2A, CPUID), and the register state that the system must save for it. */
const BITS = {
  fma: { leaf: 1, register: "ecx", bit: 12, state: "avx" },
  f16c: { leaf: 1, register: "ecx", bit: 29, state: "avx" },
  avx2: { leaf: 7, register: "ebx", bit: 5, state: "avx" },
  avx512f: { leaf: 7, register: "ebx", bit: 16, state: "avx512" },
  avx512bw: { leaf: 7, register: "ebx", bit: 30, state: "avx512" },
  avx512vl: { leaf: 7, register: "ebx", bit: 31, state: "avx512" },
  avx512_vnni: { leaf: 7, register: "ecx", bit: 11, state: "avx512" },
  avx512_bf16: { leaf: "7.1", register: "eax", bit: 5, state: "avx512" },
} as const;

/** Bits of XCR0: xmm and ymm; and mask registers and both halves of zmm besides. */
const STATES = { avx: 0x06, avx512: 0xe6 } as const;
const OSXSAVE_BIT = 27;

interface Registers {
  eax: number;
  ebx: number;
  ecx: number;
}

/** The features of this processor; undefined where assembled code cannot run: another architecture, or a system that forbids it. */
export function detectFeatures(): ReadonlySet<CpuFeature> | undefined {
  if (process.arch !== "x64") return undefined;
  const cpuid = nativeQuery([0x0f, 0xa2]);
  const xgetbv = nativeQuery([0x0f, 0x01, 0xd0]);
  if (cpuid === undefined || xgetbv === undefined) return undefined;
  const none: Registers = { eax: 0, ebx: 0, ecx: 0 };
  const seventh = cpuid(0).eax >= 7 ? cpuid(7) : none; // eax: its last subleaf
  const leaves = { 1: cpuid(1), 7: seventh, "7.1": seventh.eax >= 1 ? cpuid(7, 1) : none };
  const enabled = (leaves[1].ecx >>> OSXSAVE_BIT) & 1 ? xgetbv(0).eax : 0;
  const names = Object.keys(BITS) as CpuFeature[];
  return new Set(
    names.filter((name) => {
      const { leaf, register, bit, state } = BITS[name];
      const wanted = STATES[state];
      return (leaves[leaf][register] >>> bit) & 1 && (enabled & wanted) === wanted;
    }),
  );
}

/** A function that runs one instruction with numbers in eax and ecx, and tells what it left in eax, ebx, ecx. */
function nativeQuery(
  instruction: readonly number[],
): ((eax: number, ecx?: number) => Registers) | undefined {
  const out: General = CONVENTION === "windows" ? rcx : rdi;
  const a = new Assembler();
  a.push(rbx);
  a.mov(r8, out);
  a.raw([0x41, 0x8b, 0x00]); // mov eax, [r8]
  a.raw([0x41, 0x8b, 0x48, 0x08]); // mov ecx, [r8 + 8]
  a.raw(instruction);
  a.raw([0x41, 0x89, 0x00]); // mov [r8], eax
  a.raw([0x41, 0x89, 0x58, 0x04]); // mov [r8 + 4], ebx
  a.raw([0x41, 0x89, 0x48, 0x08]); // mov [r8 + 8], ecx
  a.pop(rbx);
  a.ret();
  const address = executableCopy(a.finish());
  if (address === undefined) return undefined;
  const call = koffi.decode(address, koffi.proto("void", ["void *"])) as (
    values: Uint32Array,
  ) => void;
  return (eax, ecx = 0) => {
    const values = Uint32Array.of(eax, 0, ecx);
    call(values);
    return { eax: values[0] ?? 0, ebx: values[1] ?? 0, ecx: values[2] ?? 0 };
  };
}

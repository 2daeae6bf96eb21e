import koffi from "koffi";
import { describe, expect, it } from "vitest";
import { readFixture } from "../../test/support/golden.ts";
import { Assembler } from "./assembler.ts";
import { executableCopy } from "./executable-memory.ts";
import { CONVENTION } from "./frame.ts";
import {
  broadcast,
  indexed,
  masked,
  mem,
  r10,
  r11,
  r12,
  r13,
  r8,
  r9,
  rax,
  rbp,
  rcx,
  rdi,
  rdx,
  rsp,
  xmm,
  ymm,
  zmm,
  type General,
  type Memory,
  type Vector,
} from "./operands.ts";
import type { VectorInstructions } from "./vector-instructions.ts";

/** What binutils' assembler makes of a line (`reference/encodings.py`). */
const expected = readFixture<Record<string, string>>("x86-encodings.json");

const NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");

type Operand = General | Vector | Memory | number;

/** An operand in Intel's syntax; the width of memory follows from the other operands, but where one value is broadcast. */
function intel(operand: Operand): string {
  if (typeof operand === "number") return String(operand);
  if (operand.kind === "general") return NAMES[operand.index] ?? "?";
  const mask = operand.mask === undefined ? "" : `{k${operand.mask}}`;
  if (operand.kind === "vector") {
    const name = { 16: "xmm", 32: "ymm", 64: "zmm" }[operand.sizeBytes];
    return `${name}${operand.index}${mask}${operand.zeroing === true ? "{z}" : ""}`;
  }
  const { base, index, scale, displacement } = operand;
  const parts = [NAMES[base.index] ?? "?"];
  if (index !== undefined) parts.push(`${intel(index)}*${scale}`);
  const sign = displacement < 0 ? "-" : "+";
  const far = displacement === 0 ? "" : `${sign}${Math.abs(displacement)}`;
  const address = `[${parts.join("+")}${far}]`;
  return operand.broadcast ? `dword ptr ${address}{1to16}` : `${address}${mask}`;
}

interface Case {
  text: string;
  code: string;
}

function assembled(name: string, operands: readonly Operand[], emit: (a: Assembler) => void): Case {
  const a = new Assembler();
  emit(a);
  return {
    text: [name, operands.map(intel).join(", ")].join(" ").trim(),
    code: Buffer.from(a.finish()).toString("hex"),
  };
}

const PLACES = [
  mem(rax),
  mem(rsp, 8),
  mem(rbp),
  mem(r12, 64),
  mem(r13, -128),
  mem(rdi, 4096),
  mem(r9, 100),
  indexed(rcx, r10, { scale: 4, displacement: 16 }),
];

function vectorCases(): Case[] {
  const cases: Case[] = [];
  const add = (
    name: keyof VectorInstructions,
    operands: readonly Operand[],
    title: string = name,
  ): void => {
    cases.push(
      assembled(title, operands, (a) => {
        (a.v[name] as (...list: readonly Operand[]) => void)(...operands);
      }),
    );
  };
  const registers: Vector[][] = [
    [zmm(0), zmm(1), zmm(2)],
    [zmm(31), zmm(17), zmm(8)],
    [zmm(9), zmm(14), zmm(22)],
  ];
  const narrow: Vector[][] = [
    [ymm(0), ymm(1), ymm(2)],
    [ymm(9), ymm(15), ymm(10)],
    [xmm(3), xmm(4), xmm(12)],
  ];
  const both = [
    "vaddps",
    "vmulps",
    "vmaxps",
    "vminps",
    "vdivps",
    "vsubps",
    "vfmadd213ps",
    "vfmadd231ps",
    "vfnmadd231ps",
    "vunpcklps",
    "vunpckhps",
    "vunpcklpd",
    "vunpckhpd",
    "vpaddd",
    "vpmulld",
  ] as const;
  const wide = [
    "vscalefps",
    "vpsubd",
    "vpmaxud",
    "vpandd",
    "vpord",
    "vpxord",
    "vpermd",
    "vpdpbusd",
    "vdpbf16ps",
  ] as const;
  for (const name of [...both, ...wide]) {
    for (const [to, x, y] of registers as [Vector, Vector, Vector][]) add(name, [to, x, y]);
    for (const place of PLACES) add(name, [zmm(5), zmm(20), place]);
    add(name, [masked(zmm(7), 3, { zeroing: true }), zmm(8), zmm(9)]);
    add(name, [masked(zmm(7), 1), zmm(8), mem(rax, 128)]);
  }
  const vexOnly = [
    "vxorps",
    "vpaddw",
    "vpand",
    "vpor",
    "vpxor",
    "vpmaddubsw",
    "vpmaddwd",
    "vpsignb",
    "vpackssdw",
    "vpacksswb",
    "vpackusdw",
  ] as const;
  for (const name of [...both, ...vexOnly]) {
    for (const [to, x, y] of narrow as [Vector, Vector, Vector][]) add(name, [to, x, y]);
    for (const place of PLACES) add(name, [ymm(5), ymm(11), place]);
  }
  for (const name of ["vfmadd231ps", "vmulps", "vpdpbusd", "vpandd"] as const)
    for (const [base, far] of [
      [rax, 0],
      [r9, 4],
      [rdx, 508],
      [r13, 512],
    ] as const)
      add(name, [zmm(3), zmm(19), broadcast(base, far)]);
  for (const [to, x, y] of narrow as [Vector, Vector, Vector][]) {
    add("vshufps", [to, x, y, 0x4e]);
    add("vpsrlw", [to, x, 4]);
    add("vpsllw", [to, y, 2]);
    add("vpsrld", [to, x, 16]);
    add("vpsrad", [to, x, 24]);
    add("vpslld", [to, y, 8]);
  }
  for (const [to, x, y] of registers as [Vector, Vector, Vector][]) {
    add("vshufps", [to, x, y, 0x4e]);
    add("vshuff32x4", [to, x, y, 0xdd]);
    add("vpternlogd", [to, x, y, 0xf8]);
    add("vpsrlw", [to, x, 4]);
    add("vpsllw", [to, y, 2]);
    add("vpsrld", [to, x, 16]);
    add("vpsrad", [to, x, 24]);
    add("vpslld", [to, y, 8]);
  }
  add("vinserti32x4", [zmm(3), zmm(19), mem(r9, 160), 3]);
  add("vinserti32x4", [zmm(21), zmm(2), mem(rsp, 100), 1]);
  for (const place of PLACES) {
    add("vinserti128", [ymm(3), ymm(11), place, 1]);
    add("vpinsrw", [xmm(3), xmm(11), place, 5]);
    add("vpabsb", [ymm(12), place]);
    add("vpermd", [ymm(5), ymm(11), place]);
    add("vmovss", [place, xmm(9)]);
    add("vcvtph2ps", [ymm(9), place]);
  }
  add("vpermd", [ymm(9), ymm(15), ymm(10)]);
  add("vpermq", [ymm(9), ymm(3), 0x08]);
  add("vpermq", [ymm(1), ymm(12), 0x4e]);
  add("vperm2f128", [ymm(1), ymm(9), ymm(12), 0x31]);
  for (const name of ["vmovups", "vcvtdq2ps", "vcvtps2dq", "vsqrtps"] as const)
    for (const place of PLACES) {
      add(name, [zmm(18), place]);
      add(name, [ymm(6), place]);
    }
  for (const name of ["vbroadcastss", "vpbroadcastd"] as const)
    for (const place of [mem(rax), mem(r12, 4), mem(rbp, 508), mem(rcx, 512)]) {
      add(name, [zmm(27), place]);
      add(name, [ymm(14), place]);
    }
  for (const name of ["vcvtph2ps", "vpmovzxbd", "vpmovsxbd"] as const)
    for (const place of [mem(rdx), mem(r8, 32), mem(r8, 16), mem(rsp, 24)])
      add(name, [zmm(24), place]);
  add("vmovups", [masked(zmm(4), 2, { zeroing: true }), mem(rcx, 64)]);
  for (const place of PLACES) {
    add("vstoreups", [place, zmm(21)], "vmovups");
    add("vstoreups", [place, ymm(13)], "vmovups");
    add("vpmovdw", [place, zmm(30)]);
    add("vpmovdb", [place, zmm(2)]);
  }
  add("vstoreups", [masked(mem(rbp, 128), 1), zmm(3)], "vmovups");
  add("vmaskmovps", [ymm(3), ymm(15), mem(rcx, 32)]);
  add("vmaskstoreps", [mem(r11, 96), ymm(15), ymm(8)], "vmaskmovps");
  const gathered = [
    indexed(rcx, zmm(31), { scale: 1, displacement: 4 }),
    indexed(r9, zmm(12), { scale: 8, displacement: 100 }),
  ];
  for (const place of gathered) add("vpgatherdd", [masked(zmm(6), 2), place]);
  add("vpsrlw", [zmm(3), mem(rdx, 64), 4]);
  add("vmovups", [masked(zmm(6), 1, { zeroing: true }), zmm(18)]);
  add("vpmovdw", [ymm(3), zmm(17)]);
  add("vpmovdb", [xmm(9), zmm(5)]);
  add("vcvtph2ps", [zmm(18), ymm(4)]);
  cases.push(
    assembled("vpbroadcastd zmm20, ecx", [], (a) => {
      a.v.vpbroadcastdFrom(zmm(20), rcx);
    }),
  );
  cases.push(
    assembled("vpcmpud k1, zmm3, zmm17, 5", [], (a) => {
      a.v.vpcmpud(1, zmm(3), zmm(17), 5);
    }),
    assembled("vpcmpud k2, zmm20, [rax], 1", [], (a) => {
      a.v.vpcmpud(2, zmm(20), mem(rax), 1);
    }),
  );
  add("vzeroupper", []);
  cases.push(
    assembled("kmovw k2, eax", [], (a) => {
      a.v.kmovw(2, rax);
    }),
  );
  return cases;
}

function generalCases(): Case[] {
  const cases: Case[] = [];
  const add = (
    name: "mov" | "add" | "sub" | "and" | "cmp",
    to: General,
    from: General | number,
  ): void => {
    cases.push(
      assembled(name, [to, from], (a) => {
        a[name](to, from);
      }),
    );
  };
  for (const name of ["mov", "add", "sub", "and", "cmp"] as const)
    for (const to of [rcx, r12, rbp]) {
      for (const from of [rdx, r9]) add(name, to, from);
      for (const from of [5, -1, 1000, -70_000]) add(name, to, from);
    }
  for (const place of PLACES) {
    cases.push(
      assembled("mov", [rdx, place], (a) => {
        a.mov(rdx, place);
      }),
      assembled("mov", [place, r11], (a) => {
        a.store(place, r11);
      }),
      assembled("lea", [r8, place], (a) => {
        a.lea(r8, place);
      }),
      assembled("add", [r8, place], (a) => {
        a.add(r8, place);
      }),
      assembled("cmp", [rcx, place], (a) => {
        a.cmp(rcx, place);
      }),
      assembled("prefetcht0", [place], (a) => {
        a.prefetch(place);
      }),
      assembled("prefetcht1", [place], (a) => {
        a.prefetch(place, 2);
      }),
    );
  }
  cases.push(
    assembled("imul", [rdx, r9, 1000], (a) => {
      a.imul(rdx, r9, 1000);
    }),
    assembled("imul", [r10, rcx], (a) => {
      a.imul(r10, rcx);
    }),
    assembled("imul", [rdx, mem(rsp, 8)], (a) => {
      a.imul(rdx, mem(rsp, 8));
    }),
    assembled("div", [r9], (a) => {
      a.div(r9);
    }),
    assembled("movsxd rax, esi", [], (a) => {
      a.movsxd(rax, { kind: "general", index: 6 });
    }),
    assembled("push", [r12], (a) => {
      a.push(r12);
    }),
    assembled("pop", [rbp], (a) => {
      a.pop(rbp);
    }),
    assembled("ret", [], (a) => {
      a.ret();
    }),
  );
  return cases;
}

describe("the assembler", () => {
  const cases = [...vectorCases(), ...generalCases()];

  it("encodes every instruction as binutils does", () => {
    const found = Object.fromEntries(cases.map(({ text, code }) => [text, code]));
    expect(found).toEqual(expected);
  });

  it("sends jumps to labels before and after them", () => {
    if (process.arch !== "x64") return;
    // The sum of 1 … n: n arrives in the first argument.
    const a = new Assembler();
    const n = CONVENTION === "windows" ? rcx : rdi;
    a.mov(rax, 0);
    const end = a.label();
    const loop = a.here();
    a.cmp(n, 0);
    a.jumpIf("equal", end);
    a.add(rax, n);
    a.sub(n, 1);
    a.jump(loop);
    a.bind(end);
    a.ret();
    const address = executableCopy(a.finish());
    if (address === undefined) return; // a system that forbids it
    const sum = koffi.decode(address, koffi.proto("int64_t", ["int64_t"])) as (n: number) => number;
    expect([0, 1, 10, 1000].map((count) => Number(sum(count)))).toEqual([0, 1, 55, 500_500]);
  });
});

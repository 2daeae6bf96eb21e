/**
 * The first half of the f32 product where b is packed quantised weights (`weight-formats.ts`), read along their rows instead of
 * across: y = x · w. Decodes a panel of w, up to `kc` rows deep and `columns` of their values wide, to f32 in the order in which the tile reads it.
 *
 * Of each group of 16 rows a block reader (`quantized-blocks.ts`) gives 32 values at a time, four of 16 rows in a vector. Turned
 * within their quarters and stored, 16 neighbouring bytes are 16 neighbouring values of a row, which become floats:
 *
 *   w = scale · u − minimum,    minimum = scale · offset where the type has none of its own
 *
 * | register | holds |
 * |---|---|
 * | rdx | the packed block |
 * | rcx | where its first row goes |
 * | r8 | rows left |
 * | rbp | which of the panels of a packed block this is |
 * | r10, r11 | rows in this step, the panel |
 * | vectors 0 … 15 | `quantized-blocks.ts` |
 * | 16 … 31 | the square as it is turned |
 * | 10, 11 | a row's values, its scale |
 */
import type { Assembler } from "./assembler.ts";
import type { ProductShape } from "./f32-shape.ts";
import { setLanes } from "./exponential.ts";
import { broadcast, mem, r10, r11, r8, rbp, rcx, rdx, rsp, zmm } from "./operands.ts";
import { BLOCK_READERS, packedBlockBytes, READER_LOCAL_BYTES } from "./quantized-blocks.ts";
import { GROUP_ROWS, WEIGHT_FORMATS, type WeightType } from "./weight-formats.ts";

const VECTOR_BYTES = 64;
const PART_COLUMNS = 32;
const OFFSETS = { minus128: 128, minus8: 8, minus32: 32 } as const;

/** Stack space behind the reader's: the turned bytes, then scales and minima of both halves. */
const TURNED = READER_LOCAL_BYTES;
const SCALES = TURNED + 8 * VECTOR_BYTES;
const LOCAL_BYTES = SCALES + 4 * VECTOR_BYTES;

/** How many panels of `columns` share a packed block. */
export function panelsPerBlock(type: WeightType, columns: number): number {
  return Math.max(1, WEIGHT_FORMATS[type].blockSize / columns);
}

/** Decodes from rcx, the panel's place in the group's block rbp panels after the block's start. */
export function decodePanel(
  a: Assembler,
  { b, columns: k }: ProductShape,
  { type, columns }: { type: WeightType; columns: number },
): void {
  const reader = BLOCK_READERS[type];
  const groupBytes = GROUP_ROWS * b.innerStride;
  const panels = Math.min(panelsPerBlock(type, columns), k / columns);
  const parts = columns / PART_COLUMNS;
  const rowBytes = (columns / 16) * VECTOR_BYTES;
  a.sub(rsp, LOCAL_BYTES);
  reader.prepare(a);
  a.mov(rdx, rcx);
  a.mov(rcx, r11);
  a.mov(r8, r10);
  const end = a.label();
  for (let panel = 0; panel < panels; panel++) {
    const next = a.label();
    if (panel < panels - 1) {
      a.cmp(rbp, panel);
      a.jumpIf("notEqual", next);
    }
    a.sub(rdx, panel * columns * b.columnStride);
    const groups = a.here();
    decodeGroup(a, type, { first: panel * parts, parts, rowBytes });
    a.add(rdx, groupBytes);
    a.add(rcx, GROUP_ROWS * rowBytes);
    a.sub(r8, GROUP_ROWS);
    a.jumpIf("notEqual", groups);
    a.jump(end);
    a.bind(next);
  }
  a.bind(end);
  a.add(rsp, LOCAL_BYTES);
}

/** `parts` times 32 columns of 16 rows; where a packed block holds 32, each part is a block of its own. */
function decodeGroup(
  a: Assembler,
  type: WeightType,
  { first, parts, rowBytes }: { first: number; parts: number; rowBytes: number },
): void {
  const reader = BLOCK_READERS[type];
  const blockBytes = packedBlockBytes(type);
  const isSplit = reader.parts === 1;
  reader.begin(a);
  for (let part = 0; part < parts; part++) {
    reader.load(a, isSplit ? 0 : first + part);
    turnBytes(a);
    storeScales(a, reader.correction);
    for (let row = 0; row < GROUP_ROWS; row++)
      for (let half = 0; half < 2; half++) {
        const [values, scale] = [zmm(10), zmm(11)];
        const at = TURNED + 4 * VECTOR_BYTES * half + VECTOR_BYTES * (row % 4) + 16 * (row >> 2);
        const scales = SCALES + 2 * VECTOR_BYTES * half + 4 * row;
        a.v.vpmovzxbd(values, mem(rsp, at));
        a.v.vcvtdq2ps(values, values);
        a.v.vbroadcastss(scale, mem(rsp, scales));
        a.v.vfmadd213ps(values, scale, broadcast(rsp, scales + VECTOR_BYTES));
        const column = VECTOR_BYTES * (2 * part + half);
        a.v.vstoreups(mem(rcx, row * rowBytes + column), values);
      }
    if (isSplit && part < parts - 1) a.add(rdx, blockBytes);
  }
  if (isSplit) a.sub(rdx, (parts - 1) * blockBytes);
}

/** Stores the bytes of row 4l + c as 16 at (64c + 16l), the second half of each row four vectors further. */
function turnBytes(a: Assembler): void {
  const [pairs, fours] = [(i: number) => zmm(16 + i), (i: number) => zmm(24 + i)];
  for (let i = 0; i < 8; i += 2) {
    a.v.vunpcklps(pairs(i), zmm(i), zmm(i + 1));
    a.v.vunpckhps(pairs(i + 1), zmm(i), zmm(i + 1));
  }
  for (let half = 0; half < 8; half += 4)
    for (let high = 0; high < 2; high++) {
      a.v.vunpcklpd(fours(half + 2 * high), pairs(half + high), pairs(half + high + 2));
      a.v.vunpckhpd(fours(half + 2 * high + 1), pairs(half + high), pairs(half + high + 2));
    }
  for (let i = 0; i < 8; i++) a.v.vstoreups(mem(rsp, TURNED + VECTOR_BYTES * i), fours(i));
}

/** Scales and negative minima of both halves. */
function storeScales(a: Assembler, correction: keyof typeof OFFSETS | "minimum"): void {
  const [scale, second, negative, offset] = [zmm(8), zmm(9), zmm(10), zmm(11)];
  const halves = correction === "minus32" ? [scale, second] : [scale, scale];
  if (correction === "minimum") {
    a.v.vpxord(negative, negative, negative);
    a.v.vsubps(negative, negative, second);
  } else setLanes(a, offset, -OFFSETS[correction]);
  halves.forEach((factors, half) => {
    if (correction !== "minimum") a.v.vmulps(negative, factors, offset);
    const at = SCALES + 2 * VECTOR_BYTES * half;
    a.v.vstoreups(mem(rsp, at), factors);
    a.v.vstoreups(mem(rsp, at + VECTOR_BYTES), negative);
  });
}

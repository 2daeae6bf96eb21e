/** Reads bzip2, which Node does not: some benchmark files come in it. After Seward's format, as in micro-bunzip. */
import { LabError } from "../../base/errors.ts";

const [RUN_A, RUN_B] = [0, 1];
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

/** Throws `corrupt_file`. */
export function bunzip(bytes: Uint8Array): Buffer {
  const bits = new Bits(bytes);
  if (bits.read(16) !== 0x425a || bits.read(8) !== 0x68) throw damaged("no bzip2 file");
  const limit = 100_000 * (bits.read(8) - 0x30);
  const pieces: Buffer[] = [];
  for (;;) {
    const magic = [bits.read(24), bits.read(24)];
    bits.read(16);
    bits.read(16); // the checksum: a damaged file is found by what it would decode to
    if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) return Buffer.concat(pieces);
    if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1]) throw damaged("a bad block");
    pieces.push(readBlock(bits, limit));
  }
}

function readBlock(bits: Bits, limit: number): Buffer {
  if (bits.read(1) === 1) throw damaged("a block of the old, randomised kind");
  const origin = bits.read(24);
  const used: number[] = [];
  const rows = bits.read(16);
  for (let i = 0; i < 16; i++) {
    if (((rows >> (15 - i)) & 1) === 0) continue;
    const row = bits.read(16);
    for (let j = 0; j < 16; j++) if (((row >> (15 - j)) & 1) === 1) used.push(16 * i + j);
  }
  const symbols = moveToFront(bits, used, limit);
  return undoRuns(undoSort(symbols, origin));
}

/** Huffman codes, then places in a list whose last used value moves to the front. */
function moveToFront(bits: Bits, used: number[], limit: number): Uint8Array {
  const alphabet = used.length + 2;
  const groups = bits.read(3);
  const selectorCount = bits.read(15);
  if (groups < 2 || groups > 6 || selectorCount === 0) throw damaged("bad code tables");
  const recent = Array.from({ length: groups }, (_, i) => i);
  const selectors = Array.from({ length: selectorCount }, () => {
    let place = 0;
    while (bits.read(1) === 1) if (++place >= groups) throw damaged("a bad selector");
    const [group = 0] = recent.splice(place, 1);
    recent.unshift(group);
    return group;
  });
  const tables = Array.from({ length: groups }, () => codeTable(bits, alphabet));
  const front = [...used];
  const out = new Uint8Array(limit);
  let length = 0;
  let [run, weight] = [0, 1];
  for (let i = 0; ; i++) {
    const table = tables[selectors[Math.floor(i / 50)] ?? -1];
    if (table === undefined) throw damaged("too few selectors");
    const symbol = table(bits);
    if (symbol === RUN_A || symbol === RUN_B) {
      run += weight << symbol;
      weight <<= 1;
      continue;
    }
    if (length + run > limit) throw damaged("a block that is too long");
    out.fill(front[0] ?? 0, length, (length += run));
    [run, weight] = [0, 1];
    if (symbol === alphabet - 1) return out.subarray(0, length);
    const [value = 0] = front.splice(symbol - 1, 1);
    front.unshift(value);
    if (length >= limit) throw damaged("a block that is too long");
    out[length++] = value;
  }
}

/** A table of lengths becomes what reads one symbol. */
function codeTable(bits: Bits, alphabet: number): (bits: Bits) => number {
  let length = bits.read(5);
  const lengths = Array.from({ length: alphabet }, () => {
    while (bits.read(1) === 1) length += bits.read(1) === 1 ? -1 : 1;
    if (length < 1 || length > 20) throw damaged("a bad code length");
    return length;
  });
  const codes = new Map<number, number>();
  let code = 0;
  for (let size = 1; size <= 20; size++, code <<= 1)
    lengths.forEach((own, symbol) => {
      if (own === size) codes.set((1 << 21) * size + code++, symbol);
    });
  return (from) => {
    let read = 0;
    for (let size = 1; size <= 20; size++) {
      read = (read << 1) | from.read(1);
      const symbol = codes.get((1 << 21) * size + read);
      if (symbol !== undefined) return symbol;
    }
    throw damaged("a bad code");
  };
}

/** Undoes the Burrows-Wheeler transform. */
function undoSort(sorted: Uint8Array, origin: number): Uint8Array {
  if (origin >= sorted.length) throw damaged("a bad origin");
  const starts = new Uint32Array(257);
  for (const value of sorted) starts[value + 1]!++;
  for (let i = 0; i < 256; i++) starts[i + 1]! += starts[i]!;
  const next = new Uint32Array(sorted.length);
  sorted.forEach((value, i) => (next[starts[value]!++] = i));
  const out = new Uint8Array(sorted.length);
  for (let i = 0, at = next[origin]!; i < out.length; i++, at = next[at]!) out[i] = sorted[at]!;
  return out;
}

/** Four equal bytes are followed by how many more there are. */
function undoRuns(bytes: Uint8Array): Buffer {
  const out: number[] = [];
  const pieces: Buffer[] = [];
  for (let i = 0, same = 0; i < bytes.length; i++) {
    const value = bytes[i]!;
    if (same === 4) {
      const last = bytes[i - 1]!;
      for (let n = 0; n < value; n++) out.push(last);
      same = 0;
    } else {
      same = i > 0 && value === bytes[i - 1] && same > 0 ? same + 1 : 1;
      out.push(value);
    }
    if (out.length > 65_536) pieces.push(Buffer.from(out.splice(0)));
  }
  return Buffer.concat([...pieces, Buffer.from(out)]);
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** At most 24 bits. */
  read(count: number): number {
    while (this.#count < count) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw damaged("it ends too early");
      this.#held = ((this.#held & 0xff_ffff) << 8) | byte;
      this.#count += 8;
    }
    this.#count -= count;
    return (this.#held >>> this.#count) & ((1 << count) - 1);
  }
}

function damaged(how: string): LabError {
  return new LabError("corrupt_file", `the file is not bzip2, or damaged: ${how}`);
}
